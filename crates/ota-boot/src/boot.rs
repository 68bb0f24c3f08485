//! Boot control of the running application, on the journal.

use crate::record::{Image, Phase, RECORD_MAX, Record};
use crate::{BootControl, BootRefusal, BootState, RollbackReason};
use ota_hal::{Flash, JournalError, Kind, ResetCause, SharedJournal, SlotId};
use ota_verify::{Verified, Version};
use thiserror::Error;

/// Why a request to [`Boot`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BootError<E> {
    /// The request does not fit the present state. Nothing changed.
    #[error("{0}")]
    Refused(BootRefusal),
    /// The journal failed, twice. The state before the request stands, or, rarely, the one asked for: a driver may fail after it
    /// did what it was told. The request may be repeated.
    #[error("the journal failed")]
    Journal(JournalError<E>),
}

impl<E> From<JournalError<E>> for BootError<E> {
    fn from(e: JournalError<E>) -> Self {
        Self::Journal(e)
    }
}

/// How the last update ended, when it ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why the image was given up.
    pub reason: RollbackReason,
    /// Why the processor restarted before the loader gave up on it.
    pub last_reset: ResetCause,
    /// The version that failed, when known.
    pub failed: Option<Version>,
}

/// Boot control for our own loader: every change is one journal append.
///
/// # Examples
/// ```
/// use ota_boot::{Boot, BootControl, BootError, BootState};
/// use ota_hal::{Flash, SharedJournal, SlotId};
///
/// // Called once all health gates have passed.
/// fn accept<F: Flash>(journal: SharedJournal<'_, F>, running: SlotId) -> Result<(), BootError<F::Error>> {
///     let mut boot = Boot::new(journal, running);
///     if let BootState::Testing { .. } = boot.state()? {
///         boot.confirm()?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Boot<'j, F, const UNIT: usize = 64> {
    journal: SharedJournal<'j, F, UNIT>,
    running: SlotId,
}

impl<F, const UNIT: usize> Clone for Boot<'_, F, UNIT> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F, const UNIT: usize> Copy for Boot<'_, F, UNIT> {}

impl<'j, F: Flash, const UNIT: usize> Boot<'j, F, UNIT> {
    /// Boot control for the program that runs from slot `running`.
    ///
    /// Take `running` from the hardware (the address the code executes at, the bank that is mapped) or from the
    /// loader's decision, not from a guess: it keeps the program from confirming an image that it is not.
    pub const fn new(journal: SharedJournal<'j, F, UNIT>, running: SlotId) -> Self {
        Self { journal, running }
    }

    /// The slot that runs.
    pub const fn running(&self) -> SlotId {
        self.running
    }

    /// The boot record as seen from the running slot.
    ///
    /// # Errors
    /// [`BootError::Journal`].
    pub fn record(&self) -> Result<Record, BootError<F::Error>> {
        let mut buf = [0; RECORD_MAX];
        let record = match self.journal.read(Kind::Boot, &mut buf) {
            Ok(Some(bytes)) => Record::decode(bytes),
            // Longer than any format will ever be: not ours.
            Ok(None) | Err(JournalError::BufferTooSmall { .. }) => Record::FACTORY,
            Err(e) => return Err(e.into()),
        };
        Ok(record.seen_from(self.running))
    }

    /// How the last update ended, if it ended in a rollback; kept until the next image is staged.
    ///
    /// # Errors
    /// [`BootError::Journal`].
    pub fn last_outcome(&self) -> Result<Option<Outcome>, BootError<F::Error>> {
        let record = self.record()?;
        Ok(match record.phase {
            Phase::RolledBack { reason, last_reset } => {
                Some(Outcome { reason, last_reset, failed: record.image.map(|image| image.version) })
            }
            _ => None,
        })
    }

    fn apply(&self, next: Result<Option<Record>, BootRefusal>) -> Result<(), BootError<F::Error>> {
        let Some(record) = next.map_err(BootError::Refused)? else { return Ok(()) };
        let bytes = record.encode();
        // A second time: what failed may be stored all the same, and must not come true behind the caller's back.
        let first = self.journal.append(Kind::Boot, &bytes);
        Ok(first.or_else(|_| self.journal.append(Kind::Boot, &bytes))?)
    }
}

impl<F: Flash, const UNIT: usize> BootControl for Boot<'_, F, UNIT>
where
    F::Error: core::fmt::Debug,
{
    type Error = BootError<F::Error>;

    /// The present state, as seen from the running slot.
    fn state(&mut self) -> Result<BootState, Self::Error> {
        Ok(self.record()?.state())
    }

    fn security_floor(&mut self) -> Result<u32, Self::Error> {
        Ok(self.record()?.floor)
    }

    fn failed_image(&mut self) -> Option<[u8; 8]> {
        let record = self.record().ok()?;
        let image = record.image.filter(|_| matches!(record.phase, Phase::RolledBack { .. }))?;
        image.digest.first_chunk().copied()
    }

    /// Binds the digest, counter and version of the proof. Staging the same image twice changes nothing.
    fn stage(&mut self, proof: Verified) -> Result<(), Self::Error> {
        if proof.slot() == self.running {
            return Err(BootError::Refused(BootRefusal::RunningSlot));
        }
        self.apply(self.record()?.stage(proof.slot(), Image::of(&proof)))
    }

    fn confirm(&mut self) -> Result<(), Self::Error> {
        self.apply(self.record()?.confirm(self.running))
    }

    fn roll_back(&mut self, reason: RollbackReason) -> Result<(), Self::Error> {
        self.apply(self.record()?.roll_back(reason))
    }
}
