//! The UART: the one line to the outside. Polled in both directions; the receiver holds six bytes.

use crate::mmio::{Block, Reg};
use common::text::Line;

const START_RECEIVE: Reg = Block::UART0.reg(0x000);
const START_SEND: Reg = Block::UART0.reg(0x008);
const RECEIVED: Reg = Block::UART0.reg(0x108);
const SENT: Reg = Block::UART0.reg(0x11C);
#[cfg(feature = "app")]
const INTERRUPTS_ON: Reg = Block::UART0.reg(0x304);
const ENABLE: Reg = Block::UART0.reg(0x500);
const PIN_SEND: Reg = Block::UART0.reg(0x50C);
const PIN_RECEIVE: Reg = Block::UART0.reg(0x514);
const RECEIVE: Reg = Block::UART0.reg(0x518);
const SEND: Reg = Block::UART0.reg(0x51C);
const RATE: Reg = Block::UART0.reg(0x524);

/// The pins that lead to the USB bridge.
const PINS: (u32, u32) = (24, 25);
const BAUD_115200: u32 = 0x01D7_E000;
const ON: u32 = 4;
#[cfg(feature = "app")]
const RECEIVED_INTERRUPT: u32 = 1 << 2;

/// The UART. Copies are handles of the one part.
#[derive(Debug, Clone, Copy)]
pub struct Uart(());

impl Uart {
    /// Turns it on, 115,200 baud.
    pub fn start() -> Self {
        PIN_SEND.write(PINS.0);
        PIN_RECEIVE.write(PINS.1);
        RATE.write(BAUD_115200);
        ENABLE.write(ON);
        START_SEND.write(1);
        START_RECEIVE.write(1);
        Self(())
    }
    /// The same, and a received byte ends the processor's sleep (see [`crate::idle`]).
    #[cfg(feature = "app")]
    pub fn start_waking() -> Self {
        let uart = Self::start();
        INTERRUPTS_ON.write(RECEIVED_INTERRUPT);
        uart
    }
    /// The one that is on.
    pub const fn running() -> Self {
        Self(())
    }

    /// The next byte received, if there is one.
    pub fn read(self) -> Option<u8> {
        if RECEIVED.read() == 0 {
            return None;
        }
        // Before the byte is taken: the next one sets it again.
        RECEIVED.write(0);
        RECEIVE.read().to_le_bytes().first().copied()
    }
}

impl Line for Uart {
    fn send(self, byte: u8) {
        SENT.write(0);
        SEND.write(u32::from(byte));
        while SENT.read() == 0 {}
    }
}
