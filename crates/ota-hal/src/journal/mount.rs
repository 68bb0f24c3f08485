//! Finding the current bank and its records. Nothing here writes.

use super::bank::NAME;
use super::record::{Head, KINDS, SETTLED};
use super::{Bank, Journal, JournalError};
use crate::{Flash, RegionError};

/// Whether what was looked at is as it should be.
pub(super) fn whole<E>(result: Result<(), RegionError<E>>) -> Result<bool, RegionError<E>> {
    match result {
        Ok(()) => Ok(true),
        Err(RegionError::Corrupt) => Ok(false),
        Err(error) => Err(error),
    }
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Both banks must be whole sectors, and hold a header and at least one empty record.
    pub(super) fn check_layout(&self) -> Result<(), JournalError<F::Error>> {
        let (len, half) = (self.region.len(), self.half());
        let starts = |at| self.region.sector_at(at).is_ok_and(|(start, _)| start == at);
        let ends = len.checked_sub(1).is_some_and(|last| self.region.sector_at(last).is_ok());
        let whole = half * 2 == len && half.is_multiple_of(Self::ALIGN as u32) && starts(0) && starts(half) && ends;
        if whole && half > Self::RECORDS { Ok(()) } else { Err(JournalError::Layout) }
    }

    /// Makes the newest bank current, and finds its records.
    pub(super) fn find_bank(&mut self) -> Result<(), RegionError<F::Error>> {
        let mut newest: Option<Bank> = None;
        for start in [0, self.half()] {
            if let Some(bank) = self.opened(start)?
                && newest.is_none_or(|other| bank.newer_than(other))
            {
                newest = Some(bank);
            }
        }
        newest.map_or(Ok(()), |bank| self.scan(bank))
    }

    /// The bank at `start`, if it counts. Its header has two copies: the second one was written before the records, the first
    /// one after them. As soon as the first one is begun the records are complete, and the bank counts, whatever became of
    /// that copy: it must not be whole at one mount and torn at the next.
    #[inline(never)]
    pub(super) fn opened(&mut self, start: u32) -> Result<Option<Bank>, RegionError<F::Error>> {
        let second = start + Self::HEADER;
        let mut name = [0; NAME];
        let mut head = Head::NONE;
        for at in [start, second] {
            if whole(self.check(at, Bank::UNNAMED, &mut head, &mut name))?
                && let Some(bank) = Bank::from_name(start, head, name)
            {
                return Ok((at == start || !self.is_blank(start, second)?).then_some(bank));
            }
        }
        Ok(None)
    }

    /// Walks the records of `bank`. What is not whole is passed over unit by unit: it was torn by a cut and is the
    /// last one, or it decayed and newer records follow. A record's CRC covers its place and the generation, so
    /// nothing inside another record, and no leftover, is taken for one.
    #[inline(never)]
    pub(super) fn scan(&mut self, bank: Bank) -> Result<(), RegionError<F::Error>> {
        (self.bank, self.at, self.doubt) = (bank, [0; KINDS], 0);
        let end = self.end(bank);
        let mut torn = false;
        let mut head = Head::NONE;
        self.cursor = bank.start + Self::RECORDS;
        while self.cursor < end {
            match self.check(self.cursor, bank.generation, &mut head, &mut []) {
                Ok(()) if head.kind() < KINDS => {
                    (self.doubt, self.before) = (self.cursor, (head.kind(), self.at(head.kind())));
                    self.advance(head);
                }
                Ok(()) if head.kind() == usize::from(SETTLED) => {
                    self.doubt = 0;
                    self.advance(head);
                }
                Ok(()) | Err(RegionError::Corrupt) => {
                    if !torn && self.is_blank(self.cursor, end)? {
                        return Ok(());
                    }
                    torn = true;
                    self.cursor += Self::ALIGN as u32;
                }
                Err(error) => return Err(error),
            }
        }
        // Cells of a torn record may be half programmed, even those that read as erased: nothing more goes into
        // this bank. It is full in any case.
        self.cursor = end;
        if torn {
            self.doubt = end;
        }
        Ok(())
    }

    /// Whether every byte from `at` to `end` is erased.
    pub(super) fn is_blank(&mut self, at: u32, end: u32) -> Result<bool, RegionError<F::Error>> {
        whole(self.check_blank(at, end))
    }
}
