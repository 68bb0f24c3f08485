//! A counter that the loader starts: how long a start takes, and the application's clock. With the emulator's `-icount shift=0` an instruction takes
//! a nanosecond, a count of the 25 MHz clock is 40 instructions.

use crate::mmio::{Block, Reg};

const CONTROL: Reg = Block::TIMER0.reg(0x00);
const VALUE: Reg = Block::TIMER0.reg(0x04);
const RELOAD: Reg = Block::TIMER0.reg(0x08);

/// Instructions per count, when the emulator counts instructions.
pub const INSTRUCTIONS: u32 = 40;

/// Starts counting from 0.
pub fn start() {
    CONTROL.write(0);
    VALUE.write(u32::MAX);
    RELOAD.write(u32::MAX);
    CONTROL.write(1);
}

/// Counts since the start; it begins anew after 171 seconds.
pub fn counts() -> u32 {
    u32::MAX - VALUE.read()
}
