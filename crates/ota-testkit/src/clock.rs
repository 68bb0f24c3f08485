//! A clock that only moves when told to, or when somebody waits.

use core::cell::Cell;
use ota_hal::{Clock, Millis, Timer};

/// A clock for tests: [`Timer::wait_until`] jumps to the moment at once, so an hour of back-off takes no time.
#[derive(Debug, Default)]
pub struct FakeClock {
    now: Cell<Millis>,
    waits: Cell<u32>,
}

impl FakeClock {
    /// A clock that starts at `now`.
    #[must_use]
    pub const fn new(now: Millis) -> Self {
        Self { now: Cell::new(now), waits: Cell::new(0) }
    }
    /// Moves on by `ms`.
    pub fn advance(&self, ms: u32) {
        self.now.set(self.now.get().after(ms));
    }
    /// How often somebody waited to the end.
    #[must_use]
    pub fn waits(&self) -> u32 {
        self.waits.get()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Millis {
        self.now.get()
    }
}

impl Timer for FakeClock {
    async fn wait_until(&self, at: Millis) {
        self.now.set(self.now.get().max(at));
        self.waits.set(self.waits.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    #[test]
    fn waiting_jumps_and_never_goes_back() {
        let clock = FakeClock::new(Millis(100));
        let mut context = Context::from_waker(Waker::noop());
        for (at, then) in [(5_000, 5_000), (50, 5_000)] {
            assert_eq!(pin!(clock.wait_until(Millis(at))).poll(&mut context), Poll::Ready(()));
            assert_eq!(clock.now(), Millis(then));
        }
        clock.advance(7);
        assert_eq!((clock.now(), clock.waits()), (Millis(5_007), 2));
    }
}
