//! Moving the live records to the other bank.

use super::bank::Bank;
use super::record::{Head, KINDS};
use super::store::Place;
use super::{Journal, JournalError};
use crate::{Flash, RegionError};

/// Where the records are in the other bank.
struct Moved {
    at: [u32; KINDS],
    /// Where the next one goes.
    cursor: u32,
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Opens the other bank with the live records and `new` in the place of its kind's; a head of no kind adds none.
    ///
    /// The current bank is only read. The first copy of the other one's header, begun last, is the one moment at which that
    /// bank takes over.
    pub(super) fn rotate(&mut self, new: &Head, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        let mut bank = self.bank.next(self.half());
        // A header that the driver failed to write: its bank counts from then on, and is not to be erased.
        if self.opened(bank.start)? == Some(bank) {
            self.scan(bank)?;
            bank = self.bank.next(self.half());
        }
        let mut moved = Moved { at: [0; KINDS], cursor: 0 };
        // First without touching anything: every live record must be readable and all of them must fit.
        if !self.copy_live(bank, new, None, &mut moved)? {
            return Err(JournalError::TooLarge);
        }
        // What did not read back right after it was written is not a lost record but a worn-out part.
        self.open(bank, new, payload, &mut moved).map_err(|error| match error {
            RegionError::Corrupt => JournalError::Unreliable,
            other => JournalError::Flash(other),
        })
    }

    fn open(&mut self, bank: Bank, new: &Head, payload: &[u8], moved: &mut Moved) -> Result<(), RegionError<F::Error>> {
        // The first bank of all: what is left in the other one, perhaps of another journal, must not seem to follow it.
        let banks = if self.bank.generation == 0 { 2 } else { 1 };
        self.region.erase(bank.start, self.half() * banks)?;
        self.check_blank(bank.start, self.end(bank))?;
        self.write_header(bank, bank.start + Self::HEADER)?;
        self.copy_live(bank, new, Some(payload), moved)?;
        // From here on the header may be on flash, whatever the driver reports: the old bank takes no more records,
        // or a later mount would not see them.
        self.cursor = self.end(self.bank);
        self.write_header(bank, bank.start)?;
        (self.bank, self.at, self.cursor, self.doubt) = (bank, moved.at, moved.cursor, 0);
        Ok(())
    }

    #[inline(never)]
    fn write_header(&mut self, bank: Bank, at: u32) -> Result<(), RegionError<F::Error>> {
        self.write_record(Place { at, generation: Bank::UNNAMED }, &bank.header(), 0, &bank.name())
    }

    /// Copies the live records, with `new` in the place of its kind's, to `bank`. Without a payload it only looks whether
    /// that would work; false when they do not fit.
    #[inline(never)]
    fn copy_live(
        &mut self,
        bank: Bank,
        new: &Head,
        payload: Option<&[u8]>,
        moved: &mut Moved,
    ) -> Result<bool, RegionError<F::Error>> {
        moved.cursor = bank.start + Self::RECORDS;
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
                return Ok(false);
            }
            if let Some(payload) = payload {
                let to = Place { at: moved.cursor, generation: bank.generation };
                self.write_record(to, &head, from, payload)?;
            }
            *place = head.live_at(moved.cursor);
            moved.cursor += size;
        }
        Ok(true)
    }
}
