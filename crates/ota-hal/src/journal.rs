//! The append-only journal: the latest record of each [`Kind`], kept through any power cut.
//!
//! The region is two equal banks. Records are appended to the current bank; when it is full, or its tail is torn,
//! the live records move to the other bank, whose header is written last. What a cut left between two values is made
//! certain before anything is built on it ([`Journal::settle`]). The crate documentation draws the bytes and states the
//! power-cut contract.

mod bank;
mod error;
mod mount;
mod record;
mod rotate;
mod settle;
mod shared;
mod store;

pub use error::JournalError;
pub use shared::SharedJournal;

use crate::{Flash, Region, RegionError};
use bank::Bank;
use record::{Head, KINDS, Mark};
use store::Place;

/// What a record is about. The journal keeps the latest record of each kind; it does not look inside.
///
/// The number is stored. Numbers 5 to 7 are reserved: records of such a kind, written by a newer program, survive
/// rotations made by this one.
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
    /// Every kind, in the order of its number.
    pub const ALL: [Self; Self::COUNT] = [Self::Boot, Self::Job, Self::Progress, Self::Outbox, Self::App];
}

/// So often a loader tries to mount: it has nothing else to go by.
const TRIES: u32 = 4;

/// The journal. See the crate documentation for its power-cut contract.
///
/// `UNIT` is the size of the one buffer on the stack: at least 16 and at least the write size of the part, checked
/// while compiling. The default serves every part that programs 64 bytes at a time or fewer; the others use
/// [`Journal::mount_sized`].
///
/// A record of zero bytes is a record. Appending costs one pass of writing and one of reading it back.
#[derive(Debug)]
pub struct Journal<F, const UNIT: usize = 64> {
    region: Region<F>,
    /// The bank that records are read from and appended to.
    bank: Bank,
    /// Where the latest record of each kind begins in the region; 0, a place no record can have, for none.
    at: [u32; KINDS],
    /// Where the next record goes; the end of the bank when it takes no more.
    cursor: u32,
    /// What the next mount may find otherwise: the last record at this place; something torn, for the end of the bank; 0
    /// for nothing.
    doubt: u32,
    /// The kind of the last record that the mount found, and where that kind's latest was before it.
    before: (usize, u32),
}

impl<F: Flash> Journal<F> {
    /// Finds the newest complete bank. Never writes. A region without one is an empty journal, not an error.
    ///
    /// # Errors
    /// [`JournalError::Layout`] or [`JournalError::Flash`].
    pub fn mount(region: Region<F>) -> Result<Self, JournalError<F::Error>> {
        Self::mount_sized(region)
    }
}

impl<F: Flash, const UNIT: usize> Journal<F, UNIT> {
    /// As [`Journal::mount`], for parts that need a larger buffer: `Journal::<_, 512>::mount_sized(region)`.
    ///
    /// # Errors
    /// As [`Journal::mount`].
    pub fn mount_sized(region: Region<F>) -> Result<Self, JournalError<F::Error>> {
        let mut journal = Self::unmounted(region);
        journal.find()?;
        Ok(journal)
    }

    /// As [`Journal::mount_sized`], for loaders: `place` holds the journal from the start, so that it is not moved. It is
    /// `None` when the journal did not mount in several tries.
    pub fn mount_in(place: &mut Option<Self>, region: Region<F>) {
        let journal = place.insert(Self::unmounted(region));
        if !(0..TRIES).any(|_| journal.find().is_ok()) {
            *place = None;
        }
    }

    fn unmounted(region: Region<F>) -> Self {
        let half = region.len() / 2;
        Self {
            region,
            bank: Bank::none(half),
            at: [0; KINDS],
            cursor: half.saturating_mul(2),
            doubt: 0,
            before: (0, 0),
        }
    }

    fn find(&mut self) -> Result<(), JournalError<F::Error>> {
        self.check_layout()?;
        Ok(self.find_bank()?)
    }

    /// Reads the latest record of `kind` into `buf` and returns its bytes; `None` when there is none.
    ///
    /// The record's CRC is checked again. One that decayed since the mount is
    /// [`crate::RegionError::Corrupt`]; mounting again makes the journal usable, without that record. Only the last one, as
    /// long as the journal is not settled, is then passed over at once: a cut may have left it unstable.
    ///
    /// # Errors
    /// [`JournalError::BufferTooSmall`] or [`JournalError::Flash`].
    pub fn read<'b>(&mut self, kind: Kind, buf: &'b mut [u8]) -> Result<Option<&'b [u8]>, JournalError<F::Error>> {
        let mut head = Head::NONE;
        loop {
            let at = self.at(kind as usize);
            if at == 0 {
                return Ok(None);
            }
            match self.check(at, self.bank.generation, &mut head, buf) {
                Err(RegionError::Corrupt) if at == self.doubt => self.pass_over(),
                result => break result?,
            }
        }
        let needed = head.len();
        buf.get(..usize::from(needed)).map(Some).ok_or(JournalError::BufferTooSmall { needed })
    }

    /// Makes `payload` the latest record of `kind`.
    ///
    /// # Power loss
    /// A cut leaves the old record or the new one, never a mix and never none; records of other kinds stay.
    ///
    /// # Errors
    /// On every error [`Journal::read`] still returns the previous record of `kind`. After
    /// [`JournalError::Flash`] and [`JournalError::Unreliable`] the next mount may find the new one instead, as
    /// after a cut.
    pub fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        let len = u16::try_from(payload.len()).map_err(|_| JournalError::TooLarge)?;
        // What a worn part does not let settle is no reason to refuse a record that still has room.
        let _ = self.settle_except(kind as usize);
        self.put(Head::new(kind as u8, Mark::Live, len, payload), payload)
    }

    /// Forgets `kind`. Same power-cut promise as [`Journal::append`]. Writes nothing when there is no such record.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn remove(&mut self, kind: Kind) -> Result<(), JournalError<F::Error>> {
        if self.at(kind as usize) == 0 {
            // It may come back, if something torn is of this kind, or its removal is in doubt.
            let back = self.doubt == self.end(self.bank) || self.before.0 == kind as usize;
            return if back { self.settle() } else { Ok(()) };
        }
        let _ = self.settle_except(kind as usize);
        self.put(Head::new(kind as u8, Mark::Removed, 0, &[]), &[])
    }

    /// Gives the region back, for example to mount it again.
    pub fn into_region(self) -> Region<F> {
        self.region
    }

    /// Appends to the current bank; to the other one when there is no room or what was written does not read back.
    fn put(&mut self, head: Head, payload: &[u8]) -> Result<(), JournalError<F::Error>> {
        if self.extend(&head, 0, payload) { Ok(()) } else { self.rotate(&head, payload) }
    }

    /// Appends to the current bank, with the payload of the record at `from`, or `payload` when `from` is 0; false when
    /// there is no room or what was written does not read back.
    #[inline(never)]
    fn extend(&mut self, head: &Head, from: u32, payload: &[u8]) -> bool {
        let to = Place { at: self.cursor, generation: self.bank.generation };
        let end = self.end(self.bank);
        if Self::padded(head.total()) > end - to.at {
            return false;
        }
        if self.write_record(to, head, from, payload).is_err() {
            // Whatever the driver said, these cells are not to be programmed twice.
            (self.cursor, self.doubt) = (end, end);
            return false;
        }
        self.advance(*head);
        self.doubt = 0;
        true
    }

    /// The record at the cursor is whole: it is its kind's latest.
    fn advance(&mut self, head: Head) {
        if let Some(slot) = self.at.get_mut(head.kind()) {
            *slot = head.live_at(self.cursor);
        }
        self.cursor += Self::padded(head.total());
    }

    fn at(&self, kind: usize) -> u32 {
        self.at.get(kind).copied().unwrap_or(0)
    }
}
