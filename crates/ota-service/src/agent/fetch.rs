//! Bytes: what to ask for, and what to do with what comes.

use super::offer::{ROLLBACKS_MAX, TRIED_ENOUGH};
use super::{Agent, Spoilt, percent};
use crate::job::{Job, Payload, Phase, Progress, locator};
use crate::machine::{Event, Part, State};
use crate::{App, Fault, Notice, Plan, Target, TargetError};
use ota_boot::BootControl;
use ota_download::{Failure, Opened, Request};
use ota_hal::{Entropy, Flash, Kind};
use ota_transport::FailStage;
use ota_verify::manifest::Accepts;
use ota_verify::package::{ENVELOPE_MAX, HEAD_LEN, Object};
use ota_verify::{Envelope, Keys, PackageError, Rules};

type Refused = (FailStage, &'static str);
const SHORT: Refused = (FailStage::Verify, "object shorter than its content");
const TOO_LARGE: Refused = (FailStage::Burn, "image larger than the slot");
/// So long an offer whose envelope was refused is refused from memory. Not for ever: the bytes may have been damaged or
/// exchanged on their way.
const SPOILT_MS: u32 = 600_000;
const NEITHER: Refused = (FailStage::Verify, "neither package nor image");
const JOURNAL: Refused = (FailStage::Burn, "journal failed");

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    const fn part(&self) -> Option<Part> {
        match self.core.machine.state() {
            State::Opening { part, .. } | State::Receiving { part, .. } => Some(part),
            _ => None,
        }
    }

    /// After a reset the target must be told where to continue, before the source is asked. False when the job ended.
    pub(super) fn prepare(&mut self) -> bool {
        let (Some(job), None) = (&self.core.job, self.core.taken) else {
            return self.core.job.is_some();
        };
        if self.core.durable == 0 {
            return true;
        }
        let id = job.id;
        let resumed = self.parts.target.resume(&job.payload.plan, self.core.durable);
        let resumed = resumed.map_err(|e| (e.stage(), e.text())).and_then(|at| self.goes_on_at(id, at));
        resumed.inspect_err(|(stage, text)| self.refuse(*stage, text)).is_ok()
    }

    /// The target goes on at `at`. What it does not hold any more must not count as durable: later checkpoints would not be
    /// stored before the download is past that place again.
    fn goes_on_at(&mut self, id: u64, at: u32) -> Result<(), Refused> {
        if at < self.core.durable {
            self.store_progress(&Progress::Stored { id, durable: at }).map_err(|_| JOURNAL)?;
            self.core.durable = at;
        }
        self.core.taken = Some(at);
        Ok(())
    }

    pub(super) fn request_in<'b>(&mut self, buf: &'b mut [u8]) -> Option<Request<'b>> {
        let part = self.part()?;
        let job = self.core.job.as_ref()?;
        let validator: &[u8] = if part == Part::Payload { &job.validator } else { &[] };
        let mut why = "job record unreadable";
        let lent = match self.parts.journal.read(Kind::Job, self.envelope) {
            Ok(Some(record)) => locator(record).and_then(|locator| {
                why = "URL longer than the read buffer";
                let place = buf.get_mut(..locator.len() + validator.len())?;
                let (first, second) = place.split_at_mut_checked(locator.len())?;
                first.copy_from_slice(locator.as_bytes());
                second.copy_from_slice(validator);
                Some(locator.len())
            }),
            _ => None,
        };
        let Some(len) = lent else {
            self.refuse(FailStage::Download, why);
            return None;
        };
        let (offset, end) = match part {
            Part::Envelope => (0, u32::try_from(ENVELOPE_MAX).ok()),
            Part::Payload => (job.payload.offset + self.core.taken.unwrap_or(0), Some(job.payload.end())),
        };
        let (locator, rest) = buf.split_at(len);
        let validator = rest.get(..validator.len())?;
        Some(Request { locator: core::str::from_utf8(locator).ok()?, offset, end, validator })
    }

    #[inline(never)]
    pub(super) fn source_failed(&mut self, fault: Fault) {
        self.core.fault = fault.text;
        let failure = match fault.failure {
            // Said of a URL that has been replaced meanwhile: the fresh one deserves its try.
            Failure::Permanent if self.core.renewed => Failure::Retry { after_ms: 0 },
            failure => failure,
        };
        self.fact(Event::Fault(failure));
    }

    pub(super) fn opened(&mut self, opened: &Opened) {
        let Some(part) = self.part() else {
            return;
        };
        self.fact(Event::Opened);
        let result = match part {
            Part::Envelope => self.envelope_opened(opened),
            Part::Payload => match self.payload_opened(opened) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let text = "the object changed";
                    return self.source_failed(Fault { failure: Failure::Restart, text });
                }
                Err(refused) => Err(refused),
            },
        };
        if let Err((stage, text)) = result {
            self.refuse(stage, text);
        }
    }

    fn envelope_opened(&mut self, opened: &Opened) -> Result<(), Refused> {
        self.core.filled = 0;
        self.core.skip = 0;
        let Some(job) = &mut self.core.job else {
            return Ok(());
        };
        check_offered(job, opened)?;
        job.validator = opened.validator.clone();
        // Kept with the job: a bare image is as long as its object.
        job.seen = opened.total;
        Ok(())
    }

    /// `Ok(false)` when the bytes fetched so far and the ones to come may not belong together.
    fn payload_opened(&mut self, opened: &Opened) -> Result<bool, Refused> {
        let Some(job) = &self.core.job else {
            return Ok(true);
        };
        let known = !job.validator.is_empty() && !opened.validator.is_empty();
        let resized = |total| job.seen.is_some_and(|seen| seen != total) || total < job.payload.end();
        if (known && job.validator != opened.validator) || opened.total.is_some_and(resized) {
            return Ok(false);
        }
        check_offered(job, opened)?;
        let taken = self.core.taken.unwrap_or(0);
        let wanted = job.payload.offset + taken;
        self.core.skip = match opened.offset {
            at if at == wanted => 0,
            // A source that cannot start in the middle. With a validator it is the same object: pass over what is
            // there already. Without, a continued job starts again, because nothing says that the bytes match.
            0 if taken == 0 || known => wanted,
            _ => return Ok(false),
        };
        if self.core.taken.is_none() {
            self.parts.target.begin(&job.payload.plan).map_err(|e| (e.stage(), e.text()))?;
            self.core.taken = Some(0);
        }
        Ok(true)
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        let State::Receiving { part, .. } = self.core.machine.state() else {
            return;
        };
        if bytes.is_empty() {
            let failure = Failure::Retry { after_ms: 0 };
            return self.source_failed(Fault { failure, text: "the body ended early" });
        }
        self.fact(Event::Moved);
        let passed = bytes.len().min(self.core.skip as usize);
        self.core.skip -= passed as u32;
        let bytes = bytes.get(passed..).unwrap_or_default();
        let result = match part {
            Part::Envelope => self.envelope_data(bytes).inspect_err(|why| self.remember(*why)),
            Part::Payload => self.payload_data(bytes),
        };
        if let Err((stage, text)) = result {
            self.refuse(stage, text);
        }
    }

    #[inline(never)]
    fn payload_data(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let (Some(job), Some(taken)) = (&self.core.job, self.core.taken) else {
            return Ok(());
        };
        let (id, length) = (job.id, job.payload.plan.length);
        // A body may be longer than what was asked for.
        let n = bytes.len().min((length - taken) as usize);
        let app = &mut self.parts.app;
        let written = self.parts.target.write(bytes.get(..n).unwrap_or_default(), &mut || app.working());
        let durable = match written {
            Ok(durable) => durable,
            Err(e) => {
                self.target_failed(e.is_damage(), (e.stage(), e.text()));
                return Ok(());
            }
        };
        let taken = taken + n as u32;
        self.core.taken = Some(taken);
        // The bytes first, then the record that counts on them.
        if durable > self.core.durable {
            self.store_progress(&Progress::Stored { id, durable }).map_err(|_| JOURNAL)?;
            self.core.durable = durable;
            self.fact(Event::Stored);
        }
        let percent = percent(taken, length);
        self.core.reporter.progress(percent);
        self.parts.app.notice(Notice::Downloading { percent });
        if taken == length {
            self.fact(Event::Complete);
        }
        Ok(())
    }

    fn envelope_data(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let room = self.envelope.get_mut(self.core.filled..).unwrap_or_default();
        let n = room.len().min(bytes.len());
        room.get_mut(..n).unwrap_or_default().copy_from_slice(bytes.get(..n).unwrap_or_default());
        self.core.filled += n;
        if !self.choose()? {
            // `choose` asks for no more than ENVELOPE_MAX: a full buffer without an answer is a smaller buffer.
            let full = self.core.filled >= self.envelope.len();
            return if full { Err((FailStage::Verify, PackageError::TooLarge.text())) } else { Ok(()) };
        }
        self.accept_payload()?;
        self.core.spoilt = None;
        self.fact(Event::EnvelopeAccepted);
        Ok(())
    }

    /// What its envelope says of this offer will be the same the next time. Only where the offer names its object by a
    /// checksum: at a mere URL there may be another one by then. And only of an envelope: what is none (a login page of the
    /// network) is not the object that was offered.
    fn remember(&mut self, why: Refused) {
        self.core.spoilt = match &self.core.job {
            Some(Job { id, checksum: Some(_), .. }) if ![JOURNAL, NEITHER].contains(&why) => {
                Some(Spoilt { id: *id, until: self.core.now.after(SPOILT_MS), why })
            }
            _ => None,
        };
    }

    /// Looks at the first bytes of the object, and puts the payload that they offer into the job. False: more are needed.
    fn choose(&mut self) -> Result<bool, Refused> {
        let have = self.envelope.get(..self.core.filled).unwrap_or_default();
        let Some(magic) = have.first_chunk() else {
            return Ok(false);
        };
        match Object::sniff(magic) {
            Some(Object::Image) => self.choose_image()?,
            Some(Object::Package) => match have.first_chunk::<HEAD_LEN>().map(Envelope::len_needed) {
                None => return Ok(false),
                Some(Ok(needed)) if self.core.filled < needed => return Ok(false),
                Some(Ok(needed)) => self.choose_payload(needed)?,
                Some(Err(e)) => return Err((FailStage::Verify, e.text())),
            },
            None => return Err(NEITHER),
        }
        Ok(true)
    }

    #[inline(never)]
    fn choose_payload(&mut self, len: usize) -> Result<(), Refused> {
        let floor = self.floor()?;
        let (slot, decodes) = (self.parts.target.slot(), self.parts.target.decodes());
        let job = self.core.job.as_mut().ok_or(JOURNAL)?;
        let rules = Rules { keys: self.parts.keys, identity: self.parts.identity, floor };
        let package = self.envelope.get(..len).unwrap_or_default();
        let refused = |e: PackageError| (FailStage::Verify, e.text());
        let manifest = Envelope::open(package, &rules).map_err(refused)?;
        let (target, app) = (&mut self.parts.target, &mut self.parts.app);
        let mut holds = |base: &[u8; 32]| target.holds(base, &mut || app.working());
        // What came out wrong once comes as it is, or compressed, if it can.
        let accepts = Accepts { simple_first: job.refetched, ..decodes };
        let payload = manifest.select(&job.module, slot, accepts, &mut holds).map_err(refused)?.payload;
        if payload.image_size > self.parts.target.capacity() {
            return Err(TOO_LARGE);
        }
        if job.size().is_some_and(|total| total < manifest.package_len()) {
            return Err(SHORT);
        }
        let ota_verify::manifest::Payload { offset, length, image_size, image_digest, encoding, .. } = payload;
        let plan = Plan { form: encoding.form(), length, size: image_size, digest: Some(image_digest) };
        job.payload = Payload { offset, plan };
        Ok(())
    }

    fn choose_image(&mut self) -> Result<(), Refused> {
        let refused = |text| Err((FailStage::Verify, text));
        let job = self.core.job.as_mut().ok_or(JOURNAL)?;
        if !self.policy.bare_image {
            return refused("an image without a package is not allowed");
        }
        if self.policy.cloud_key.is_some() && !job.cloud_signed {
            return refused("the cloud did not sign the offer");
        }
        let Some(size) = job.size() else {
            return refused("size of the image is unknown");
        };
        if size > self.parts.target.capacity() {
            return Err(TOO_LARGE);
        }
        job.payload = Payload { offset: 0, plan: Plan::raw(size, None) };
        Ok(())
    }

    /// Stores the choice. From here on the target may be written.
    #[inline(never)]
    fn accept_payload(&mut self) -> Result<(), Refused> {
        let Some(job) = &mut self.core.job else {
            return Ok(());
        };
        job.phase = Phase::Selected;
        let (id, image) = (job.id, job.image());
        self.core.taken = None;
        self.core.durable = 0;
        match self.core.outbox.rollbacks(&image) {
            ROLLBACKS_MAX.. => return Err(TRIED_ENOUGH),
            // Another image: what is known of the earlier one is forgotten.
            0 => {
                let changed = self.core.outbox.forget_rollbacks();
                let _ = self.keep_outbox(changed);
            }
            _ => {}
        }
        // An older checkpoint of the same offer must not be taken for one of these bytes.
        self.store_progress(&Progress::Stored { id, durable: 0 }).map_err(|_| JOURNAL)?;
        self.update_job().map_err(|_| JOURNAL)
    }

    pub(super) fn floor(&mut self) -> Result<u32, Refused> {
        self.parts.boot.security_floor().map_err(|_| (FailStage::Upgrade, "boot record unreadable"))
    }
}

impl Payload {
    /// One past its last byte.
    pub(crate) const fn end(&self) -> u32 {
        self.offset.saturating_add(self.plan.length)
    }
}

/// An object of another size than the offer stated is not the one that was offered.
fn check_offered(job: &Job, opened: &Opened) -> Result<(), Refused> {
    match (job.offered, opened.total) {
        (_, Some(0)) => Err((FailStage::Download, "the object is empty")),
        (Some(offered), Some(total)) if offered != total => {
            Err((FailStage::Download, "object size differs from the announced size"))
        }
        _ => Ok(()),
    }
}
