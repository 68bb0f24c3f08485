//! What was found at start: the boot loader's state and the records together say where the update stands.

use super::Agent;
use crate::app::GATE_NAME_MAX;
use crate::job::{Job, PROGRESS_MAX, Phase, Progress, locator_hash};
use crate::machine::{Event, Found, State};
use crate::outbox::{Added, ROLLED_BACK, push};
use crate::{App, Notice, Target};
use heapless::String;
use ota_boot::{BootControl, BootState, RollbackReason};
use ota_hal::{Entropy, Flash, Kind, Millis, ResetCause, SlotId};
use ota_transport::{Component, FailStage};
use ota_verify::Keys;

/// What the progress record says besides the checkpoint.
#[derive(Default)]
struct Left {
    /// The gate that ended the trial.
    gate: String<GATE_NAME_MAX>,
    /// The loader was asked once more for the staged image already.
    not_started: bool,
    /// The image that the job staged, or was about to.
    staging: Option<[u8; 8]>,
}

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    /// Runs once, at the first call from the driver.
    pub(super) fn start(&mut self, now: Millis) {
        self.core.now = now;
        if !core::mem::replace(&mut self.core.started, true) {
            self.start_once();
        }
    }

    #[inline(never)]
    fn start_once(&mut self) {
        self.settle();
        self.load_outbox();
        self.core.reporter.outbox_due(!self.core.outbox.is_empty());
        self.load_job();
        let mut left = Left::default();
        self.load_progress(&mut left);
        let seen = self.core.outbox.rollback_seen();
        // Too much hangs on it for one reading: a trial without end, a rollback not told of.
        let state = self.parts.boot.state().or_else(|_| self.parts.boot.state());
        let found = match state {
            Ok(BootState::Testing { .. }) => self.next_outcome_unseen(Found::Trial, seen),
            Ok(BootState::Pending { .. }) => self.next_outcome_unseen(Found::Staged, seen),
            Ok(BootState::RolledBack { reason, last_reset, .. }) if !seen || self.failed_since(&left) => {
                // The report first: whatever is cut after it, it is not lost, and not made twice.
                if self.post_rollback(reason, &left.gate, last_reset) && self.staged() {
                    self.forget_job();
                }
                self.found_job()
            }
            Ok(BootState::RolledBack { .. }) => self.found_job(),
            Ok(BootState::Confirmed { .. }) => {
                if seen {
                    let _ = self.note_rollback_seen(false);
                }
                self.found_job()
            }
            // Offers are refused as long as the store cannot be read; what runs may be on trial.
            Err(_) => {
                self.core.reporter.hold_version(true);
                Found::Nothing
            }
        };
        let called_off = self.called_off(found);
        if found == Found::Staged && !self.keeps_staged(called_off, left.not_started) {
            return self.fact(Event::Start(Found::Nothing));
        }
        if found == Found::Trial {
            self.core.reporter.hold_version(true);
            self.core.reporter.repeat_progress(100);
            self.parts.app.notice(Notice::Trial);
        }
        self.fact(Event::Start(found));
        if called_off {
            self.fact(Event::GiveUp(RollbackReason::Requested));
            self.settle_called_off();
        }
    }

    /// The loader was faster than the cancel; the trial is given up. Its outcome is in the outbox already and may be
    /// acknowledged, and gone from there, before the reset: the job must not be found then, nor a rollback to tell of.
    fn settle_called_off(&mut self) {
        // A second time changes nothing: this only asks whether it is stored.
        if self.core.machine.state() == State::RollingBack
            && self.parts.boot.roll_back(RollbackReason::Requested).is_ok()
            && self.note_rollback_seen(true).is_ok()
        {
            self.forget_job();
        }
    }

    #[inline(never)]
    fn load_job(&mut self) {
        match self.parts.journal.read(Kind::Job, self.envelope) {
            Ok(None) => return,
            Ok(Some(record)) => {
                let job = self.core.job.insert(Job::none());
                match job.decode(record) {
                    Some(locator) => self.core.locator = locator_hash(locator),
                    None => self.core.job = None,
                }
            }
            // Too long for the buffer, or torn.
            Err(_) => {}
        }
        if self.core.job.is_none() {
            // If it cannot be stored the other side learns nothing of it; nothing else depends on it.
            let text = ["job record unreadable, update dropped"];
            let added = self.core.outbox.add(0, Component::default(), FailStage::Upgrade, &text);
            let _ = self.keep_outbox(added == Added::Yes);
            self.forget_job();
        }
    }

    /// The last checkpoint of this job, or what else was noted in its place.
    fn load_progress(&mut self, left: &mut Left) {
        let mut buf = [0; PROGRESS_MAX];
        let Ok(Some(record)) = self.parts.journal.read(Kind::Progress, &mut buf) else {
            return;
        };
        match (Progress::decode(record), &self.core.job) {
            (Some(Progress::Stored { id, durable }), Some(job)) if id == job.id => self.core.durable = durable,
            (Some(Progress::Staging { digest }), _) => left.staging = Some(digest),
            (Some(Progress::Gate(name)), _) => push(&mut left.gate, name),
            (Some(Progress::NotStarted { id }), job) => {
                left.not_started = id == job.as_ref().map_or(0, |job| job.id);
            }
            _ => {}
        }
    }

    /// Whether the loader is to be asked once more for an image that it passed over at this start: once, and only
    /// when that can be stored. A loader that cannot write the journal cannot count a trial start, so it starts the
    /// accepted image, for ever; so would the resets be.
    fn keeps_staged(&mut self, called_off: bool, asked_again: bool) -> bool {
        if called_off && self.parts.boot.roll_back(RollbackReason::Requested).is_ok() {
            self.abandon();
            return false;
        }
        let id = self.core.job.as_ref().map_or(0, |job| job.id);
        if !asked_again && self.store_progress(&Progress::NotStarted { id }).is_ok() {
            return true;
        }
        let (stage, text) = (FailStage::Upgrade, "staged image was not started");
        self.tell(id, Component::default(), stage, [text, ""]);
        // If it cannot be stored, the image stays staged; without its first sector nothing will start it.
        let _ = self.parts.boot.roll_back(RollbackReason::Requested);
        self.abandon();
        self.parts.app.notice(Notice::Failed { stage, text });
        false
    }

    /// Whether the rollback is of the image that the job at hand staged: then it is not the one that was told of,
    /// whatever a cut kept [`Agent::stage`] from noting.
    fn failed_since(&mut self, left: &Left) -> bool {
        let id = self.core.job.as_ref().map_or(0, |job| job.id);
        let same = left.staging.is_some() && left.staging == self.parts.boot.failed_image();
        same && self.staged() && !self.core.outbox.ends(id)
    }

    /// An image was staged since the rollback that was told of: the next one, of this image, is another. A cut may have
    /// kept [`Agent::stage`] from saying so.
    fn next_outcome_unseen(&mut self, found: Found, seen: bool) -> Found {
        if seen {
            let _ = self.note_rollback_seen(false);
        }
        found
    }

    /// A job that was called off, but a cut came before its image was withdrawn.
    fn called_off(&mut self, found: Found) -> bool {
        let id = self.core.job.as_ref().map_or(0, |job| job.id);
        matches!(found, Found::Trial | Found::Staged) && self.core.outbox.ends(id)
    }

    fn staged(&self) -> bool {
        matches!(&self.core.job, Some(job) if job.phase == Phase::Staged)
    }

    /// How to go on with the job, when the boot loader has nothing under way.
    fn found_job(&mut self) -> Found {
        let Some(job) = &self.core.job else {
            return Found::Nothing;
        };
        let same_slot = job.slot == self.parts.target.slot();
        let (phase, id, length) = (job.phase, job.id, job.payload.plan.length);
        if phase == Phase::Staged && !same_slot {
            // It runs: the accept was stored, the job was not removed any more.
            self.installed();
            return Found::Nothing;
        }
        if self.core.outbox.ends(id) {
            // It is over: the outcome was stored, the job was not removed any more.
            self.abandon();
            return Found::Nothing;
        }
        if phase == Phase::Deferred {
            return Found::Deferred;
        }
        if phase == Phase::Accepted || !same_slot {
            self.begin_again();
            return Found::Accepted;
        }
        // Staged, but the boot loader does not know: prove and stage again.
        if phase == Phase::Staged || self.core.durable == length {
            return Found::Complete;
        }
        Found::Partial
    }

    /// Reports the rollback. False when that could not be stored: then it is made up for at the next start.
    #[inline(never)]
    fn post_rollback(&mut self, reason: RollbackReason, gate: &str, reset: ResetCause) -> bool {
        let digits = digits(match reason {
            RollbackReason::GateFailed(n) | RollbackReason::GateTimeout(n) | RollbackReason::Unknown(n) => n,
            _ => 0,
        });
        let gate = if gate.is_empty() { core::str::from_utf8(&digits).unwrap_or("?") } else { gate };
        let (what, which, how) = match reason {
            RollbackReason::Unknown(_) => ("unknown reason ", gate, ""),
            RollbackReason::AttemptsUsedUp => ("all trial starts used up", "", ""),
            RollbackReason::ImageInvalid => ("image not valid at boot", "", ""),
            RollbackReason::ActiveInvalid => ("running image no longer valid", "", ""),
            RollbackReason::GateFailed(_) => ("health gate ", gate, " failed"),
            RollbackReason::GateTimeout(_) => ("health gate ", gate, " timed out"),
            RollbackReason::Requested => ("requested", "", ""),
        };
        let text = [ROLLED_BACK, what, which, how, " (reset: ", reset_text(reset), ")"];
        // With the number of its job, so that a cut before the job is removed does not have it staged again.
        let job = self.core.job.as_ref().filter(|job| job.phase == Phase::Staged);
        let (id, image) = (job.map_or(0, |job| job.id), job.map(Job::image));
        // Only firmware is ever tried and rolled back.
        let outbox = &mut self.core.outbox;
        outbox.set_rollback_seen(true);
        // Called off before: the other side is told that, and this is only how it came about.
        if !(reason == RollbackReason::Requested && outbox.ends(id)) {
            if let Some(image) = &image {
                outbox.count_rollback(image);
            }
            // There is room: it replaces whatever is not a rollback itself.
            let _ = outbox.add(id, Component::default(), FailStage::Upgrade, &text);
        }
        self.keep_outbox(true).is_ok()
    }

    /// Sets the job back to its first byte, for the slot that is to be written now.
    pub(super) fn begin_again(&mut self) {
        let slot: SlotId = self.parts.target.slot();
        self.core.taken = None;
        self.core.durable = 0;
        self.core.filled = 0;
        if let Some(job) = &mut self.core.job {
            job.phase = Phase::Accepted;
            job.slot = slot;
            job.validator.clear();
            job.seen = None;
        }
    }
}

/// Three decimal digits.
const fn digits(n: u8) -> [u8; 3] {
    [b'0' + n / 100, b'0' + n / 10 % 10, b'0' + n % 10]
}

const fn reset_text(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Unknown => "unknown",
        ResetCause::PowerOn => "power-on",
        ResetCause::BrownOut => "brown-out",
        ResetCause::Pin => "pin",
        ResetCause::Watchdog => "watchdog",
        ResetCause::Software => "software",
        ResetCause::Fault => "fault",
    }
}
