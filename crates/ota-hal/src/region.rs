//! A bounds-checked window on a flash part.

use crate::{Flash, Partition};

/// Bytes that can be read at any offset: a flash region, a file, a slice.
pub trait ReadAt {
    /// Why a read failed.
    type Error;
    /// How many bytes there are.
    fn len(&self) -> u32;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// When the range ends past [`ReadAt::len`] or the medium fails; `bytes` is then unspecified.
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error>;
}

impl<R: ReadAt> ReadAt for &mut R {
    type Error = R::Error;
    fn len(&self) -> u32 {
        (**self).len()
    }
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read_at(offset, bytes)
    }
}

/// The read went past the end of the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read past the end")]
pub struct PastEnd;

impl ReadAt for &[u8] {
    type Error = PastEnd;
    fn len(&self) -> u32 {
        u32::try_from(<[u8]>::len(self)).unwrap_or(u32::MAX)
    }
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PastEnd> {
        let from = offset as usize;
        let to = from.checked_add(bytes.len()).ok_or(PastEnd)?;
        bytes.copy_from_slice(self.get(from..to).ok_or(PastEnd)?);
        Ok(())
    }
}

/// A partition of a flash part; offsets count from its start.
#[derive(Debug, Clone)]
pub struct Region<F> {
    flash: F,
    partition: Partition,
}

/// Why an operation on a [`Region`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError<E> {
    /// The range ends past the region. Nothing was touched.
    #[error("past the end of the region")]
    OutOfBounds,
    /// The cells hold no valid data (an ECC fault). Erase the sector before the next attempt.
    #[error("the cells hold no valid data")]
    Corrupt,
    /// The flash driver failed; the content of the range is unknown.
    #[error("the flash driver failed")]
    Flash(E),
}

impl<F: Flash> Region<F> {
    /// The window `partition` of `flash`.
    pub const fn new(flash: F, partition: Partition) -> Self {
        Self { flash, partition }
    }
    /// Length in bytes.
    pub const fn len(&self) -> u32 {
        self.partition.len
    }
    /// Whether the region holds no byte.
    pub const fn is_empty(&self) -> bool {
        self.partition.len == 0
    }
    /// Start, counted from the start of the region, and length of the sector that holds `offset`.
    ///
    /// # Errors
    /// [`RegionError::OutOfBounds`] when the sector is not wholly within the region: erasing it would take a
    /// neighbour's bytes along.
    pub fn sector_at(&self, offset: u32) -> Result<(u32, u32), RegionError<F::Error>> {
        let (start, len) = self.flash.sector_at(self.absolute(offset, 1)?);
        let start = start.checked_sub(self.partition.start).ok_or(RegionError::OutOfBounds)?;
        self.absolute(start, len as usize)?;
        Ok((start, len))
    }
    /// Programs `bytes` at `offset`; both aligned to the write size.
    ///
    /// # Errors
    /// [`RegionError`]; on [`RegionError::Flash`] the range holds any mix of old and new bits.
    #[inline(never)]
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), RegionError<F::Error>> {
        let at = self.absolute(offset, bytes.len())?;
        self.flash.write(at, bytes).map_err(Self::fault)
    }
    /// Erases `len` bytes at `offset`; both on sector edges.
    ///
    /// # Errors
    /// [`RegionError`]; on [`RegionError::Flash`] the range holds any mix of old and erased bits.
    pub fn erase(&mut self, offset: u32, len: u32) -> Result<(), RegionError<F::Error>> {
        let at = self.absolute(offset, len as usize)?;
        self.flash.erase(at, at + len).map_err(Self::fault)
    }
    /// Reads `bytes.len()` bytes at `offset`; once more when the driver reports an error, so that a single bad read
    /// costs nothing.
    ///
    /// # Errors
    /// [`RegionError`], when the second read fails too.
    #[inline(never)]
    pub fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), RegionError<F::Error>> {
        let at = self.absolute(offset, bytes.len())?;
        let first = self.flash.read(at, bytes);
        first.or_else(|_| self.flash.read(at, bytes)).map_err(Self::fault)
    }

    fn absolute(&self, offset: u32, len: usize) -> Result<u32, RegionError<F::Error>> {
        let len = u32::try_from(len).map_err(|_| RegionError::OutOfBounds)?;
        let end = offset.checked_add(len).ok_or(RegionError::OutOfBounds)?;
        if end > self.partition.len {
            return Err(RegionError::OutOfBounds);
        }
        // The end too must be an address: `erase` hands it to the driver.
        self.partition.start.checked_add(end).ok_or(RegionError::OutOfBounds)?;
        Ok(self.partition.start + offset)
    }
    fn fault(e: F::Error) -> RegionError<F::Error> {
        if F::is_corrupt(&e) { RegionError::Corrupt } else { RegionError::Flash(e) }
    }
}

impl<F: Flash> ReadAt for Region<F> {
    type Error = RegionError<F::Error>;
    fn len(&self) -> u32 {
        self.partition.len
    }
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.read(offset, bytes)
    }
}
