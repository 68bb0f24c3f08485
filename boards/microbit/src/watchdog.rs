//! The watchdog: two seconds without food end in a reset.
//!
//! The emulator does not model the part's watchdog, so a timer stands for it; its handler is the loader's, whichever
//! program runs. A program that turns its interrupts off escapes it: a product starts the part's own watchdog here too.
#![expect(unsafe_code, reason = "opens an interrupt line")]

use crate::mmio::{Block, Reg};
use cortex_m::peripheral::NVIC;
use ota_hal::Watchdog;

const START: Reg = Block::TIMER1.reg(0x000);
const CLEAR: Reg = Block::TIMER1.reg(0x00C);
const INTERRUPTS_ON: Reg = Block::TIMER1.reg(0x304);
const PRESCALER: Reg = Block::TIMER1.reg(0x510);
const COMPARE: Reg = Block::TIMER1.reg(0x540);

/// Counts of 32 µs: 16 MHz over 2 to the 9th, the slowest.
const PERIOD: u32 = 62_500;
const COMPARE_INTERRUPT: u32 = 1 << 16;

/// The timer's interrupt.
pub(crate) const LINE: u16 = 9;

/// An interrupt line of the part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line(pub(crate) u16);

// SAFETY: a number that never changes; the part has 32 lines, and those named in this crate are below that.
unsafe impl cortex_m::interrupt::InterruptNumber for Line {
    fn number(self) -> u16 {
        self.0
    }
}

/// The watchdog.
#[derive(Debug)]
pub struct Dog(());

impl Dog {
    /// Loader: starts it.
    pub fn start() -> Self {
        PRESCALER.write(9);
        COMPARE.write(PERIOD);
        INTERRUPTS_ON.write(COMPARE_INTERRUPT);
        CLEAR.write(1);
        START.write(1);
        // SAFETY: the handler resets; it is part of no critical section.
        unsafe { NVIC::unmask(Line(LINE)) };
        Self(())
    }
    /// Application: the one the loader started.
    pub const fn running() -> Self {
        Self(())
    }
    /// Loader, with nothing to start: the reason is to stay the last line until somebody resets the board.
    pub fn hold(self) {
        NVIC::mask(Line(LINE));
    }
}

impl Watchdog for Dog {
    fn feed(&mut self) {
        CLEAR.write(1);
    }
}
