//! The clock: the free-running counter that the loader started says how late it is, SysTick makes us look.
//!
//! Ticks are not counted: one that comes while interrupts are off, or while the emulator waits for its host, would be
//! lost, and with it a millisecond.

use crate::stopwatch;
use core::cell::Cell;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use critical_section::Mutex;
use ota_hal::{Clock, Millis, Timer};

const COUNTS_PER_MS: u32 = 25_000;

/// What was seen at the last look. The counter must not run around between two looks, and takes 171 seconds for that.
#[derive(Clone, Copy)]
struct Seen {
    counts: u32,
    /// Counts that make no whole millisecond yet.
    rest: u32,
    ms: u64,
}

static SEEN: Mutex<Cell<Seen>> = Mutex::new(Cell::new(Seen { counts: 0, rest: 0, ms: 0 }));

impl Seen {
    fn at(self, counts: u32) -> Self {
        let passed = counts.wrapping_sub(self.counts);
        // Whole milliseconds first, so that nothing overflows.
        let rest = passed % COUNTS_PER_MS + self.rest;
        let ms = passed / COUNTS_PER_MS + rest / COUNTS_PER_MS;
        Self { counts, rest: rest % COUNTS_PER_MS, ms: self.ms + u64::from(ms) }
    }
}

/// Starts the tick.
pub fn start(mut syst: SYST) {
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(COUNTS_PER_MS - 1);
    syst.clear_current();
    syst.enable_counter();
    syst.enable_interrupt();
}

#[exception]
fn SysTick() {
    look();
    crate::wake::signal();
}

/// Milliseconds since the loader started.
fn look() -> u64 {
    critical_section::with(|cs| {
        let seen = SEEN.borrow(cs);
        let now = seen.get().at(stopwatch::counts());
        seen.set(now);
        now.ms
    })
}

/// Milliseconds since the last reset.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uptime;

impl Clock for Uptime {
    fn now(&self) -> Millis {
        Millis(look())
    }
}

impl Timer for Uptime {
    async fn wait_until(&self, at: Millis) {
        // Polled after every tick: nobody has to be woken.
        poll_fn(|_| if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// The same clock for the IP stack and the MQTT client.
struct Ticks;

impl embassy_time_driver::Driver for Ticks {
    fn now(&self) -> u64 {
        look()
    }
    fn schedule_wake(&self, _: u64, _: &Waker) {
        // As above.
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: Ticks = Ticks);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_lost_between_looks_or_when_the_counter_runs_around() {
        let mut seen = Seen { counts: u32::MAX - 10, rest: 0, ms: 0 };
        let (mut counts, mut total) = (seen.counts, 0_u64);
        for step in [0, 1, 24_999, 25_000, 11, 3_000_000_000, 49_999, u32::MAX] {
            counts = counts.wrapping_add(step);
            total += u64::from(step);
            seen = seen.at(counts);
            assert_eq!(seen.ms * 25_000 + u64::from(seen.rest), total, "after {step}");
        }
    }
}
