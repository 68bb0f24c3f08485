//! The clock: a timer of 32 bits that counts microseconds, and runs around after 71 minutes.

use crate::mmio::{Block, Reg};
use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll;
use ota_hal::{Clock, Millis, Timer};

const START: Reg = Block::TIMER0.reg(0x000);
const CAPTURE: Reg = Block::TIMER0.reg(0x040);
const REACHED: Reg = Block::TIMER0.reg(0x144);
const INTERRUPTS_ON: Reg = Block::TIMER0.reg(0x304);
const WIDTH: Reg = Block::TIMER0.reg(0x508);
const PRESCALER: Reg = Block::TIMER0.reg(0x510);
const CAPTURED: Reg = Block::TIMER0.reg(0x540);
const COMPARE: Reg = Block::TIMER0.reg(0x544);

const BITS_32: u32 = 3;
/// 16 MHz over 2 to the 4th: microseconds.
const DIVIDE_BY_16: u32 = 4;
const COMPARE_INTERRUPT: u32 = 1 << 17;
const US_PER_MS: u32 = 1000;

/// What was seen at the last look. The counter must not run around between two looks.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    us: u32,
    /// Microseconds that make no whole millisecond yet.
    rest: u32,
    ms: u64,
}

impl Seen {
    fn at(self, us: u32) -> Self {
        let passed = us.wrapping_sub(self.us);
        // Whole milliseconds first, so that nothing overflows.
        let rest = passed % US_PER_MS + self.rest;
        let ms = passed / US_PER_MS + rest / US_PER_MS;
        Self { us, rest: rest % US_PER_MS, ms: self.ms + u64::from(ms) }
    }
}

/// Milliseconds since the application started.
#[derive(Debug, Default)]
pub struct Uptime {
    seen: Cell<Seen>,
}

impl Uptime {
    /// Starts counting.
    pub fn start() -> Self {
        WIDTH.write(BITS_32);
        PRESCALER.write(DIVIDE_BY_16);
        INTERRUPTS_ON.write(COMPARE_INTERRUPT);
        START.write(1);
        Self::default()
    }
}

fn counter() -> u32 {
    CAPTURE.write(1);
    CAPTURED.read()
}

/// Has the timer raise its interrupt in `us` microseconds, see [`crate::idle`].
pub(crate) fn alarm_in(us: u32) {
    REACHED.write(0);
    COMPARE.write(counter().wrapping_add(us));
}

impl Clock for Uptime {
    fn now(&self) -> Millis {
        let seen = self.seen.get().at(counter());
        self.seen.set(seen);
        Millis(seen.ms)
    }
}

impl Timer for Uptime {
    async fn wait_until(&self, at: Millis) {
        // Polled after every sleep: nobody has to be woken.
        poll_fn(|_| if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_microsecond_is_lost_between_looks_or_when_the_counter_runs_around() {
        let mut seen = Seen { us: u32::MAX - 10, rest: 0, ms: 0 };
        let (mut us, mut total) = (seen.us, 0_u64);
        for step in [0, 1, 999, 1000, 11, 3_000_000_000, 1999, u32::MAX] {
            us = us.wrapping_add(step);
            total += u64::from(step);
            seen = seen.at(us);
            assert_eq!(seen.ms * 1000 + u64::from(seen.rest), total, "after {step}");
        }
    }
}
