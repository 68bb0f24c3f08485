//! What the engine needs to know of a flash part beyond `embedded-storage`.

use core::cell::RefCell;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// A NOR flash part, or a window on one.
///
/// # For implementers
/// Implement `embedded_storage`'s `NorFlash` first; most parts then need `impl Flash for MyFlash {}`.
/// Override [`Flash::ERASE_VALUE`] for parts that erase to zero, [`Flash::is_corrupt`] for parts whose reads
/// can fail with an ECC error, and [`Flash::sector_at`] for parts with sectors of several sizes.
///
/// # For users
/// Offsets and lengths are bytes from the start of the part.
///
/// # Power loss
/// A cut during `write` leaves bytes outside the range as they were, and bytes inside as any mix of old and new
/// bits. A cut during `erase` leaves any mix of old bits and erased bits in the erased sectors.
pub trait Flash: NorFlash {
    /// The value of every byte after an erase.
    const ERASE_VALUE: u8 = 0xFF;

    /// Whether a failed read means "the cells hold no valid data" (an ECC fault after a torn write) and not
    /// "the bus failed". The engine treats corrupt data like an invalid record, and never as fatal.
    fn is_corrupt(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Start and length of the sector that holds `offset`.
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        even_sector::<Self>(offset)
    }
}

/// The sector that holds `offset` in a part whose sectors all have the size `ERASE_SIZE`.
fn even_sector<F: NorFlash + ?Sized>(offset: u32) -> (u32, u32) {
    let size = const {
        assert!(F::ERASE_SIZE > 0, "the erase size must not be zero");
        F::ERASE_SIZE as u32
    };
    (offset - offset % size, size)
}

impl<F: Flash> Flash for &mut F {
    const ERASE_VALUE: u8 = F::ERASE_VALUE;
    fn is_corrupt(error: &Self::Error) -> bool {
        F::is_corrupt(error)
    }
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        (**self).sector_at(offset)
    }
}

/// One flash driver lent to several regions of a single-threaded program.
///
/// Every operation borrows the driver for its own duration only, so two regions never hold it at once; should a
/// driver call back into the same flash, it gets [`SharedError::Busy`] instead of a panic.
#[derive(Debug)]
pub struct Shared<'a, F>(&'a RefCell<F>);

impl<'a, F> Shared<'a, F> {
    /// Lends `flash`.
    pub const fn new(flash: &'a RefCell<F>) -> Self {
        Self(flash)
    }
}

impl<F> Clone for Shared<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for Shared<'_, F> {}

/// Why an operation on a [`Shared`] flash failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedError<E> {
    /// The driver was entered while it was already working. A defect of the board; retrying later works.
    #[error("the flash driver is in use")]
    Busy,
    /// The flash driver failed.
    #[error("the flash driver failed")]
    Flash(E),
}

impl<E: NorFlashError> NorFlashError for SharedError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Busy => NorFlashErrorKind::Other,
            Self::Flash(e) => e.kind(),
        }
    }
}

impl<F: ErrorType> ErrorType for Shared<'_, F> {
    type Error = SharedError<F::Error>;
}

impl<F: ReadNorFlash> ReadNorFlash for Shared<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let mut flash = self.0.try_borrow_mut().map_err(|_| SharedError::Busy)?;
        flash.read(offset, bytes).map_err(SharedError::Flash)
    }
    fn capacity(&self) -> usize {
        self.0.try_borrow().map_or(0, |flash| flash.capacity())
    }
}

impl<F: NorFlash> NorFlash for Shared<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        let mut flash = self.0.try_borrow_mut().map_err(|_| SharedError::Busy)?;
        flash.erase(from, to).map_err(SharedError::Flash)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let mut flash = self.0.try_borrow_mut().map_err(|_| SharedError::Busy)?;
        flash.write(offset, bytes).map_err(SharedError::Flash)
    }
}

impl<F: Flash> Flash for Shared<'_, F> {
    const ERASE_VALUE: u8 = F::ERASE_VALUE;
    fn is_corrupt(error: &Self::Error) -> bool {
        matches!(error, SharedError::Flash(e) if F::is_corrupt(e))
    }
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        self.0.try_borrow().map_or_else(|_| even_sector::<F>(offset), |flash| flash.sector_at(offset))
    }
}
