//! What can go wrong with the journal, and what state it is then in.

use crate::RegionError;

/// Why the journal refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError<E> {
    /// The record, or the live records together, do not fit one bank. Nothing changed. Make it smaller or remove
    /// others first.
    #[error("the records do not fit one journal bank")]
    TooLarge,
    /// The caller's buffer is smaller than the record. Read again with `needed` bytes.
    #[error("the buffer is smaller than the journal record ({needed} bytes)")]
    BufferTooSmall {
        /// How many bytes the record has.
        needed: u16,
    },
    /// The region is not two equal banks of whole sectors and write units. Nothing was read or written.
    #[error("the journal region is not two equal banks of whole sectors")]
    Layout,
    /// What was written did not read back, in any bank. The flash is worn out or stuck; the old records still stand.
    #[error("the journal flash does not hold what is written")]
    Unreliable,
    /// The journal was entered while it was already working. A defect of the program; nothing changed.
    #[error("the journal is in use")]
    Busy,
    /// The flash driver failed; records appended before still stand.
    #[error("the journal flash failed")]
    Flash(RegionError<E>),
}

impl<E> From<RegionError<E>> for JournalError<E> {
    fn from(error: RegionError<E>) -> Self {
        Self::Flash(error)
    }
}
