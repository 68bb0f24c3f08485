//! The UART: a line to a person or a test. Polled in both directions.

use crate::mmio::{Block, Reg};
use common::text::Line;

const DATA: Reg = Block::UART0.reg(0x00);
const STATE: Reg = Block::UART0.reg(0x04);
const CONTROL: Reg = Block::UART0.reg(0x08);
const INTERRUPT: Reg = Block::UART0.reg(0x0C);
const DIVIDER: Reg = Block::UART0.reg(0x10);

const SEND_FULL: u32 = 1 << 0;
const RECEIVED: u32 = 1 << 1;
const BOTH_WAYS: u32 = 0b11;
const RECEIVE_INTERRUPT: u32 = 1 << 3;
/// Cleared by writing it.
const RECEIVE_PENDING: u32 = 1 << 1;
/// The emulator ignores the rate but wants one: 16 is the smallest it takes.
const FASTEST: u32 = 16;

/// The UART. Copies are handles of the one part.
#[derive(Debug, Clone, Copy)]
pub struct Uart(());

impl Uart {
    /// Turns it on, without interrupts.
    pub fn start() -> Self {
        DIVIDER.write(FASTEST);
        CONTROL.write(BOTH_WAYS);
        Self(())
    }
    /// Turns it on; a received byte ends the processor's sleep.
    pub fn start_waking() -> Self {
        DIVIDER.write(FASTEST);
        CONTROL.write(BOTH_WAYS | RECEIVE_INTERRUPT);
        Self(())
    }

    /// The one that is on.
    pub const fn running() -> Self {
        Self(())
    }

    /// The next byte received, if there is one.
    pub fn read(self) -> Option<u8> {
        if STATE.read() & RECEIVED == 0 {
            return None;
        }
        // Before the byte is taken: a byte that follows at once asks for attention again.
        INTERRUPT.write(RECEIVE_PENDING);
        DATA.read().to_le_bytes().first().copied()
    }
}

impl Line for Uart {
    fn send(self, byte: u8) {
        while STATE.read() & SEND_FULL != 0 {}
        DATA.write(u32::from(byte));
    }
}
