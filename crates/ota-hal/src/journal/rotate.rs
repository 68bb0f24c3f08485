//! Moving the live records to the other bank.

use super::record::{Head, KINDS};
use super::{Journal, JournalError};
use crate::{Flash, RegionError};

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Opens the other bank with the live records and `new` in the place of its kind's.
    ///
    /// The current bank is only read. The header, written last, is the one moment at which the new bank takes over.
    pub(super) fn rotate(&mut self, new: Head, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        let heads = self.live_set(new)?;
        let old = self.bank;
        let bank = old.next(self.half());
        let end = self.end(bank);
        self.region.erase(bank.start, self.half())?;
        if !self.is_blank(bank.start, end)? {
            return Err(JournalError::Unreliable);
        }
        let mut at = [0; KINDS];
        let mut cursor = bank.start + Self::HEADER as u32;
        for (slot, (head, from)) in at.iter_mut().zip(heads.into_iter().zip(self.at)) {
            let Some(head) = head else { continue };
            let from = if head.kind == new.kind { 0 } else { from };
            if !self.write_record(bank, cursor, head, from, payload)? {
                return Err(JournalError::Unreliable);
            }
            *slot = head.live_at(cursor);
            cursor += Self::padded(head.total());
        }
        // From here on the header may be on flash, whatever the driver reports: the old bank takes no more records,
        // or a later mount would not see them.
        self.cursor = self.end(old);
        self.write_header(bank)?;
        (self.bank, self.at, self.cursor) = (bank, at, cursor);
        Ok(())
    }

    /// The heads that the next bank will hold, if they fit it. Reads every live record once, so that nothing is
    /// erased when one of them has decayed.
    fn live_set(&mut self, new: Head) -> Result<[Option<Head>; KINDS], JournalError<F::Error>> {
        let mut heads = [None; KINDS];
        let mut room = self.half() - Self::HEADER as u32;
        for (kind, (slot, at)) in heads.iter_mut().zip(self.at).enumerate() {
            let head = if kind == usize::from(new.kind) {
                new
            } else if at != 0 {
                self.check(self.bank, at, &mut [])?.ok_or(RegionError::Corrupt)?
            } else {
                continue;
            };
            room = room.checked_sub(Self::padded(head.total())).ok_or(JournalError::TooLarge)?;
            *slot = Some(head);
        }
        Ok(heads)
    }
}
