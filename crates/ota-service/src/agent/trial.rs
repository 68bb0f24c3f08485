//! The image on trial: gates, accept, rollback.

use super::Agent;
use crate::app::{Check, GATE_NAME_MAX, Health};
use crate::job::{Job, Progress};
use crate::machine::{Event, Verdict};
use crate::outbox::push;
use crate::{App, Notice, Target};
use heapless::String;
use ota_boot::{BootControl, RollbackReason};
use ota_hal::{Entropy, Flash};
use ota_verify::Keys;

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    pub(super) fn check_gates(&mut self) {
        let acknowledged = self.core.reporter.was_acknowledged();
        let app = &mut self.parts.app;
        let count = app.gates().len();
        let verdict = self.core.judge.judge(count, self.core.now, &mut |index| {
            // The list is the application's own; a gate it takes away in between counts as failed.
            let Some(gate) = app.gates().get(index).copied() else {
                return (Health::Fail, 0);
            };
            let health = match gate.check {
                Check::App => app.check(index),
                Check::Acknowledged if acknowledged => Health::Pass,
                Check::Acknowledged => Health::Pending,
            };
            (health, gate.timeout_ms)
        });
        if let Verdict::Failed(gate) | Verdict::TimedOut(gate) = verdict {
            self.note_gate(gate);
        }
        self.fact(Event::Gates(verdict));
    }

    /// The firmware that is returned to may number its gates differently, so the name goes with the rollback.
    fn note_gate(&mut self, gate: u8) {
        let mut name = String::<GATE_NAME_MAX>::new();
        if let Some(gate) = self.parts.app.gates().get(usize::from(gate)) {
            push(&mut name, gate.name);
        }
        // Without it the report gives the number.
        let _ = self.store_progress(&Progress::Gate(&name));
    }

    /// Accepts the image on trial, then forgets its job. False when the accept could not be stored.
    pub(super) fn confirm_trial(&mut self) -> bool {
        if self.parts.boot.confirm().is_err() {
            self.fact(Event::NotStored);
            return false;
        }
        self.fact(Event::Confirmed);
        self.installed();
        self.core.reporter.hold_version(false);
        self.parts.app.notice(Notice::Confirmed);
        true
    }

    /// The job's image runs and is accepted.
    pub(super) fn installed(&mut self) {
        if let Some(image) = self.core.job.as_ref().map(Job::image) {
            // Where it cannot be stored, the same offer would be taken once more.
            self.core.outbox.set_installed(&image);
            let _ = self.keep_outbox(true);
        }
        self.forget_job();
    }

    pub(super) fn give_up_trial(&mut self, reason: RollbackReason) {
        // If it cannot be stored, the reset that follows spends a trial start; they run out.
        let _ = self.parts.boot.roll_back(reason);
    }
}
