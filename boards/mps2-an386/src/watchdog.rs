//! The watchdog: two periods without food end in a reset, whatever the program does with its interrupts.
//!
//! The part raises the non-maskable interrupt after one period; our handler resets there and says why (see
//! [`crate::handlers`]). Should that handler be gone with the rest of the program, the part resets by itself after
//! the second.

use crate::mmio::{Block, Reg};
use ota_hal::Watchdog;

const LOAD: Reg = Block::WATCHDOG.reg(0x00);
const CONTROL: Reg = Block::WATCHDOG.reg(0x08);
const CLEAR: Reg = Block::WATCHDOG.reg(0x0C);
const LOCK: Reg = Block::WATCHDOG.reg(0xC00);

const UNLOCK: u32 = 0x1ACC_E551;
const INTERRUPT_AND_RESET: u32 = 0b11;
const CLOCK_HZ: u32 = 25_000_000;
/// How long a program may go without feeding.
pub const PERIOD_S: u32 = 4;

/// The watchdog. Nothing here stops it.
#[derive(Debug)]
pub struct Dog(());

impl Dog {
    /// Loader: starts it.
    pub fn start() -> Self {
        LOCK.write(UNLOCK);
        LOAD.write(PERIOD_S * CLOCK_HZ);
        CONTROL.write(INTERRUPT_AND_RESET);
        LOCK.write(0);
        Self(())
    }
    /// Application: the one the loader started.
    pub const fn running() -> Self {
        Self(())
    }
}

impl Watchdog for Dog {
    fn feed(&mut self) {
        LOCK.write(UNLOCK);
        CLEAR.write(1);
        LOCK.write(0);
    }
}
