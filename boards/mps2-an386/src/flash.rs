//! The PSRAM as NOR flash: a file of the host, so its content survives resets and the emulator itself.
//!
//! The rules of NOR flash are enforced here: erase by sector to 0xFF, each write unit programmed once between erases.
//! An emulator killed in the middle leaves whatever words had been written: a power cut.
#![expect(unsafe_code, reason = "the mapped part is read and written through raw pointers")]

use crate::addresses::{FLASH, FLASH_LEN, SECTOR};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use ota_hal::{Flash, Partition, Region, Shared};

/// Write unit in bytes.
pub const WRITE: u32 = 4;

/// The flash part.
#[derive(Debug)]
pub struct Psram {
    protected: Partition,
}

/// Why the part refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Offset or length is not a multiple of the unit. Nothing was touched.
    NotAligned,
    /// The range ends past the part. Nothing was touched.
    OutOfBounds,
    /// A unit was to be programmed without an erase before. It and those after it keep what they held.
    NotErased,
    /// The range is write-protected. Nothing was touched.
    Protected,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotErased | Self::Protected => NorFlashErrorKind::Other,
        }
    }
}

impl Psram {
    /// The part, with `protected` read-only: the slot the program executes from, or everything it never writes.
    /// `None` when it was taken before.
    pub fn take(protected: Partition) -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self { protected })
    }

    /// Where `len` bytes at `offset` begin in memory.
    fn range(offset: u32, len: usize) -> Result<*mut u8, Fault> {
        let end = u32::try_from(len).ok().and_then(|len| offset.checked_add(len));
        if end.is_none_or(|end| end > FLASH_LEN) {
            return Err(Fault::OutOfBounds);
        }
        Ok((FLASH + offset) as *mut u8)
    }

    /// As [`Self::range`], for whole `unit`s that may be changed.
    fn writable(&self, offset: u32, len: usize, unit: u32) -> Result<*mut u32, Fault> {
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit as usize) {
            return Err(Fault::NotAligned);
        }
        let start = Self::range(offset, len)?.cast();
        let Partition { start: from, len: locked } = self.protected;
        if (offset as usize) < (from + locked) as usize && offset as usize + len > from as usize {
            return Err(Fault::Protected);
        }
        Ok(start)
    }
}

impl ErrorType for Psram {
    type Error = Fault;
}

impl ReadNorFlash for Psram {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let from = Self::range(offset, bytes.len())?;
        // SAFETY: `range` keeps within the mapped part, which is always readable; the destination is an exclusive
        // slice elsewhere. Nobody writes meanwhile: there is one `Psram`, and it is borrowed.
        unsafe { core::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
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
        let start = self.writable(from, len, SECTOR)?;
        for word in 0..len / size_of::<u32>() {
            // SAFETY: `writable` keeps within the mapped part, word-aligned, and off the code that runs there.
            unsafe { start.add(word).write_volatile(u32::MAX) };
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let start = self.writable(offset, bytes.len(), WRITE)?;
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
