//! The append-only journal (interface; the engine follows).

use crate::{Flash, Region, RegionError};

/// What a record is about. The journal keeps the latest record of each kind; it does not look inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Boot state, written by loader and boot control.
    Boot = 0,
    /// The current update job.
    Job = 1,
    /// How far the job's bytes are on flash.
    Progress = 2,
    /// A report that the other side has not confirmed yet.
    Outbox = 3,
    /// Free for the application (device identity, settings).
    App = 4,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 5;
}

/// Why the journal refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalError<E> {
    /// The record, or the live records together, do not fit one bank. Nothing changed.
    TooLarge,
    /// The caller's buffer is smaller than the record.
    BufferTooSmall {
        /// How many bytes the record has.
        needed: usize,
    },
    /// The region is not at least two banks of whole sectors.
    Layout,
    /// What was written did not read back, in any bank. The flash is worn out or stuck; the old records still stand.
    Unreliable,
    /// The journal was entered while it was already working. A defect of the program; nothing changed.
    Busy,
    /// The flash driver failed; records appended before still stand.
    Flash(RegionError<E>),
}

/// The journal. See the crate documentation for its power-cut contract.
#[derive(Debug)]
pub struct Journal<F> {
    region: Region<F>,
}

impl<F: Flash> Journal<F> {
    /// Finds the newest complete bank. Never writes.
    ///
    /// # Errors
    /// [`JournalError::Layout`] or [`JournalError::Flash`].
    pub fn mount(region: Region<F>) -> Result<Self, JournalError<F::Error>> {
        Ok(Self { region })
    }
    /// Reads the latest record of `kind` into `buf` and returns its bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`JournalError::BufferTooSmall`] or [`JournalError::Flash`].
    pub fn read<'b>(&mut self, kind: Kind, buf: &'b mut [u8]) -> Result<Option<&'b [u8]>, JournalError<F::Error>> {
        let _ = (&self.region, kind, buf);
        todo!()
    }
    /// Makes `payload` the latest record of `kind`.
    ///
    /// # Power loss
    /// A cut leaves the old record or the new one, never a mix and never none; records of other kinds stay.
    ///
    /// # Errors
    /// On every error the previous record of `kind` still stands.
    pub fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        let _ = (kind, payload);
        todo!()
    }
    /// Forgets `kind`. Same power-cut promise as [`Journal::append`].
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn remove(&mut self, kind: Kind) -> Result<(), JournalError<F::Error>> {
        let _ = kind;
        todo!()
    }
}

/// One journal lent to several users (boot control, agent, application) of a single-threaded program.
#[derive(Debug)]
pub struct SharedJournal<'a, F>(&'a core::cell::RefCell<Journal<F>>);

impl<F> Clone for SharedJournal<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for SharedJournal<'_, F> {}

impl<'a, F: Flash> SharedJournal<'a, F> {
    /// Lends `journal`.
    pub const fn new(journal: &'a core::cell::RefCell<Journal<F>>) -> Self {
        Self(journal)
    }
    /// As [`Journal::read`].
    ///
    /// # Errors
    /// As [`Journal::read`], and [`JournalError::Busy`].
    pub fn read<'b>(&self, kind: Kind, buf: &'b mut [u8]) -> Result<Option<&'b [u8]>, JournalError<F::Error>> {
        self.0.try_borrow_mut().map_err(|_| JournalError::Busy)?.read(kind, buf)
    }
    /// As [`Journal::append`].
    ///
    /// # Errors
    /// As [`Journal::append`], and [`JournalError::Busy`].
    pub fn append(&self, kind: Kind, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        self.0.try_borrow_mut().map_err(|_| JournalError::Busy)?.append(kind, payload)
    }
    /// As [`Journal::remove`].
    ///
    /// # Errors
    /// As [`Journal::remove`], and [`JournalError::Busy`].
    pub fn remove(&self, kind: Kind) -> Result<(), JournalError<F::Error>> {
        self.0.try_borrow_mut().map_err(|_| JournalError::Busy)?.remove(kind)
    }
}
