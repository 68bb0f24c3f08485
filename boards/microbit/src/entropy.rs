//! The part's random number generator.

use crate::mmio::{Block, Reg};
use ota_hal::Entropy;

const START: Reg = Block::RNG.reg(0x000);
const READY: Reg = Block::RNG.reg(0x100);
const VALUE: Reg = Block::RNG.reg(0x508);

/// The generator.
#[derive(Debug, Clone, Copy)]
pub struct Chance(());

impl Chance {
    /// Starts it.
    pub fn start() -> Self {
        START.write(1);
        Self(())
    }
}

impl Entropy for Chance {
    fn next_u32(&mut self) -> u32 {
        (0..4).fold(0, |number, _| {
            while READY.read() == 0 {}
            READY.write(0);
            number << 8 | (VALUE.read() & 0xFF)
        })
    }
}
