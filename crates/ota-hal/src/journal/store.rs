//! Records to and from flash, one buffer at a time.

use super::record::{HEAD, Head};
use super::{Bank, Journal, bank};
use crate::{Flash, RegionError, crc};

/// Smallest multiple of `unit` that holds `len` bytes.
const fn round_up(len: usize, unit: usize) -> usize {
    len.div_ceil(unit) * unit
}

/// Copies `from` to the front of `to`, as far as both reach.
#[inline(never)]
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The first `len` bytes of a buffer, or all it has.
fn front(buffer: &mut [u8], len: u32) -> &mut [u8] {
    let len = buffer.len().min(len as usize);
    buffer.get_mut(..len).unwrap_or_default()
}

/// Where a record goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) generation: u32,
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
    /// One copy of a bank header with its padding.
    pub(super) const HEADER: u32 = round_up(bank::HEADER, Self::ALIGN) as u32;
    /// Where the records of a bank begin: behind the second copy of its header.
    pub(super) const RECORDS: u32 = Self::HEADER * 2;
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

    /// Whether every byte from `at` to `end` is erased: [`RegionError::Corrupt`] if not.
    pub(super) fn check_blank(&mut self, mut at: u32, end: u32) -> Result<(), RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        while at < end {
            let len = (Self::CHUNK as u32).min(end - at);
            let chunk = front(&mut buffer, len);
            self.region.read(at, chunk)?;
            if chunk.iter().any(|byte| *byte != F::ERASE_VALUE) {
                return Err(RegionError::Corrupt);
            }
            at += len;
        }
        Ok(())
    }

    /// Reads the record at `at` in a bank of this generation; [`RegionError::Corrupt`] if it is not whole. Its head goes
    /// to `head`, its payload to `out`, as far as that reaches. `at` must not be the end of a bank.
    #[inline(never)]
    pub(super) fn check(
        &mut self,
        at: u32,
        generation: u32,
        head: &mut Head,
        out: &mut [u8],
    ) -> Result<(), RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        let half = self.half();
        let room = if at < half { half - at } else { half * 2 - at };
        if (Self::FIRST as u32) > room {
            return Err(RegionError::Corrupt);
        }
        let first = front(&mut buffer, Self::FIRST as u32);
        self.region.read(at, first)?;
        let seal;
        (*head, seal) = Head::decode(first).ok_or(RegionError::Corrupt)?;
        let total = head.total();
        if total > room {
            return Err(RegionError::Corrupt);
        }
        if Self::FIRST as u32 > HEAD {
            let body = front(first, total).get(HEAD as usize..).unwrap_or_default();
            head.sum = crc::update(head.sum, body);
            copy(out, body);
        }
        let mut pos = Self::FIRST as u32;
        while pos < total {
            let left = total - pos;
            let chunk = front(&mut buffer, Self::padded(left).min(Self::CHUNK as u32));
            self.region.read(at + pos, chunk)?;
            let body = front(chunk, left);
            head.sum = crc::update(head.sum, body);
            // Payload byte n stands at n + HEAD.
            copy(out.get_mut((pos - HEAD) as usize..).unwrap_or_default(), body);
            pos += Self::CHUNK as u32;
        }
        if head.seal(at, generation) == seal { Ok(()) } else { Err(RegionError::Corrupt) }
    }

    /// Writes a record and reads it back: [`RegionError::Corrupt`] when it did not take. The payload is that of the
    /// record at `from`, or `payload` when `from` is 0.
    #[inline(never)]
    pub(super) fn write_record(
        &mut self,
        to: Place,
        head: &Head,
        from: u32,
        payload: &[u8],
    ) -> Result<(), RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        let size = Self::padded(head.total());
        let (mut pos, mut len) = (0, Self::FIRST as u32);
        while pos < size {
            let chunk = front(&mut buffer, len);
            if from != 0 {
                self.region.read(from + pos, chunk)?;
            } else {
                for (byte, at) in chunk.iter_mut().zip(pos..) {
                    // Wraps where the head will be, which no payload reaches.
                    *byte = *payload.get(at.wrapping_sub(HEAD) as usize).unwrap_or(&F::ERASE_VALUE);
                }
            }
            if pos == 0 {
                copy(chunk, &head.encode(to.at, to.generation));
            }
            self.region.write(to.at + pos, chunk)?;
            pos += len;
            len = (size - pos).min(Self::CHUNK as u32);
        }
        // The CRC read from flash stands for the comparison: it costs no second buffer, and these cells were blank.
        self.check(to.at, to.generation, &mut { Head::NONE }, &mut [])
    }
}
