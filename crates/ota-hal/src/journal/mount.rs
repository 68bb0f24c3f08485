//! Finding the current bank and its records. Nothing here writes.

use super::{Bank, Journal, JournalError};
use crate::Flash;

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Both banks must be whole sectors, and hold a header and at least one empty record.
    pub(super) fn check_layout(&self) -> Result<(), JournalError<F::Error>> {
        let (len, half) = (self.region.len(), self.half());
        let starts = |at| self.region.sector_at(at).is_ok_and(|(start, _)| start == at);
        let ends = len.checked_sub(1).is_some_and(|last| self.region.sector_at(last).is_ok());
        let align = Self::ALIGN as u32;
        let whole = half * 2 == len && half % align == 0 && starts(0) && starts(half) && ends;
        if whole && Self::HEADER as u32 + align <= half { Ok(()) } else { Err(JournalError::Layout) }
    }

    /// Makes the newest bank with a whole header current, and finds its records.
    pub(super) fn find_bank(&mut self) -> Result<(), JournalError<F::Error>> {
        let mut newest: Option<Bank> = None;
        for start in [0, self.half()] {
            if let Some(bank) = self.read_header(start)? {
                if newest.is_none_or(|other| bank.newer_than(other)) {
                    newest = Some(bank);
                }
            }
        }
        match newest {
            Some(bank) => self.scan(bank),
            None => Ok(()),
        }
    }

    /// Walks the records of `bank` up to the first that is not whole.
    fn scan(&mut self, bank: Bank) -> Result<(), JournalError<F::Error>> {
        self.bank = bank;
        let mut at = bank.start + Self::HEADER as u32;
        while let Some(head) = self.check(bank, at, &mut [])? {
            self.set_at(head, at);
            at += Self::padded(head.total());
        }
        // A tail that is not blank is a torn record. Its cells may be half programmed, even those that read as
        // erased: nothing more goes into this bank.
        let end = self.end(bank);
        self.cursor = if self.is_blank(at, end)? { at } else { end };
        Ok(())
    }
}
