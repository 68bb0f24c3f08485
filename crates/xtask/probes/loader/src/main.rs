//! Size probe: everything a boot loader needs of this project, and nothing else.
//!
//! The board is made of addresses the compiler knows nothing about, so that nothing is folded away: memory-mapped
//! flash and registers that may say anything. `board_*` functions are the board's and not the engine's: the flash
//! driver, the watchdog. The key blob lies at an address too, as on a device that keeps it in protected flash: its
//! bytes are not in the figure.
//!
//! The panic handler refers to a symbol that does not exist: a panic path that is linked does not link.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};
use core::slice::from_raw_parts;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use ota_boot::{Config, Decision, loader};
use ota_hal::{Flash, Journal, Layout, Partition, Region, ResetCause, Shared, SlotId, Watchdog};
use ota_verify::rsa::Rsa2048Pss;
use ota_verify::{Identity, Rules, Uuid};

const LAYOUT: Layout = const {
    Layout::new(
        Partition::new(0x0_8000, 0x3_8000),
        Partition::new(0x4_0000, 0x3_8000),
        Partition::new(0x0_6000, 0x2000),
        0x1000,
    )
};
const IDENTITY: Identity = Identity {
    vendor: Uuid::parse("3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d").unwrap(),
    class: Uuid::parse("7c0d4b1e-22f6-4f0b-8a0e-5d0f3c9b6a11").unwrap(),
};

/// Where the part is mapped.
const FLASH: usize = 0x2100_0000;
/// Registers: status, command, watchdog, reset cause, decision.
const REGISTERS: usize = 0x4000_0000;
/// The key blob, of an RSA-2048 key.
const KEY: (usize, usize) = (0x0000_8000, 40 + 256 + 256 + 4 + 4);

fn register(n: usize) -> u32 {
    // SAFETY: the probe is linked and measured; on a machine with these addresses it would be an aligned register.
    unsafe { read_volatile((REGISTERS + 4 * n) as *const u32) }
}
fn set_register(n: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile((REGISTERS + 4 * n) as *mut u32, value) }
}

struct Part;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Ecc,
    Bus,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}
impl ErrorType for Part {
    type Error = Fault;
}

/// What the part says of the last operation.
fn status() -> Result<(), Fault> {
    match register(0) {
        0 => Ok(()),
        1 => Err(Fault::Ecc),
        _ => Err(Fault::Bus),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
fn board_read(offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
    // SAFETY: `Region` checked the range; the part is mapped at FLASH.
    bytes.copy_from_slice(unsafe { from_raw_parts((FLASH + offset as usize) as *const u8, bytes.len()) });
    status()
}
#[unsafe(no_mangle)]
#[inline(never)]
fn board_write(offset: u32, bytes: &[u8]) -> Result<(), Fault> {
    set_register(1, offset);
    bytes.iter().for_each(|byte| set_register(2, u32::from(*byte)));
    status()
}
#[unsafe(no_mangle)]
#[inline(never)]
fn board_erase(from: u32, to: u32) -> Result<(), Fault> {
    set_register(1, from);
    set_register(3, to);
    status()
}

impl ReadNorFlash for Part {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        board_read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        0x8_0000
    }
}
impl NorFlash for Part {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 0x1000;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        board_erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        board_write(offset, bytes)
    }
}
impl Flash for Part {
    fn is_corrupt(error: &Fault) -> bool {
        matches!(error, Fault::Ecc)
    }
}

struct Dog;
impl Watchdog for Dog {
    fn feed(&mut self) {
        set_register(4, 0x6E52_4635);
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let part = RefCell::new(Part);
    let flash = Shared::new(&part);
    let mut slots = [Region::new(flash, LAYOUT.slot(SlotId::A)), Region::new(flash, LAYOUT.slot(SlotId::B))];
    // SAFETY: the key blob lies there.
    let blob = unsafe { from_raw_parts(KEY.0 as *const u8, KEY.1) };
    let Ok(key) = Rsa2048Pss::from_blob(blob) else { stop(3, 0) };
    let rules = Rules { keys: &key, identity: IDENTITY, floor: 0 };
    let cause = ResetCause::from_u8(register(5) as u8);
    let decision = &match &mut Journal::<_>::mount(Region::new(flash, LAYOUT.journal())) {
        Ok(journal) => loader::boot(journal, &mut slots, &rules, cause, &Config::DEFAULT, &mut Dog),
        Err(_) => loader::boot_unrecorded(&mut slots, &rules, &mut Dog),
    };
    match decision {
        Decision::Boot { proof, trial } => stop(
            u32::from(*trial),
            if proof.slot() == SlotId::A { 0x0_8000 } else { 0x4_0000 } + proof.payload_offset(),
        ),
        Decision::Recovery { why } => stop(2, u32::from(why[0].code()) << 8 | u32::from(why[1].code())),
    }
}

/// Stands for the jump, or for recovery mode.
fn stop(what: u32, detail: u32) -> ! {
    set_register(6, what);
    set_register(7, detail);
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_path_is_linked() -> !;
    }
    // SAFETY: never linked.
    unsafe { a_panic_path_is_linked() }
}
