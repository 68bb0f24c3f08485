//! The PSRAM as NOR flash: a file of the host, so its content survives resets and the emulator itself.
//!
//! The rules of NOR flash are enforced here: erase by sector to 0xFF, each write unit programmed once between erases.
//! An emulator killed in the middle leaves whatever words had been written: a power cut.
#![expect(unsafe_code, reason = "the mapped part is read and written through raw pointers")]

use crate::addresses::{FLASH, FLASH_LEN, SECTOR};
use common::guard::{Fault, Guard};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use ota_hal::{Flash, Partition, Region, Shared};

/// Write unit in bytes.
pub const WRITE: u32 = 4;

/// The flash part.
#[derive(Debug)]
pub struct Psram(Guard);

impl Psram {
    /// The part, with `protected` read-only: the slot the program executes from, or everything it never writes.
    /// `None` when it was taken before.
    pub fn take(protected: Partition) -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self(Guard { from: 0, end: FLASH_LEN, protected }))
    }

    /// Where the byte at `offset` is, which the guard let through.
    const fn at(offset: u32) -> *mut u8 {
        (FLASH + offset) as *mut u8
    }
}

impl ErrorType for Psram {
    type Error = Fault;
}

impl ReadNorFlash for Psram {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.readable(offset, bytes.len())?;
        // SAFETY: the guard keeps within the mapped part, which is always readable; the destination is an exclusive
        // slice elsewhere. Nobody writes meanwhile: there is one `Psram`, and it is borrowed.
        unsafe { core::ptr::copy_nonoverlapping(Self::at(offset), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
    fn capacity(&self) -> usize {
        FLASH_LEN as usize
    }
}

impl NorFlash for Psram {
    const WRITE_SIZE: usize = WRITE as usize;
    const ERASE_SIZE: usize = SECTOR as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        let len = to.checked_sub(from).ok_or(Fault::OutOfBounds)? as usize;
        self.0.writable(from, len, SECTOR)?;
        let start = Self::at(from).cast::<u32>();
        for word in 0..len / size_of::<u32>() {
            // SAFETY: the guard keeps within the mapped part, word-aligned, and off the code that runs there.
            unsafe { start.add(word).write_volatile(u32::MAX) };
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.writable(offset, bytes.len(), WRITE)?;
        let start = Self::at(offset).cast::<u32>();
        for (at, word) in bytes.as_chunks::<4>().0.iter().enumerate() {
            // SAFETY: as in `erase`.
            unsafe {
                let cell = start.add(at);
                if cell.read_volatile() != u32::MAX {
                    return Err(Fault::NotErased);
                }
                cell.write_volatile(u32::from_le_bytes(*word));
            }
        }
        Ok(())
    }
}

impl Flash for Psram {}

/// The window `partition` of a flash that has several users.
pub const fn region(flash: &RefCell<Psram>, partition: Partition) -> Region<Shared<'_, Psram>> {
    Region::new(Shared::new(flash), partition)
}
