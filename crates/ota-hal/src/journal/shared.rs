//! One journal, several users.

use super::{Journal, JournalError, Kind};
use crate::Flash;
use core::cell::{RefCell, RefMut};

/// One journal lent to several users (boot control, agent, application) of a single-threaded program.
#[derive(Debug)]
pub struct SharedJournal<'a, F, const UNIT: usize = 64>(&'a RefCell<Journal<F, UNIT>>);

impl<F, const UNIT: usize> Clone for SharedJournal<'_, F, UNIT> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F, const UNIT: usize> Copy for SharedJournal<'_, F, UNIT> {}

impl<'a, F: Flash, const UNIT: usize> SharedJournal<'a, F, UNIT> {
    /// Lends `journal`.
    pub const fn new(journal: &'a RefCell<Journal<F, UNIT>>) -> Self {
        Self(journal)
    }
    /// As [`Journal::read`].
    ///
    /// # Errors
    /// As [`Journal::read`], and [`JournalError::Busy`].
    pub fn read<'b>(&self, kind: Kind, buf: &'b mut [u8]) -> Result<Option<&'b [u8]>, JournalError<F::Error>> {
        self.borrow()?.read(kind, buf)
    }
    /// As [`Journal::append`].
    ///
    /// # Errors
    /// As [`Journal::append`], and [`JournalError::Busy`].
    pub fn append(&self, kind: Kind, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        self.borrow()?.append(kind, payload)
    }
    /// As [`Journal::remove`].
    ///
    /// # Errors
    /// As [`Journal::remove`], and [`JournalError::Busy`].
    pub fn remove(&self, kind: Kind) -> Result<(), JournalError<F::Error>> {
        self.borrow()?.remove(kind)
    }
    /// As [`Journal::settle`].
    ///
    /// # Errors
    /// As [`Journal::settle`], and [`JournalError::Busy`].
    pub fn settle(&self) -> Result<(), JournalError<F::Error>> {
        self.borrow()?.settle()
    }

    fn borrow(&self) -> Result<RefMut<'a, Journal<F, UNIT>>, JournalError<F::Error>> {
        self.0.try_borrow_mut().map_err(|_| JournalError::Busy)
    }
}
