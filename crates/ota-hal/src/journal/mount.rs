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

    /// Makes the newest bank current, and finds its records. A header decides over a whole bank, so one bad read is not
    /// enough to pass over it: there are two copies, and it may have been begun only.
    pub(super) fn find_bank(&mut self) -> Result<(), RegionError<F::Error>> {
        let half = self.half();
        let mut newest: Option<Bank> = None;
        let mut name = [0; NAME];
        let mut head = Head::NONE;
        for at in [0, Self::HEADER, half, half + Self::HEADER] {
            if whole(self.check(at, Bank::UNNAMED, &mut head, &mut name))?
                && let Some(bank) = Bank::from_name(if at < half { 0 } else { half }, head, name)
                && newest.is_none_or(|other| bank.newer_than(other))
            {
                newest = Some(bank);
            }
        }
        let next = newest.unwrap_or(self.bank).next(half);
        if self.is_opened(next)? {
            newest = Some(next);
        }
        newest.map_or(Ok(()), |bank| self.scan(bank))
    }

    /// Whether the header of `bank` was begun. Then its records were complete, and it counts: a header that a cut left
    /// between two values must not be whole at one mount and torn at the next.
    pub(super) fn is_opened(&mut self, bank: Bank) -> Result<bool, RegionError<F::Error>> {
        let first = bank.start + Self::RECORDS;
        Ok(whole(self.check(first, bank.generation, &mut { Head::NONE }, &mut []))?
            && !self.is_blank(bank.start, first)?)
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
