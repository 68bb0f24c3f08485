//! Records to and from flash, one buffer at a time.

use super::record::{HEAD, Head};
use super::{Bank, Journal, bank, crc};
use crate::{Flash, RegionError};

/// Smallest multiple of `unit` that holds `len` bytes.
const fn round_up(len: usize, unit: usize) -> usize {
    len.div_ceil(unit) * unit
}

/// Copies `from` to the front of `to`, as far as both reach.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Records start and end on multiples of this, so that every read and write is aligned.
    pub(super) const ALIGN: usize = {
        let align = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        assert!(F::WRITE_SIZE > 0 && F::READ_SIZE > 0, "write size and read size must not be zero");
        assert!(
            align.is_multiple_of(F::WRITE_SIZE) && align.is_multiple_of(F::READ_SIZE),
            "one of write and read size must divide the other"
        );
        assert!(UNIT >= 16 && UNIT >= align, "give the journal a larger UNIT: at least 16 and the write size");
        align
    };
    /// A bank header with its padding.
    pub(super) const HEADER: u32 = round_up(bank::HEADER, Self::ALIGN) as u32;
    /// The part of a record that holds its head. Read alone: what follows may be another record's torn cells.
    const FIRST: usize = round_up(HEAD as usize, Self::ALIGN);
    /// What the buffer holds of the rest.
    const CHUNK: usize = UNIT - UNIT % Self::ALIGN;

    /// Length of a bank.
    pub(super) fn half(&self) -> u32 {
        self.region.len() / 2
    }
    /// One past the last byte of `bank`.
    pub(super) fn end(&self, bank: Bank) -> u32 {
        bank.start + self.half()
    }
    /// `len` bytes with their padding.
    pub(super) fn padded(len: u32) -> u32 {
        len.next_multiple_of(Self::ALIGN as u32)
    }

    /// Fills `bytes`; `false` when the cells hold no valid data.
    pub(super) fn load(&mut self, at: u32, bytes: &mut [u8]) -> Result<bool, RegionError<F::Error>> {
        match self.region.read(at, bytes) {
            Ok(()) => Ok(true),
            Err(RegionError::Corrupt) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether every byte from `at` to `end` is erased.
    pub(super) fn is_blank(&mut self, mut at: u32, end: u32) -> Result<bool, RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        while at < end {
            let len = (Self::CHUNK as u32).min(end - at);
            let Some(chunk) = buffer.get_mut(..len as usize) else {
                return Ok(false);
            };
            if !self.load(at, chunk)? || chunk.iter().any(|byte| *byte != F::ERASE_VALUE) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// The head of the record of `bank` at `at` if it is whole. Its payload goes to `out`, as far as that reaches.
    pub(super) fn check(&mut self, bank: Bank, at: u32, out: &mut [u8]) -> Result<Option<Head>, RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        let room = self.end(bank) - at;
        let (mut pos, mut len) = (0, Self::FIRST as u32);
        let mut found: Option<(Head, u32)> = None;
        while pos + len <= room {
            let Some(chunk) = buffer.get_mut(..len as usize) else {
                break;
            };
            if !self.load(at + pos, chunk)? {
                break;
            }
            let skip = if pos == 0 {
                found = Head::decode(chunk);
                HEAD
            } else {
                0
            };
            let Some((head, seal)) = found.as_mut() else {
                break;
            };
            let unseen = head.total() - pos;
            let body = chunk.get(skip as usize..unseen.min(len) as usize).unwrap_or_default();
            head.sum = crc::update(head.sum, body);
            // Payload byte n stands at n + HEAD.
            copy(out.get_mut((pos + skip - HEAD) as usize..).unwrap_or_default(), body);
            if unseen <= len {
                return Ok((head.seal(at, bank.generation) == *seal).then_some(*head));
            }
            pos += len;
            len = Self::padded(unseen - len).min(Self::CHUNK as u32);
        }
        Ok(None)
    }

    /// Writes a record and reads it back: `false` when it did not take. The payload is that of the record at `from`,
    /// or `payload` when `from` is 0.
    pub(super) fn write_record(
        &mut self,
        bank: Bank,
        at: u32,
        head: Head,
        from: u32,
        payload: &[u8],
    ) -> Result<bool, RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        let size = Self::padded(head.total());
        let (mut pos, mut len, mut skip) = (0, Self::FIRST as u32, HEAD);
        while pos < size {
            let Some(chunk) = buffer.get_mut(..len as usize) else {
                break;
            };
            if from != 0 {
                self.region.read(from + pos, chunk)?;
            } else {
                chunk.fill(F::ERASE_VALUE);
                let rest = payload.get((pos + skip - HEAD) as usize..).unwrap_or_default();
                copy(chunk.get_mut(skip as usize..).unwrap_or_default(), rest);
            }
            if pos == 0 {
                copy(chunk, &head.encode(at, bank.generation));
            }
            self.region.write(at + pos, chunk)?;
            pos += len;
            len = (size - pos).min(Self::CHUNK as u32);
            skip = 0;
        }
        // The CRC read from flash stands for the comparison: it costs no second buffer.
        Ok(self.check(bank, at, &mut [])?.is_some_and(|read| read.sum == head.sum))
    }
}
