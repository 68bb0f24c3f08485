//! The agent's journal records.

use super::Agent;
use crate::job::{HEAD, PROGRESS_MAX, Progress, locator, locator_hash};
use crate::outbox::Added;
use crate::{App, Target};
use ota_boot::BootControl;
use ota_hal::{Entropy, Flash, Kind};
use ota_transport::{Component, FailStage};
use ota_verify::Keys;

/// The journal failed; what was stored before still stands.
pub(super) struct StoreFailed;

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    /// What this start finds, all later ones find as well: it will be acted upon. An idle device acts upon nothing, and is
    /// not to write at each start.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let journal = self.parts.journal;
        let holds = |kind| !matches!(journal.read(kind, &mut []), Ok(None));
        if holds(Kind::Job) || holds(Kind::Progress) || holds(Kind::Outbox) {
            // A journal that cannot be written stays as it is found now, or nothing more can be made of it.
            let _ = journal.settle();
        }
    }

    #[inline(never)]
    pub(super) fn append(&mut self, kind: Kind, record: Option<&[u8]>) -> Result<(), StoreFailed> {
        let record = record.ok_or(StoreFailed)?;
        self.parts.journal.append(kind, record).map_err(|_| StoreFailed)
    }

    #[inline(never)]
    pub(super) fn remove(&mut self, kind: Kind) {
        // A record that stays is found again at the next start, where it is dealt with like after a power cut.
        let _ = self.parts.journal.remove(kind);
    }

    /// Stores the job in memory with this locator. The envelope buffer is overwritten.
    #[inline(never)]
    pub(super) fn store_job(&mut self, locator: &str) -> Result<(), StoreFailed> {
        let place = self.envelope.get_mut(HEAD..HEAD + locator.len()).ok_or(StoreFailed)?;
        place.copy_from_slice(locator.as_bytes());
        self.put_job(locator.len())?;
        self.core.locator = locator_hash(locator);
        Ok(())
    }

    /// Stores the job in memory over the one on flash, which keeps its locator.
    #[inline(never)]
    pub(super) fn update_job(&mut self) -> Result<(), StoreFailed> {
        let record = self.parts.journal.read(Kind::Job, self.envelope).map_err(|_| StoreFailed)?.ok_or(StoreFailed)?;
        let len = locator(record).ok_or(StoreFailed)?.len();
        self.put_job(len)
    }

    /// Stores the job in memory; its locator, of this length, is in the envelope buffer already.
    fn put_job(&mut self, locator_len: usize) -> Result<(), StoreFailed> {
        let job = self.core.job.as_ref().ok_or(StoreFailed)?;
        let len = job.encode(locator_len, self.envelope).ok_or(StoreFailed)?;
        self.parts.journal.append(Kind::Job, self.envelope.get(..len).unwrap_or_default()).map_err(|_| StoreFailed)
    }

    #[inline(never)]
    pub(super) fn store_progress(&mut self, progress: &Progress<'_>) -> Result<(), StoreFailed> {
        let mut buf = [0; PROGRESS_MAX];
        self.append(Kind::Progress, progress.encode(&mut buf))
    }

    /// Reads the outbox that is stored; one that cannot be read is empty.
    #[inline(never)]
    pub(super) fn load_outbox(&mut self) {
        let len = match self.parts.journal.read(Kind::Outbox, self.core.outbox.buffer()) {
            Ok(Some(record)) => record.len(),
            _ => 0,
        };
        self.core.outbox.adopt(len);
    }

    /// Stores the outbox after a change. Where that fails, it is again what is stored; what the change took out is not
    /// sent all the same.
    #[inline(never)]
    pub(super) fn keep_outbox(&mut self, changed: bool) -> Result<(), StoreFailed> {
        self.core.reporter.outbox_due(!self.core.outbox.is_empty());
        if !changed {
            return Ok(());
        }
        let stored = if self.core.outbox.is_void() {
            self.parts.journal.remove(Kind::Outbox)
        } else {
            self.parts.journal.append(Kind::Outbox, self.core.outbox.record())
        };
        if stored.is_err() {
            self.load_outbox();
        }
        stored.map_err(|_| StoreFailed)
    }

    /// Puts an outcome into the outbox; one that cannot be stored is said all the same, in this session.
    #[inline(never)]
    pub(super) fn tell(&mut self, job: u64, component: Component<'_>, stage: FailStage, text: [&'static str; 2]) {
        let added = self.core.outbox.add(job, component, stage, &text);
        let stored = self.keep_outbox(added == Added::Yes);
        if stored.is_err() || added == Added::NoRoom {
            self.answer(component, stage, text);
        }
    }

    /// Notes whether the boot loader's present rollback state was taken note of.
    #[inline(never)]
    pub(super) fn note_rollback_seen(&mut self, seen: bool) -> Result<(), StoreFailed> {
        let changed = self.core.outbox.set_rollback_seen(seen);
        self.keep_outbox(changed)
    }

    /// Forgets the job on flash and in memory.
    #[inline(never)]
    pub(super) fn forget_job(&mut self) {
        self.remove(Kind::Job);
        self.remove(Kind::Progress);
        self.core.job = None;
        self.core.taken = None;
        self.core.durable = 0;
        self.core.filled = 0;
        self.core.reporter.forget_progress();
    }
}
