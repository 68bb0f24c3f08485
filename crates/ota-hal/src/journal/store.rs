//! Records to and from flash, one buffer at a time.

use super::record::{HEAD, Head};
use super::{Bank, Journal, JournalError, bank, crc};
use crate::{Flash, RegionError};

/// Smallest multiple of `unit` that holds `len` bytes.
const fn round_up(len: usize, unit: usize) -> usize {
    len.div_ceil(unit) * unit
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Records and headers start and end on multiples of this, so that every read and write is aligned.
    pub(super) const ALIGN: usize = {
        let align = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        assert!(F::WRITE_SIZE > 0 && F::READ_SIZE > 0, "write size and read size must not be zero");
        assert!(align % F::WRITE_SIZE == 0 && align % F::READ_SIZE == 0, "one of write and read size must divide the other");
        assert!(UNIT >= round_up(bank::HEADER, align), "give the journal a larger UNIT: at least 16 and the write size");
        align
    };
    /// A bank header with its padding.
    pub(super) const HEADER: usize = round_up(bank::HEADER, Self::ALIGN);
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
            let Some(chunk) = buffer.get_mut(..len as usize) else { return Ok(false) };
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
        let mut out = out.iter_mut();
        let room = self.end(bank) - at;
        let (mut pos, mut len, mut skip) = (0, Self::FIRST, HEAD as usize);
        let mut found: Option<(Head, u32)> = None;
        while pos + len as u32 <= room {
            let Some(chunk) = buffer.get_mut(..len) else { break };
            if !self.load(at + pos, chunk)? {
                break;
            }
            if found.is_none() {
                found = Head::decode(chunk);
            }
            let Some((head, seal)) = found.as_mut() else { break };
            let unseen = (head.total() - pos) as usize;
            let body = chunk.get(skip..unseen.min(len)).unwrap_or_default();
            head.sum = crc::update(head.sum, body);
            for (from, to) in body.iter().zip(out.by_ref()) {
                *to = *from;
            }
            if unseen <= len {
                return Ok((head.seal(at, bank.generation) == *seal).then_some(*head));
            }
            pos += len as u32;
            len = Self::CHUNK.min(round_up(unseen - len, Self::ALIGN));
            skip = 0;
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
        let mut payload = payload.iter();
        let size = Self::padded(head.total());
        let (mut pos, mut len) = (0, Self::FIRST);
        while pos < size {
            let Some(chunk) = buffer.get_mut(..len) else { return Ok(false) };
            if from == 0 {
                chunk.fill(F::ERASE_VALUE);
                let skip = if pos == 0 { HEAD as usize } else { 0 };
                for (to, byte) in chunk.iter_mut().skip(skip).zip(payload.by_ref()) {
                    *to = *byte;
                }
            } else {
                self.region.read(from + pos, chunk)?;
            }
            if pos == 0 {
                for (to, byte) in chunk.iter_mut().zip(head.encode(at, bank.generation)) {
                    *to = byte;
                }
            }
            self.region.write(at + pos, chunk)?;
            pos += len as u32;
            len = Self::CHUNK.min((size - pos) as usize);
        }
        // The CRC read from flash stands for the comparison: it costs no second buffer.
        Ok(self.check(bank, at, &mut [])?.is_some_and(|read| read.sum == head.sum))
    }

    /// The bank at `start`, if its header is whole.
    pub(super) fn read_header(&mut self, start: u32) -> Result<Option<Bank>, RegionError<F::Error>> {
        let mut buffer = [0; UNIT];
        let Some(header) = buffer.get_mut(..Self::HEADER) else { return Ok(None) };
        Ok(if self.load(start, header)? { Bank::decode(start, header) } else { None })
    }

    /// Writes the header that makes `bank` count, and reads it back.
    pub(super) fn write_header(&mut self, bank: Bank) -> Result<(), JournalError<F::Error>> {
        let mut buffer = [F::ERASE_VALUE; UNIT];
        for (to, byte) in buffer.iter_mut().zip(bank.encode()) {
            *to = byte;
        }
        let written = buffer.get(..Self::HEADER).map_or(Ok(()), |header| self.region.write(bank.start, header));
        // What the cells say counts, not what the driver says: a failed write may have done its work.
        if self.read_header(bank.start)? == Some(bank) {
            return Ok(());
        }
        written?;
        Err(JournalError::Unreliable)
    }
}
