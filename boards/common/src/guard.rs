//! What a flash driver refuses before it touches the part.

use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};
use ota_hal::Partition;

/// Why the driver refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Offset or length is not a multiple of the unit. Nothing was touched.
    NotAligned,
    /// The range is not within the part, or lies in what no program may reach. Nothing was touched.
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

/// A part's offsets that a program may reach, and those of them that it may not change.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// First offset that may be reached.
    pub from: u32,
    /// The end of the part.
    pub end: u32,
    /// Read-only: the slot the program executes from, or everything it never writes.
    pub protected: Partition,
}

impl Guard {
    /// Whether `len` bytes at `offset` may be read.
    ///
    /// # Errors
    /// [`Fault::OutOfBounds`].
    pub fn readable(&self, offset: u32, len: usize) -> Result<(), Fault> {
        let end = u32::try_from(len).ok().and_then(|len| offset.checked_add(len));
        let fits = offset >= self.from && end.is_some_and(|end| end <= self.end);
        if fits { Ok(()) } else { Err(Fault::OutOfBounds) }
    }

    /// Whether whole `unit`s at `offset` may be changed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn writable(&self, offset: u32, len: usize, unit: u32) -> Result<(), Fault> {
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit as usize) {
            return Err(Fault::NotAligned);
        }
        self.readable(offset, len)?;
        let Partition { start: from, len: locked } = self.protected;
        if (offset as usize) < (from + locked) as usize && offset as usize + len > from as usize {
            return Err(Fault::Protected);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_units_that_are_there_and_not_protected_may_be_changed() {
        let guard = Guard { from: 0x4000, end: 0x4_0000, protected: Partition::new(0x6000, 0x1_D000) };
        let (b, page, word) = (0x2_3000, 0x400, 4);
        for (offset, len, unit, result) in [
            (0x4000, 4, word, Ok(())),
            (b, 0x400, page, Ok(())),
            (0x4_0000 - page, 0x400, page, Ok(())),
            (0, 4, word, Err(Fault::OutOfBounds)),
            (0x4000 - page, 0x800, page, Err(Fault::OutOfBounds)),
            (0x4_0000 - 4, 8, word, Err(Fault::OutOfBounds)),
            (u32::MAX - 3, 4, word, Err(Fault::OutOfBounds)),
            (b - 4, 8, word, Err(Fault::Protected)),
            (0x6000 - page, 0x800, page, Err(Fault::Protected)),
            (b + 2, 4, word, Err(Fault::NotAligned)),
            (b, 6, word, Err(Fault::NotAligned)),
            (b + word, 0x400, page, Err(Fault::NotAligned)),
        ] {
            assert_eq!(guard.writable(offset, len, unit), result, "{offset:#x} {len}");
        }
        assert_eq!(guard.readable(0x6000, 0x1_D000), Ok(()), "what is protected may be read");
    }
}
