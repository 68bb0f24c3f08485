//! Finding the current bank and its records. Nothing here writes.

use super::bank::NAME;
use super::record::{Head, KINDS};
use super::{Bank, Journal, JournalError};
use crate::{Flash, RegionError};

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Both banks must be whole sectors, and hold a header and at least one empty record.
    pub(super) fn check_layout(&self) -> Result<(), JournalError<F::Error>> {
        let (len, half) = (self.region.len(), self.half());
        let starts = |at| self.region.sector_at(at).is_ok_and(|(start, _)| start == at);
        let ends = len.checked_sub(1).is_some_and(|last| self.region.sector_at(last).is_ok());
        let whole = half * 2 == len && half.is_multiple_of(Self::ALIGN as u32) && starts(0) && starts(half) && ends;
        if whole && half > Self::HEADER { Ok(()) } else { Err(JournalError::Layout) }
    }

    /// Makes the newest bank with a whole header current, and finds its records.
    pub(super) fn find_bank(&mut self) -> Result<(), RegionError<F::Error>> {
        let mut newest: Option<Bank> = None;
        for start in [0, self.half()] {
            if let Some(bank) = self.read_header(start)?
                && newest.is_none_or(|other| bank.newer_than(other))
            {
                newest = Some(bank);
            }
        }
        newest.map_or(Ok(()), |bank| self.scan(bank))
    }

    /// The bank at `start`, if its header is whole. A header decides over a whole bank, so one bad read is not enough
    /// to pass over it.
    fn read_header(&mut self, start: u32) -> Result<Option<Bank>, RegionError<F::Error>> {
        let mut name = [0; NAME];
        let mut head = Head::NONE;
        for _ in 0..2 {
            match self.check(start, Bank::UNNAMED, &mut head, &mut name) {
                Ok(()) => return Ok(Bank::from_name(start, head, name)),
                Err(RegionError::Corrupt) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Walks the records of `bank`. What is not whole is passed over unit by unit: it was torn by a cut and is the
    /// last one, or it decayed and newer records follow. A record's CRC covers its place and the generation, so
    /// nothing inside another record, and no leftover, is taken for one.
    fn scan(&mut self, bank: Bank) -> Result<(), RegionError<F::Error>> {
        self.bank = bank;
        let end = self.end(bank);
        let mut torn = false;
        let mut head = Head::NONE;
        self.cursor = bank.start + Self::HEADER;
        while self.cursor < end {
            match self.check(self.cursor, bank.generation, &mut head, &mut []) {
                Ok(()) if head.kind() < KINDS => self.advance(head),
                Ok(()) | Err(RegionError::Corrupt) if torn => self.cursor += Self::ALIGN as u32,
                Ok(()) | Err(RegionError::Corrupt) => match self.check_blank(self.cursor, end) {
                    Ok(()) => return Ok(()),
                    Err(RegionError::Corrupt) => torn = true,
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        // Cells of a torn record may be half programmed, even those that read as erased: nothing more goes into
        // this bank. It is full in any case.
        self.cursor = end;
        Ok(())
    }
}
