//! Time and chance, passed in.

/// A moment, or a span, in milliseconds of a clock that only goes forward and starts anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment plus `ms`; the far end of time when it would overflow.
    #[must_use]
    // Called wherever something is waited for; inlined, it costs the agent 0.2 KiB.
    #[inline(never)]
    pub const fn after(self, ms: u32) -> Self {
        Self(self.0.saturating_add(ms as u64))
    }
    /// Milliseconds from `earlier` to this moment; zero when it lies before.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A monotonic clock. It may stop while the device is off.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Millis;
}

/// A clock that can be waited on.
pub trait Timer: Clock {
    /// Returns at `at` or soon after; at once when it is past.
    ///
    /// # Cancellation
    /// Dropping the future has no effect.
    async fn wait_until(&self, at: Millis);
}

impl<C: Clock> Clock for &C {
    fn now(&self) -> Millis {
        (**self).now()
    }
}
impl<T: Timer> Timer for &T {
    async fn wait_until(&self, at: Millis) {
        (**self).wait_until(at).await;
    }
}

/// A source of numbers that differ between devices, for jitter and message ids. Need not be a secret.
pub trait Entropy {
    /// The next number.
    fn next_u32(&mut self) -> u32;
}

impl<E: Entropy> Entropy for &mut E {
    fn next_u32(&mut self) -> u32 {
        (**self).next_u32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_its_ends() {
        assert_eq!(Millis(5).after(7), Millis(12));
        assert_eq!(Millis(u64::MAX - 1).after(7), Millis(u64::MAX));
        assert_eq!(Millis(12).since(Millis(5)), 7);
        assert_eq!(Millis(5).since(Millis(12)), 0);
        assert!(Millis(5) < Millis(6));
    }
}
