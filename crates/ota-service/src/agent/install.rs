//! The end of a job: proven and staged, or given up.

use super::Agent;
use crate::job::{Job, Phase, Progress};
use crate::machine::{Event, Why};
use crate::{App, Expected, Finished, Notice, Target, TargetError};
use ota_boot::{BootControl, RollbackReason};
use ota_hal::{Entropy, Flash};
use ota_transport::{Component, FailStage};
use ota_verify::{Keys, Verified};

type Reason = (FailStage, &'static str);
/// No damage: fetching again cannot help.
const fn for_good(reason: Reason) -> (bool, Reason) {
    (false, reason)
}

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    /// Reads back, proves, stages.
    #[inline(never)]
    pub(super) fn verify(&mut self) {
        self.parts.app.notice(Notice::Verifying);
        if let Err((damage, why)) = self.try_verify() {
            self.target_failed(damage, why);
        }
    }

    /// Damaged bytes are fetched once more for each job, which the restart stores; all else ends it.
    #[inline(never)]
    pub(super) fn target_failed(&mut self, damage: bool, (stage, text): Reason) {
        let mut first = |job: &mut Job| !core::mem::replace(&mut job.refetched, true);
        if damage && self.core.job.as_mut().is_some_and(&mut first) {
            self.core.fault = text;
            self.core.refusal = (stage, text);
            return self.fact(Event::Damaged);
        }
        self.refuse(stage, text);
    }

    /// True with the reason when the bytes are damaged.
    fn try_verify(&mut self) -> Result<(), (bool, Reason)> {
        let floor = self.floor().map_err(for_good)?;
        let Some(job) = &self.core.job else {
            return Err(for_good((FailStage::Upgrade, "no job")));
        };
        let plan = &job.payload.plan;
        // The cloud's checksum is over the object: the image only when there is no package around it.
        let checksum = if plan.digest.is_none() { job.checksum } else { None };
        let expected = Expected { size: plan.size, digest: plan.digest, checksum, floor };
        let app = &mut self.parts.app;
        let finished = self.parts.target.finish(&expected, &mut || app.working());
        match finished.map_err(|e| (e.is_damage(), (e.stage(), e.text())))? {
            Finished::Stage(proof) => self.stage(proof).map_err(for_good)?,
            Finished::Applied => {
                self.fact(Event::Applied);
                return Ok(());
            }
        }
        self.core.reporter.progress(100);
        self.parts.app.notice(Notice::Staged);
        self.fact(Event::Proven);
        Ok(())
    }

    /// The job first: a rollback is only told of a job that says it was staged. The boot record last.
    fn stage(&mut self, proof: Verified) -> Result<(), Reason> {
        if let Some(job) = &mut self.core.job {
            job.phase = Phase::Staged;
        }
        self.update_job().map_err(|_| (FailStage::Burn, "journal failed"))?;
        // All bytes are there: the place of the checkpoint is free to say which image a rollback is then about, and
        // what was noted of an earlier staging goes. Without it only a cut in the next two steps is told of less surely.
        if let Some(digest) = proof.digest().first_chunk() {
            let _ = self.store_progress(&Progress::Staging { digest: *digest });
        }
        self.parts.boot.stage(proof).map_err(|_| (FailStage::Upgrade, "the boot loader refused the image"))?;
        // An earlier rollback was told of; the next one, of this image, has not been.
        let _ = self.note_rollback_seen(false);
        Ok(())
    }

    /// Makes the staged image one that will not be tried.
    pub(super) fn withdraw(&mut self) {
        // The outcome first: after a cut between the two the loader tries the image, and the trial is given up at once.
        let Some(job) = &self.core.job else {
            // Staged by somebody else, or its record was lost.
            if self.parts.boot.roll_back(RollbackReason::Requested).is_ok() {
                self.fact(Event::Withdrawn);
            }
            return;
        };
        let (id, device, module) = (job.id, job.device, job.module.clone());
        let component = Component { device, module: &module };
        self.tell(id, component, FailStage::Upgrade, ["cancelled", ""]);
        if self.parts.boot.roll_back(RollbackReason::Requested).is_ok() {
            return self.fact(Event::Withdrawn);
        }
        // The image stays staged, and the caller may cancel again. Where not even this can be stored, the next start
        // calls the image off.
        let changed = self.core.outbox.strike(id);
        let _ = self.keep_outbox(changed);
        self.answer(component, FailStage::Upgrade, ["cancel failed: ", "the image is still staged"]);
    }

    /// The object changed or cannot be continued: from the first byte again.
    pub(super) fn restart(&mut self) {
        if self.touched() {
            let _ = self.parts.target.abort();
        }
        self.begin_again();
        self.core.reporter.forget_progress();
        self.parts.app.notice(Notice::Restarted);
        if self.update_job().is_err() {
            self.refuse(FailStage::Burn, "journal failed");
        }
    }

    /// The job is over.
    pub(super) fn end(&mut self, why: Why) {
        let (stage, first, second) = match why {
            Why::Refused => (self.core.refusal.0, "refused: ", self.core.refusal.1),
            Why::Permanent => (FailStage::Download, "download failed: ", self.core.fault),
            Why::TriesUsedUp => (FailStage::Download, "download given up: ", self.core.fault),
            Why::RestartsUsedUp => (FailStage::Download, "download given up: ", "the object cannot be continued"),
            Why::Cancelled => (FailStage::Upgrade, "cancelled", ""),
            Why::Applied => return self.applied(),
        };
        if let Some(job) = &self.core.job {
            let (id, device, module) = (job.id, job.device, job.module.clone());
            // The outcome first: a cut after it ends the job at the next start, a cut before it loses nothing.
            self.tell(id, Component { device, module: &module }, stage, [first, second]);
        }
        self.abandon();
        self.parts.app.notice(Notice::Failed { stage, text: if second.is_empty() { first } else { second } });
    }

    fn applied(&mut self) {
        self.core.reporter.version_due();
        self.forget_job();
        self.parts.app.notice(Notice::Applied);
    }

    /// Forgets the job, and leaves nothing in the target that looks complete.
    pub(super) fn abandon(&mut self) {
        if self.touched() {
            // A half-written image is not valid anyway, and nothing stages it.
            let _ = self.parts.target.abort();
        }
        self.forget_job();
    }

    /// Whether the target holds bytes of this job.
    fn touched(&self) -> bool {
        matches!(&self.core.job, Some(job) if job.phase >= Phase::Selected && job.slot == self.parts.target.slot())
    }
}
