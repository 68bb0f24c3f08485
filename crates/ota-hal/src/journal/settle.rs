//! Making what was found the truth for every later mount.

use super::mount::whole;
use super::record::{Head, Mark, SETTLED};
use super::{Journal, JournalError};
use crate::{Flash, RegionError};

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// Makes what the journal holds now what every later mount finds.
    ///
    /// Power that fails may leave cells between two values. The record that was then being written may be whole at one
    /// mount, torn at the next, and whole again. Call this after the mount and before [`Journal::read`] when something
    /// outside of the journal will depend on what is found, such as a report or an image that is started. Nothing is
    /// written when no record can be in doubt, in particular when nothing was written since this was called last. A read
    /// before it may have found what does not count any more. Appending and removing settle by themselves.
    ///
    /// # Power loss
    /// As for [`Journal::append`]: the record in doubt is afterwards the old one or the new one, perhaps still in doubt.
    ///
    /// # Errors
    /// As [`Journal::append`]; the journal is then as settled as it was.
    pub fn settle(&mut self) -> Result<(), JournalError<F::Error>> {
        if self.doubt != 0 {
            self.settle_except(Head::NONE.kind())?;
            // Without it the next mount would only repeat the work.
            self.extend(&Head::new(SETTLED, Mark::Live, 0, &[]), 0, &[]);
        }
        Ok(())
    }

    /// Settles everything but a last record of `kind`: the one to be written next replaces that.
    #[inline(never)]
    pub(super) fn settle_except(&mut self, kind: usize) -> Result<(), JournalError<F::Error>> {
        let (last, end) = (self.doubt, self.end(self.bank));
        if last == 0 {
            return Ok(());
        }
        let mut tries = TRIES;
        loop {
            let mut head = Head::NONE;
            if last == end {
                // What was torn is not among the records. Only if that is not all of it, they are looked for again.
                if tries < TRIES {
                    self.scan(self.bank)?;
                }
            } else if !whole(self.check(last, self.bank.generation, &mut head, &mut []))? {
                self.pass_over();
            } else if head.kind() == kind || self.extend(&head, last, &[]) {
                return Ok(());
            }
            tries -= 1;
            match self.rotate(&Head::NONE, &[]) {
                // An unstable record may be whole when it is looked at, and torn when it is copied: look again.
                Err(JournalError::Flash(RegionError::Corrupt)) if tries > 0 => {}
                // A worn part is not erased so often.
                Err(JournalError::Unreliable) if tries > TRIES - FEW => {}
                result => return result,
            }
        }
    }

    /// Takes the last record back: whole a moment ago, it is torn from now on.
    pub(super) fn pass_over(&mut self) {
        let (kind, at) = self.before;
        if let Some(slot) = self.at.get_mut(kind) {
            *slot = at;
        }
        self.cursor = self.end(self.bank);
        self.doubt = self.cursor;
    }
}

/// More than enough for a record that is torn at every other look.
const TRIES: u32 = 40;
/// Of these, after which something was written that did not read back.
const FEW: u32 = 8;
