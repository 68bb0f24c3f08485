//! Sleep until a byte arrives or two milliseconds are over, without an interrupt handler: a pending interrupt ends the
//! sleep although it is held off. The handlers would be the loader's (see `handlers.rs`).
#![expect(unsafe_code, reason = "opens interrupt lines")]

use crate::time::alarm_in;
use crate::watchdog::Line;
use cortex_m::peripheral::NVIC;

/// Interrupts of the UART and of the clock's timer.
const WAKING: [Line; 2] = [Line(2), Line(8)];

/// The longest sleep in microseconds.
const LONGEST_US: u32 = 2_000;

/// Sleeps. The watchdog's interrupt ends the sleep too, and is served right after.
pub fn sleep() {
    cortex_m::interrupt::free(|_| {
        alarm_in(LONGEST_US);
        for line in WAKING {
            // SAFETY: interrupts are held off until the lines are closed again: no handler of theirs runs.
            unsafe { NVIC::unmask(line) };
        }
        cortex_m::asm::wfi();
        for line in WAKING {
            NVIC::mask(line);
            // The line is raised again by the next byte or alarm.
            NVIC::unpend(line);
        }
    });
}
