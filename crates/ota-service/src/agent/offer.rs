//! From an offer to a job.

use super::{Agent, Reply};
use crate::job::{Job, LOCATOR_MAX, Phase, identity, locator, locator_hash};
use crate::machine::{Effect, Event, Item, Part, State};
use crate::outbox::{Image, push};
use crate::{App, Decision, Fault, Notice, Target};
use ota_boot::{BootControl, BootState};
use ota_download::Failure;
use ota_hal::{Entropy, Flash, Kind};
use ota_transport::{Checksum, Component, FailStage, Locator, Offer, OfferError};
use ota_verify::{Keys, verify_cloud_signature};

/// An image that was rolled back so often is not tried again until another one was chosen.
pub(super) const ROLLBACKS_MAX: u8 = 3;
pub(super) const TRIED_ENOUGH: (FailStage, &str) = (FailStage::Upgrade, "image was rolled back 3 times");

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    #[inline(never)]
    pub(super) fn on_offer(&mut self, offer: &Offer<'_>) {
        let id = identity(offer);
        let known = matches!(&self.core.job, Some(job) if job.id == id);
        if self.core.machine.is_idle() && self.is_running(offer) {
            // Pushed once more after it was installed: the version report is the answer.
            self.core.reporter.version_due();
            return;
        }
        match self.react(Event::Offer { known }) {
            Effect::Busy => {
                self.pass_over(offer.component, ["busy: another update is under way", ""]);
            }
            Effect::None => self.consider(offer),
            Effect::Repeat => self.renew(offer),
            _ => {}
        }
    }

    /// Whether this is what runs: by the version that the application reports, or because this very offer was installed
    /// and accepted. A cloud may name versions otherwise than the firmware does, and a broker may keep its last message:
    /// the same image would be installed at each connect.
    fn is_running(&mut self, offer: &Offer<'_>) -> bool {
        if offer.component == Component::default() && offer.version == self.parts.app.version() {
            return true;
        }
        let image = Image { job: identity(offer), digest: None };
        self.core.outbox.is_installed(&image) && matches!(self.parts.boot.state(), Ok(BootState::Confirmed { .. }))
    }

    /// The offer under way once more. Signed URLs expire, so a fresh one takes the place of the one that is stored; what was
    /// fetched stays, guarded by validator, sizes and digest as ever. Used from the next opening on.
    fn renew(&mut self, offer: &Offer<'_>) {
        match self.core.machine.state() {
            State::Deciding | State::Deferred { .. } => {}
            State::Opening { .. } | State::Receiving { .. } | State::BackingOff { .. } => {}
            _ => return,
        }
        let Locator::Url(url) = offer.locator else { return };
        if url.is_empty() || url.len() > LOCATOR_MAX || locator_hash(url) == self.core.locator {
            return;
        }
        // If it cannot be stored, the one that is stored stays good.
        self.core.renewed |= self.store_job(url).is_ok();
        if matches!(self.core.machine.state(), State::Receiving { part: Part::Envelope, .. }) {
            // The record was laid over the envelope's first bytes.
            let failure = Failure::Retry { after_ms: 0 };
            self.source_failed(Fault { failure, text: "the URL was replaced" });
        }
    }

    /// The machine is deciding on this offer.
    #[inline(never)]
    fn consider(&mut self, offer: &Offer<'_>) {
        if let Err((stage, text)) = self.judge(offer) {
            return self.decline(offer.component, stage, text);
        }
        let decision = self.parts.app.decide(offer);
        let phase = match decision {
            Decision::Accept => Phase::Accepted,
            Decision::Defer { .. } => Phase::Deferred,
            Decision::Reject(text) => return self.decline(offer.component, FailStage::Upgrade, text),
        };
        // What was left of an earlier job must not be taken for this one's, and an older outcome of the same offer, still
        // unsent, must not end it at the next start.
        self.remove(Kind::Progress);
        let Some(job) = &mut self.core.job else { return };
        job.phase = phase;
        let id = job.id;
        let changed = self.core.outbox.detach(id);
        let _ = self.keep_outbox(changed);
        let Locator::Url(locator) = offer.locator else { return };
        if self.store_job(locator).is_err() {
            return self.decline(offer.component, FailStage::Burn, "journal failed");
        }
        self.decided(decision);
    }

    /// A deferred offer is put to the application once more.
    #[inline(never)]
    pub(super) fn decide_again(&mut self) {
        let decision = match (self.parts.journal.read(Kind::Job, self.envelope), &self.core.job) {
            (Ok(Some(record)), Some(job)) => match locator(record) {
                Some(locator) => self.parts.app.decide(&job.as_offer(locator)),
                None => Decision::Reject("job record unreadable, update dropped"),
            },
            _ => Decision::Reject("job record unreadable, update dropped"),
        };
        match decision {
            Decision::Reject(text) => return self.refuse(FailStage::Upgrade, text),
            Decision::Accept => {
                if let Some(job) = &mut self.core.job {
                    job.phase = Phase::Accepted;
                    job.slot = self.parts.target.slot();
                }
                if self.update_job().is_err() {
                    return self.refuse(FailStage::Burn, "journal failed");
                }
            }
            Decision::Defer { .. } => {}
        }
        self.decided(decision);
    }

    fn decided(&mut self, decision: Decision) {
        self.core.reporter.forget_progress();
        self.withhold_reply();
        if let Decision::Defer { ms } = decision {
            self.parts.app.notice(Notice::Deferred);
            self.fact(Event::Defer { ms });
            return;
        }
        self.core.reporter.progress(0);
        self.parts.app.notice(Notice::Accepted);
        self.fact(Event::Accept);
    }

    /// All that can be judged before a byte is fetched. Puts the job in its place, so that it is not moved; it is one when
    /// nothing was found against it.
    #[inline(never)]
    fn judge(&mut self, offer: &Offer<'_>) -> Result<(), (FailStage, &'static str)> {
        match self.parts.boot.state() {
            Ok(BootState::Confirmed { .. } | BootState::RolledBack { .. }) => {}
            Ok(_) => return Err((FailStage::Upgrade, "an image is pending or on trial")),
            Err(_) => return Err((FailStage::Upgrade, "boot record unreadable")),
        }
        if !self.parts.target.accepts(offer.component.module) || offer.component.device != 0 {
            return Err((FailStage::Upgrade, "no such component on this device"));
        }
        let slot = self.parts.target.slot();
        let job = self.core.job.insert(Job::none());
        job.take_offer(offer, slot).map_err(|text| (FailStage::Upgrade, text))?;
        let (id, image) = (job.id, job.image());
        if self.core.outbox.rollbacks(&image) >= ROLLBACKS_MAX {
            return Err(TRIED_ENOUGH);
        }
        if let Some(spoilt) = self.core.spoilt.as_ref().filter(|spoilt| spoilt.id == id && self.core.now < spoilt.until)
        {
            return Err(spoilt.why);
        }
        if let (Some(key), false, Some(Checksum::Sha256(sum))) =
            (&self.policy.cloud_key, offer.cloud_signature.is_empty(), &offer.checksum)
        {
            verify_cloud_signature(key.0, sum, offer.cloud_signature)
                .map_err(|_| (FailStage::Verify, "cloud signature not valid"))?;
            if let Some(job) = &mut self.core.job {
                job.cloud_signed = true;
            }
        }
        Ok(())
    }

    /// The offer did not become a job.
    fn decline(&mut self, component: Component<'_>, stage: FailStage, text: &'static str) {
        self.answer(component, stage, ["refused: ", text]);
        self.core.job = None;
        self.parts.app.notice(Notice::Failed { stage, text });
        // The outcome is told already: the machine only has to leave its state.
        let _ = self.core.machine.on(Event::Refused, self.core.now, 0);
    }

    /// An answer that is not worth a flash write: the other side will offer again.
    #[inline(never)]
    pub(super) fn answer(&mut self, component: Component<'_>, stage: FailStage, text: [&'static str; 2]) {
        let mut module = heapless::String::new();
        push(&mut module, component.module);
        self.core.reply = Some(Reply { device: component.device, module, stage, text });
        self.core.reporter.reply_due();
    }

    /// An offer that is not looked at, or a message that is none.
    ///
    /// A report names nothing but its component, so a failure of the component that is being updated would be taken for the
    /// end of that update. It is not sent; the other side hears of the end when it comes.
    pub(super) fn pass_over(&mut self, component: Component<'_>, text: [&'static str; 2]) {
        let [what, detail] = text;
        self.parts.app.notice(Notice::Ignored { text: what, detail });
        if self.is_updating(component) {
            return self.core.reporter.repeat_progress(self.core.percent());
        }
        self.answer(component, FailStage::Upgrade, text);
    }

    /// Whether an update of this component is under way, up to its accept or rollback.
    fn is_updating(&self, component: Component<'_>) -> bool {
        let updated = self.core.job.as_ref().map_or_else(Component::default, Job::component);
        !self.core.machine.is_idle() && component == updated
    }

    /// An answer of before, still unsent, must not be taken for the end of the update that begins now.
    fn withhold_reply(&mut self) {
        let Some(reply) = &self.core.reply else { return };
        if self.is_updating(Component { device: reply.device, module: &reply.module }) {
            self.core.reply = None;
            self.core.reporter.skip(Item::Reply);
        }
    }

    #[inline(never)]
    pub(super) fn answer_bad(&mut self, error: OfferError) {
        let (text, detail) = match error {
            OfferError::Refused => return,
            OfferError::Malformed => ("offer refused: malformed message", ""),
            OfferError::Missing(field) => ("offer refused: missing field ", field),
            OfferError::Invalid(field) => ("offer refused: bad field ", field),
            OfferError::TooLarge => ("offer refused: message too large", ""),
            _ => ("offer refused: not understood", ""),
        };
        self.pass_over(Component::default(), [text, detail]);
    }
}
