//! How long to wait before the next try.

use ota_hal::Entropy;

/// Exponential back-off with full jitter and a bound on the tries.
///
/// Each wait is drawn evenly from `1..=window`; the window begins at [`Backoff::base_ms`] and doubles up to
/// [`Backoff::cap_ms`]. The whole wait is random, at the cap too: a fleet that lost its server does not come back in
/// step. What the other side asks for ([`crate::Failure::Retry`]) is a lower bound, and the random part is added to it,
/// because every device was told the same number.
///
/// # Examples
/// ```
/// use ota_download::Backoff;
/// # struct Chip; impl ota_hal::Entropy for Chip { fn next_u32(&mut self) -> u32 { 0x8000_0000 } }
/// let mut backoff = Backoff::new(1_000, 60_000, 3);
/// assert_eq!(backoff.next_wait_ms(&mut Chip, 0), Some(501));       // half of one second
/// assert_eq!(backoff.next_wait_ms(&mut Chip, 30_000), Some(31_001)); // the server said 30 s; half of two are added
/// backoff.on_progress();                                            // bytes came in: all tries are there again
/// assert_eq!(backoff.tries_left(), 3);
/// ```
/// # Source
/// "Full jitter" of Brooker, *Exponential backoff and jitter*; `Retry-After`: RFC 9110 §10.2.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base_ms: u32,
    cap_ms: u32,
    tries_max: u16,
    tries: u16,
}

impl Backoff {
    /// Begins with no tries spent. A `base_ms` of 0 counts as 1; a `cap_ms` below the base counts as the base.
    pub const fn new(base_ms: u32, cap_ms: u32, tries_max: u16) -> Self {
        let base_ms = if base_ms == 0 { 1 } else { base_ms };
        let cap_ms = if cap_ms < base_ms { base_ms } else { cap_ms };
        Self { base_ms, cap_ms, tries_max, tries: 0 }
    }

    /// Window of the first wait.
    pub const fn base_ms(&self) -> u32 {
        self.base_ms
    }
    /// Largest window.
    pub const fn cap_ms(&self) -> u32 {
        self.cap_ms
    }
    /// Tries that are left.
    pub const fn tries_left(&self) -> u16 {
        self.tries_max.saturating_sub(self.tries)
    }

    /// Spends one try: how long to wait before it, or `None` when none is left.
    pub fn next_wait_ms(&mut self, entropy: &mut impl Entropy, at_least_ms: u32) -> Option<u32> {
        if self.tries_left() == 0 {
            return None;
        }
        let window = self.window_ms();
        self.tries += 1;
        Some(at_least_ms.saturating_add(jitter_ms(entropy.next_u32(), window)))
    }

    /// Gives all tries back and begins again at the base: the link did something useful.
    pub const fn on_progress(&mut self) {
        self.tries = 0;
    }

    fn window_ms(&self) -> u32 {
        let doubled = u32::checked_shl(1, u32::from(self.tries)).and_then(|factor| self.base_ms.checked_mul(factor));
        doubled.unwrap_or(self.cap_ms).min(self.cap_ms)
    }
}

impl Default for Backoff {
    /// 1 s doubling to 5 min, 12 tries: about 25 minutes of a server that is away.
    fn default() -> Self {
        Self::new(1_000, 300_000, 12)
    }
}

/// A number from `1..=window_ms`, evenly from a random `number`; 0 only for a window of 0.
///
/// Also the hold-off before a fleet's first request: draw it once per offer.
pub const fn jitter_ms(number: u32, window_ms: u32) -> u32 {
    if window_ms == 0 {
        return 0;
    }
    // Multiply-shift in place of a remainder: even, and no 64-bit division.
    ((number as u64 * window_ms as u64) >> 32) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed(u32);
    impl Entropy for Fixed {
        fn next_u32(&mut self) -> u32 {
            self.0
        }
    }
    struct Lcg(u32);
    impl Entropy for Lcg {
        fn next_u32(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.0
        }
    }

    #[test]
    fn windows_double_up_to_the_cap_and_tries_end() {
        let mut backoff = Backoff::new(100, 450, 5);
        let mut next = || backoff.next_wait_ms(&mut Fixed(u32::MAX), 0);
        assert_eq!([next(), next(), next(), next(), next()], [Some(100), Some(200), Some(400), Some(450), Some(450)]);
        assert_eq!(next(), None);
    }

    #[test]
    fn the_wait_is_random_at_the_cap_too_and_never_zero() {
        let mut backoff = Backoff::new(100, 1_000, u16::MAX);
        let mut random = Lcg(7);
        let (mut low, mut high, mut sum) = (u32::MAX, 0, 0);
        for _ in 0..10_000 {
            let wait = backoff.next_wait_ms(&mut random, 0).unwrap();
            (low, high, sum) = (low.min(wait), high.max(wait), sum + wait);
        }
        assert!((1..50).contains(&low) && (950..=1_000).contains(&high), "{low}..{high}");
        assert!((480..520).contains(&(sum / 10_000)), "mean {}", sum / 10_000);
        assert_eq!(Backoff::new(0, 0, 1).next_wait_ms(&mut Fixed(0), 0), Some(1));
    }

    #[test]
    fn the_other_side_sets_the_lower_bound() {
        let mut backoff = Backoff::new(1_000, 1_000, 9);
        assert_eq!(backoff.next_wait_ms(&mut Fixed(0), 5_000), Some(5_001));
        assert_eq!(backoff.next_wait_ms(&mut Fixed(u32::MAX), 5_000), Some(6_000));
        assert_eq!(backoff.next_wait_ms(&mut Fixed(u32::MAX), u32::MAX), Some(u32::MAX));
    }

    #[test]
    fn progress_gives_the_tries_back() {
        let mut backoff = Backoff::new(10, 1_000, 2);
        while backoff.next_wait_ms(&mut Fixed(0), 0).is_some() {}
        backoff.on_progress();
        assert_eq!(backoff.tries_left(), 2);
        assert_eq!(backoff.next_wait_ms(&mut Fixed(u32::MAX), 0), Some(10));
    }

    proptest! {
        #[test]
        fn bounds_hold_for_any_numbers(base: u32, cap: u32, number: u32, least: u32, tries in 0u16..80) {
            let mut backoff = Backoff::new(base, cap, u16::MAX);
            backoff.tries = tries;
            let wait = backoff.next_wait_ms(&mut Fixed(number), least).unwrap();
            prop_assert!(wait > least || wait == u32::MAX);
            prop_assert!(u64::from(wait) <= u64::from(least) + u64::from(backoff.cap_ms()));
        }
    }
}
