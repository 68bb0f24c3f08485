//! Finding the current bank and its records. Nothing here writes.

use super::bank::NAME;
use super::record::KINDS;
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

    /// The bank at `start`, if its header is whole.
    fn read_header(&mut self, start: u32) -> Result<Option<Bank>, RegionError<F::Error>> {
        let mut name = [0; NAME];
        match self.check(start, Bank::UNNAMED, &mut name) {
            Ok(head) => Ok(Bank::from_name(start, head, name)),
            Err(RegionError::Corrupt) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Walks the records of `bank` up to the first that is not whole.
    fn scan(&mut self, bank: Bank) -> Result<(), RegionError<F::Error>> {
        self.bank = bank;
        let end = self.end(bank);
        self.cursor = bank.start + Self::HEADER;
        while self.cursor < end {
            match self.check(self.cursor, bank.generation, &mut []) {
                Ok(head) if usize::from(head.kind) < KINDS => self.advance(head),
                Ok(_) | Err(RegionError::Corrupt) => break,
                Err(error) => return Err(error),
            }
        }
        // A tail that is not blank is a torn record. Its cells may be half programmed, even those that read as
        // erased: nothing more goes into this bank.
        match self.check_blank(self.cursor, end) {
            Err(RegionError::Corrupt) => self.cursor = end,
            other => other?,
        }
        Ok(())
    }
}
