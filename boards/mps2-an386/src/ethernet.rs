//! The LAN9118 Ethernet controller. Frames go through its data registers word by word; it has no access to memory.
//!
//! # Source
//! SMSC LAN9118 data sheet, revision 1.5: chapter 3.12 (transmit), 3.13 (receive), 5 (registers).

use crate::mmio::{Block, Reg};
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

const RX_DATA: Reg = Block::ETHERNET.reg(0x00);
const TX_DATA: Reg = Block::ETHERNET.reg(0x20);
const RX_STATUS: Reg = Block::ETHERNET.reg(0x40);
const TX_STATUS: Reg = Block::ETHERNET.reg(0x48);
const IRQ_CFG: Reg = Block::ETHERNET.reg(0x54);
const INT_STS: Reg = Block::ETHERNET.reg(0x58);
const INT_EN: Reg = Block::ETHERNET.reg(0x5C);
const BYTE_TEST: Reg = Block::ETHERNET.reg(0x64);
const FIFO_INT: Reg = Block::ETHERNET.reg(0x68);
const RX_CFG: Reg = Block::ETHERNET.reg(0x6C);
const TX_CFG: Reg = Block::ETHERNET.reg(0x70);
const HW_CFG: Reg = Block::ETHERNET.reg(0x74);
const RX_FIFO_INF: Reg = Block::ETHERNET.reg(0x7C);
const TX_FIFO_INF: Reg = Block::ETHERNET.reg(0x80);
const MAC_CSR_CMD: Reg = Block::ETHERNET.reg(0xA4);
const MAC_CSR_DATA: Reg = Block::ETHERNET.reg(0xA8);

/// The longest frame, without its check sequence.
const FRAME_MAX: usize = 1514;
/// The check sequence, which the controller appends and hands on.
const FCS: usize = 4;
/// The FIFOs share 16 KiB, of which 5 KiB are for sending and some for status words.
const RX_FIFO: usize = 10 * 1024;
/// Commands, status words and padding beside the longest frame in the transmit FIFO.
const TX_OVERHEAD: usize = 16;
/// Looks at a busy bit before the part counts as missing.
const LOOKS: u32 = 100_000;

/// The controller, and room for one frame each way.
#[derive(Debug)]
pub struct Lan9118 {
    address: [u8; 6],
    received: [u8; FRAME_MAX],
    sent: [u8; FRAME_MAX],
}

/// Registers behind MAC_CSR_CMD.
#[derive(Clone, Copy)]
enum Mac {
    Control = 1,
    AddressHigh = 2,
    AddressLow = 3,
}

impl Lan9118 {
    /// Starts the controller; `None` when there is none or it does not answer.
    pub fn start() -> Option<Self> {
        const SOFT_RESET: u32 = 1;
        const TX_FIFO_5_KIB_AND_MUST_BE_ONE: u32 = 0x0005_0000;
        const TX_DUMP: u32 = 0xC000;
        const TX_ON_ALLOW_STATUS_OVERRUN: u32 = 0x6;
        const RX_DUMP: u32 = 0x8000;
        const ENABLED_ACTIVE_HIGH: u32 = 0x111;
        const FULL_DUPLEX_TX_RX: u32 = 1 << 20 | 1 << 3 | 1 << 2;
        if BYTE_TEST.read() != 0x8765_4321 {
            return None;
        }
        HW_CFG.write(SOFT_RESET);
        until_clear(HW_CFG, SOFT_RESET)?;
        HW_CFG.write(TX_FIFO_5_KIB_AND_MUST_BE_ONE);
        TX_CFG.write(TX_DUMP);
        TX_CFG.write(TX_ON_ALLOW_STATUS_OVERRUN);
        RX_CFG.write(RX_DUMP);
        RX_CFG.write(0);
        // One frame is enough to be told of.
        FIFO_INT.write(0);
        INT_STS.write(u32::MAX);
        INT_EN.write(RX_LEVEL);
        IRQ_CFG.write(ENABLED_ACTIVE_HIGH);
        let address = address()?;
        mac_write(Mac::Control, FULL_DUPLEX_TX_RX)?;
        Some(Self { address, received: [0; FRAME_MAX], sent: [0; FRAME_MAX] })
    }

    /// The hardware address, from the controller's EEPROM.
    pub const fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Takes the next good frame out of the FIFO; its length.
    fn receive_frame(&mut self) -> Option<usize> {
        const ERROR: u32 = 1 << 15;
        INT_STS.write(RX_LEVEL);
        while waiting(RX_FIFO_INF) != 0 {
            let status = RX_STATUS.read();
            let len = ((status >> 16) & 0x3FFF) as usize;
            let good = status & ERROR == 0 && len > FCS && len <= FRAME_MAX + FCS;
            let mut room = self.received.chunks_mut(4);
            for _ in 0..len.div_ceil(4) {
                let word = RX_DATA.read().to_le_bytes();
                for (to, from) in room.next().unwrap_or_default().iter_mut().zip(word) {
                    *to = from;
                }
            }
            if good {
                return Some(len - FCS);
            }
        }
        None
    }

    /// Whether the longest frame can be sent now.
    fn can_send() -> bool {
        while waiting(TX_FIFO_INF) != 0 {
            TX_STATUS.read();
        }
        (TX_FIFO_INF.read() & 0xFFFF) as usize >= FRAME_MAX + TX_OVERHEAD
    }
}

/// Interrupt: more frames received than FIFO_INT says.
const RX_LEVEL: u32 = 1 << 3;

/// Entries in a status FIFO.
fn waiting(fifo: Reg) -> u32 {
    (fifo.read() >> 16) & 0xFF
}

fn send(frame: &[u8]) {
    const FIRST_AND_LAST_SEGMENT: u32 = 1 << 13 | 1 << 12;
    // At most FRAME_MAX.
    let len = frame.len() as u32;
    TX_DATA.write(FIRST_AND_LAST_SEGMENT | len);
    TX_DATA.write(len << 16 | len);
    for bytes in frame.chunks(4) {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        TX_DATA.write(u32::from_le_bytes(word));
    }
}

fn address() -> Option<[u8; 6]> {
    let [a, b, c, d] = mac_read(Mac::AddressLow)?.to_le_bytes();
    let [e, f, ..] = mac_read(Mac::AddressHigh)?.to_le_bytes();
    Some([a, b, c, d, e, f])
}

const BUSY: u32 = 1 << 31;

fn mac_read(index: Mac) -> Option<u32> {
    const READ: u32 = 1 << 30;
    until_clear(MAC_CSR_CMD, BUSY)?;
    MAC_CSR_CMD.write(BUSY | READ | index as u32);
    until_clear(MAC_CSR_CMD, BUSY)?;
    Some(MAC_CSR_DATA.read())
}

fn mac_write(index: Mac, value: u32) -> Option<()> {
    until_clear(MAC_CSR_CMD, BUSY)?;
    MAC_CSR_DATA.write(value);
    MAC_CSR_CMD.write(BUSY | index as u32);
    until_clear(MAC_CSR_CMD, BUSY)
}

fn until_clear(reg: Reg, bits: u32) -> Option<()> {
    (0..LOOKS).find(|_| reg.read() & bits == 0).map(drop)
}

/// A frame that came in.
#[derive(Debug)]
pub struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to be sent.
#[derive(Debug)]
pub struct Room<'a>(&'a mut [u8; FRAME_MAX]);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // The stack keeps to the capabilities; a longer frame would be cut.
        let len = len.min(FRAME_MAX);
        let frame = self.0.get_mut(..len).unwrap_or_default();
        let result = f(frame);
        send(frame);
        result
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    // The executor polls when the interrupt came: nobody has to be woken from here.
    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        if !Self::can_send() {
            return None;
        }
        let len = self.receive_frame()?;
        Some((Received(self.received.get_mut(..len)?), Room(&mut self.sent)))
    }
    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        Self::can_send().then_some(Room(&mut self.sent))
    }
    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        // What the receive FIFO holds: the stack offers its peers no more at once.
        capabilities.max_burst_size = Some(RX_FIFO / FRAME_MAX);
        capabilities
    }
    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}
