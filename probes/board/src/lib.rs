//! The board of the size probes: addresses the compiler knows nothing about, so that nothing is folded away.
//!
//! What is in this crate stands for what a product brings along (flash driver, clock, application, sockets). It is kept
//! out of line and is not counted. Keys and texts lie at addresses too: their bytes are not in the figures.
//!
//! The panic handler calls a function that does not exist. A program with a panic path does not link, unless `cargo
//! xtask size` gives the function an address because the profile may panic.
#![no_std]

#[cfg(feature = "agent")]
pub mod links;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "agent")]
pub mod product;
#[cfg(feature = "udp")]
pub mod udp;

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};
use core::slice::from_raw_parts;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use ota_hal::{Clock, Entropy, Flash, Layout, Millis, Partition, ResetCause, Watchdog};
use ota_verify::{Identity, Uuid};

/// A small part: loader, journal, two slots.
pub const LAYOUT: Layout = const {
    Layout::new(
        Partition::new(0x0_8000, 0x3_8000),
        Partition::new(0x4_0000, 0x3_8000),
        Partition::new(0x0_6000, 0x2000),
        0x1000,
    )
};
/// Whose firmware it is.
pub const IDENTITY: Identity = Identity {
    vendor: Uuid::parse("3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d").unwrap(),
    class: Uuid::parse("7c0d4b1e-22f6-4f0b-8a0e-5d0f3c9b6a11").unwrap(),
};

const FLASH: usize = 0x2100_0000;
const REGISTERS: usize = 0x4000_0000;

/// Bytes at an address.
pub fn bytes_at(address: usize, len: usize) -> &'static [u8] {
    // SAFETY: the probe is linked and measured, never run; on a machine with this address it would be mapped.
    unsafe { from_raw_parts(address as *const u8, len) }
}
/// The key blob of an RSA-2048 key.
pub fn key_blob() -> &'static [u8] {
    bytes_at(0x2100_5000, 40 + 256 + 256 + 4 + 4)
}
/// A register that may say anything.
#[inline(never)]
pub fn register(n: usize) -> u32 {
    anything(n)
}
/// Any value at all: the compiler cannot know which.
#[inline(always)]
pub fn anything<T>(n: usize) -> T {
    // SAFETY: never run; the address would hold a valid value of this type.
    unsafe { read_volatile((REGISTERS + 4 * n) as *const T) }
}
/// A register that takes anything.
#[inline(never)]
pub fn set_register(n: usize, value: u32) {
    // SAFETY: never run; it would be an aligned register.
    unsafe { write_volatile((REGISTERS + 4 * n) as *mut u32, value) }
}
/// Why the part restarted.
pub fn reset_cause() -> ResetCause {
    ResetCause::from_u8(register(5) as u8)
}
/// The end of the program: the jump, recovery mode, or the reset.
#[inline(never)]
pub fn stop(what: u32, detail: u32) -> ! {
    set_register(6, what);
    set_register(7, detail);
    loop {}
}

/// Memory for one value that lives as long as the program. Its symbol is static RAM.
pub struct Place<T>(UnsafeCell<MaybeUninit<T>>);
// SAFETY: the probes have one thread.
unsafe impl<T> Sync for Place<T> {}
impl<T> Place<T> {
    /// An empty place.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }
    /// A place with a value from the start.
    pub const fn holding(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)))
    }
    /// The value it was made with. To be called once.
    #[allow(clippy::mut_from_ref)]
    pub fn held(&'static self) -> &'static mut T {
        // SAFETY: called once, in a program with one thread, of a place made by `holding`.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
    /// Moves `value` there. To be called once.
    #[allow(clippy::mut_from_ref)]
    pub fn put(&'static self, value: T) -> &'static mut T {
        // SAFETY: called once, in a program with one thread.
        unsafe { (*self.0.get()).write(value) }
    }
}
impl<const N: usize> Place<[u8; N]> {
    /// The bytes, zero. To be called once.
    #[allow(clippy::mut_from_ref)]
    pub fn bytes(&'static self) -> &'static mut [u8; N] {
        // SAFETY: as above; statics without a value are zero when the program starts.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}

/// The flash part.
pub struct Part;

/// What can go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Cells without valid data.
    Ecc,
    /// Everything else.
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
fn status() -> Result<(), Fault> {
    match register(0) {
        0 => Ok(()),
        1 => Err(Fault::Ecc),
        _ => Err(Fault::Bus),
    }
}
#[inline(never)]
fn read(offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
    bytes.iter_mut().zip(bytes_at(FLASH + offset as usize, usize::MAX >> 2)).for_each(|(to, from)| *to = *from);
    status()
}
#[inline(never)]
fn write(offset: u32, bytes: &[u8]) -> Result<(), Fault> {
    set_register(1, offset);
    bytes.iter().for_each(|byte| set_register(2, u32::from(*byte)));
    status()
}
#[inline(never)]
fn erase(from: u32, to: u32) -> Result<(), Fault> {
    set_register(1, from);
    set_register(3, to);
    status()
}
impl ReadNorFlash for Part {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        0x8_0000
    }
}
impl NorFlash for Part {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 0x1000;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        write(offset, bytes)
    }
}
impl Flash for Part {
    fn is_corrupt(error: &Fault) -> bool {
        matches!(error, Fault::Ecc)
    }
}

/// The watchdog.
pub struct Dog;
impl Watchdog for Dog {
    fn feed(&mut self) {
        set_register(4, 0x6E52_4635);
    }
}

/// Clock and chance.
pub struct Chip;

#[inline(never)]
fn now() -> u64 {
    anything(8)
}
impl Clock for Chip {
    fn now(&self) -> Millis {
        Millis(now())
    }
}
impl Entropy for Chip {
    fn next_u32(&mut self) -> u32 {
        register(9)
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn a_panic_path_is_linked() -> !;
    }
    a_panic_path_is_linked()
}
