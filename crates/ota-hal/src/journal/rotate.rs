//! Moving the live records to the other bank.

use super::bank::Bank;
use super::record::{Head, KINDS};
use super::store::Place;
use super::{Journal, JournalError};
use crate::{Flash, RegionError};

/// What did not read back right after it was written is not a lost record but a worn-out part.
fn worn<E>(error: RegionError<E>) -> JournalError<E> {
    if matches!(error, RegionError::Corrupt) { JournalError::Unreliable } else { JournalError::Flash(error) }
}

/// Where the records are in the other bank.
struct Moved {
    at: [u32; KINDS],
    /// Where the next one goes.
    cursor: u32,
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Opens the other bank with the live records and `new` in the place of its kind's.
    ///
    /// The current bank is only read. The header, written last, is the one moment at which the new bank takes over.
    pub(super) fn rotate(&mut self, new: &Head, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        let old = self.bank;
        let bank = old.next(self.half());
        let mut moved = Moved { at: [0; KINDS], cursor: 0 };
        // First without touching anything: every live record must be readable and all of them must fit.
        self.copy_live(bank, new, None, &mut moved)?;
        self.region.erase(bank.start, self.half())?;
        self.check_blank(bank.start, self.end(bank)).map_err(worn)?;
        self.copy_live(bank, new, Some(payload), &mut moved)?;
        // From here on the header may be on flash, whatever the driver reports: the old bank takes no more records,
        // or a later mount would not see them.
        self.cursor = self.end(old);
        let place = Place { at: bank.start, generation: Bank::UNNAMED };
        self.write_record(place, &bank.header(), 0, &bank.name()).map_err(worn)?;
        (self.bank, self.at, self.cursor) = (bank, moved.at, moved.cursor);
        Ok(())
    }

    /// Copies the live records, with `new` in the place of its kind's, to `bank`. Without a payload it only looks whether
    /// that would work.
    #[inline(never)]
    fn copy_live(
        &mut self,
        bank: Bank,
        new: &Head,
        payload: Option<&[u8]>,
        moved: &mut Moved,
    ) -> Result<(), JournalError<F::Error>> {
        moved.cursor = bank.start + Self::HEADER;
        for (kind, place) in moved.at.iter_mut().enumerate() {
            let mut from = self.at(kind);
            let mut head = *new;
            if kind == new.kind() {
                from = 0;
            } else if from == 0 {
                continue;
            } else {
                self.check(from, self.bank.generation, &mut head, &mut [])?;
            }
            let size = Self::padded(head.total());
            if size > self.end(bank) - moved.cursor {
                return Err(JournalError::TooLarge);
            }
            if let Some(payload) = payload {
                let to = Place { at: moved.cursor, generation: bank.generation };
                self.write_record(to, &head, from, payload).map_err(worn)?;
            }
            *place = head.live_at(moved.cursor);
            moved.cursor += size;
        }
        Ok(())
    }
}
