//! The agent: the state machine, and what it needs of flash, boot loader and application.

mod fetch;
mod install;
mod memory;
mod offer;
mod report;
mod start;
mod store;
mod trial;

use crate::machine::{Effect, Event, Part, State, Wish};
use crate::{App, Drive, Fault, Notice, Policy, Step, Target};
use memory::{Core, Reply, Spoilt, percent};
use ota_boot::{BootControl, RollbackReason};
use ota_download::{Opened, Request};
use ota_hal::{Entropy, Flash, Millis, SharedJournal};
use ota_transport::{Event as Message, FailStage, Offer, Report};
use ota_verify::{Identity, Keys};

/// What an [`Agent`] is made of.
#[derive(Debug)]
pub struct Parts<'a, B, T, F, K, A, E> {
    /// The boot loader's side.
    pub boot: B,
    /// Where the bytes go.
    pub target: T,
    /// Where the job survives a power cut. One bank must hold 2.5 KiB beside what others store.
    pub journal: SharedJournal<'a, F>,
    /// Who may sign packages.
    pub keys: &'a K,
    /// Who this device is.
    pub identity: Identity,
    /// The product's policy.
    pub app: A,
    /// For jitter.
    pub entropy: E,
}

/// The update agent. See the crate documentation; [`Drive`] is what a driver calls.
#[derive(Debug)]
pub struct Agent<'a, B, T, F, K, A, E> {
    parts: Parts<'a, B, T, F, K, A, E>,
    policy: Policy<'a>,
    /// A package's envelope while it arrives; at all other times a place to read and write the job record.
    envelope: &'a mut [u8],
    core: Core,
}

/// Where an agent stands, for a console or a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Nothing under way.
    Idle,
    /// An offer waits for the application's decision.
    Deferred,
    /// Bytes are being fetched.
    Downloading {
        /// 0 to 100.
        percent: u8,
    },
    /// After a fault, waiting for the next try.
    Waiting,
    /// All bytes are stored and are to be proven.
    Verifying,
    /// Proven; waits for the reset.
    Staged,
    /// This image runs on trial.
    Trial,
    /// The trial was given up; waits for the reset.
    RollingBack,
}

/// No image is on trial, or the boot loader's store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no image is on trial, or the boot record could not be written")]
pub struct NotOnTrial;

impl<'a, B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'a, B, T, F, K, A, E> {
    /// Puts an agent together; touches nothing before the first poll. `envelope` holds a package's envelope or the
    /// job record: [`crate::ENVELOPE_BUFFER`] bytes; with fewer, larger envelopes and URLs are refused.
    pub fn new(parts: Parts<'a, B, T, F, K, A, E>, policy: Policy<'a>, envelope: &'a mut [u8]) -> Self {
        let policy = Policy { timing: policy.timing.bounded(), ..policy };
        let core = Core::new(&policy);
        Self { parts, policy, envelope, core }
    }
    /// The application.
    pub const fn app(&mut self) -> &mut A {
        &mut self.parts.app
    }
    /// Where the agent stands.
    pub fn status(&self) -> Status {
        self.core.status(self.core.percent())
    }
    /// The version text of the update under way, if any.
    pub fn pending_version(&self) -> Option<&str> {
        self.core.job.as_ref().map(|job| job.version.as_str())
    }
    /// Asks the other side for an update at the next opportunity.
    pub const fn query(&mut self) {
        self.core.reporter.query_due();
    }
    /// Accepts the image on trial without waiting for its gates.
    ///
    /// # Errors
    /// When nothing is on trial or the store failed.
    pub fn confirm(&mut self, now: Millis) -> Result<(), NotOnTrial> {
        self.start(now);
        match self.core.machine.state() {
            State::Trial { .. } if self.confirm_trial() => Ok(()),
            _ => Err(NotOnTrial),
        }
    }
    /// Gives the image on trial up; a reset follows.
    ///
    /// # Errors
    /// When nothing is on trial.
    pub fn roll_back(&mut self, reason: RollbackReason, now: Millis) -> Result<(), NotOnTrial> {
        self.start(now);
        match self.core.machine.state() {
            State::Trial { .. } => {
                self.fact(Event::GiveUp(reason));
                Ok(())
            }
            _ => Err(NotOnTrial),
        }
    }

    /// Gives a fact to the machine and does what follows from it.
    fn fact(&mut self, event: Event) {
        let _ = self.react(event);
    }

    /// [`Agent::fact`], for those who want to know what followed.
    fn react(&mut self, event: Event) -> Effect {
        let effect = self.core.machine.on(event, self.core.now, self.parts.entropy.next_u32());
        match effect {
            Effect::None | Effect::Busy => {}
            Effect::Repeat => self.core.reporter.repeat_progress(self.core.percent()),
            Effect::Waiting { ms } => {
                self.core.filled = 0;
                self.parts.app.notice(Notice::Waiting { ms, reason: self.core.fault });
            }
            Effect::Restart => self.restart(),
            Effect::End(why) => self.end(why),
            Effect::Withdraw => self.withdraw(),
            Effect::Confirm => {
                self.confirm_trial();
            }
            Effect::RollBack(reason) => self.give_up_trial(reason),
        }
        effect
    }

    /// Ends the job with a reason.
    fn refuse(&mut self, stage: FailStage, text: &'static str) {
        self.core.refusal = (stage, text);
        self.fact(Event::Refused);
    }

    fn tick(&mut self) {
        let before = core::mem::replace(&mut self.core.fault, "no answer in time");
        if self.react(Event::Tick) == Effect::None {
            self.core.fault = before;
        }
    }

    fn opening(&mut self, part: Part, ticket: u32, until: Millis) -> Option<Step> {
        if part == Part::Payload && !self.prepare() {
            return None;
        }
        if ticket != core::mem::replace(&mut self.core.issued, ticket) {
            self.core.renewed = false;
        }
        Some(Step::Open { ticket, until })
    }

    fn ask_reset(&mut self) {
        let welcome = self.parts.app.ready_to_reset();
        self.fact(Event::ResetWelcome(welcome));
    }
}

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Drive for Agent<'_, B, T, F, K, A, E> {
    fn poll(&mut self, now: Millis) -> Step {
        self.start(now);
        self.tick();
        // Each turn changes the state; the bound only guards against a defect here.
        for _ in 0..16 {
            let wish = self.core.machine.wish(now);
            let send_until = now.after(self.policy.timing.send_ms);
            if let (false, Some(item)) = (self.core.keeps_opening(wish, send_until), self.core.reporter.next(now)) {
                self.core.sending = Some(item);
                self.core.break_off(wish);
                return Step::Send { until: send_until };
            }
            match wish {
                Wish::Wait(until) => return self.core.wait(until, now),
                Wish::Read { until } => return Step::Read { until },
                Wish::Close => return Step::Close,
                Wish::Reset => return Step::Reset,
                Wish::Open { part, ticket, until } => match self.opening(part, ticket, until) {
                    Some(step) => return step,
                    None => continue,
                },
                Wish::Decide => self.decide_again(),
                Wish::Verify => self.verify(),
                Wish::AskReset => self.ask_reset(),
                Wish::CheckGates => self.check_gates(),
            }
        }
        Step::Wait { until: now.after(1_000) }
    }

    // These are kept out of the driver: its frame lies below everything for as long as it runs.
    #[inline(never)]
    fn request<'b>(&mut self, buf: &'b mut [u8]) -> Option<Request<'b>> {
        self.request_in(buf)
    }
    #[inline(never)]
    fn report<'b>(&mut self, buf: &'b mut [u8]) -> Option<Report<'b>> {
        self.report_in(buf)
    }
    fn reading(&self, now: Millis) -> Option<Millis> {
        match self.core.machine.wish(now) {
            Wish::Read { until } => Some(until),
            _ => None,
        }
    }

    fn on_connected(&mut self, now: Millis) {
        self.start(now);
        if self.core.reporter.connect() && !self.core.machine.is_idle() {
            self.core.reporter.repeat_progress(self.core.percent());
        }
    }
    fn on_disconnected(&mut self) {
        self.core.reporter.disconnect();
    }

    #[inline(never)]
    fn on_message(&mut self, event: &Message<'_>, now: Millis) {
        self.start(now);
        match event {
            Message::Offer(offer) => self.on_offer(offer),
            Message::Cancel => self.fact(Event::Cancel),
            Message::Bad(error) => self.answer_bad(*error),
            Message::NoUpdate => {}
        }
    }
    fn on_unservable(&mut self, offer: &Offer<'_>, why: &'static str, now: Millis) {
        self.start(now);
        self.pass_over(offer.component, ["refused: ", why]);
    }

    fn on_sent(&mut self, acknowledged: bool, now: Millis) {
        self.core.now = now;
        if let Some(item) = self.core.sending.take() {
            self.sent(item, acknowledged);
        }
    }
    fn on_put_off(&mut self, after_ms: u32, now: Millis) {
        self.core.now = now;
        self.core.sending = None;
        self.core.reporter.put_off(now, after_ms, &mut self.parts.entropy);
    }
    fn on_unsendable(&mut self, now: Millis) {
        self.core.now = now;
        if let Some(item) = self.core.sending.take() {
            self.core.reporter.strike(item, now);
            self.told(item);
        }
    }

    #[inline(never)]
    fn on_opened(&mut self, result: Result<&Opened, Fault>, now: Millis) {
        self.core.now = now;
        match result {
            Ok(opened) => self.opened(opened),
            Err(fault) => self.source_failed(fault),
        }
    }
    #[inline(never)]
    fn on_data(&mut self, result: Result<&[u8], Fault>, now: Millis) {
        self.core.now = now;
        match result {
            Ok(bytes) => self.data(bytes),
            Err(fault) => self.source_failed(fault),
        }
    }
    fn on_closed(&mut self) {
        let _ = self.core.machine.on(Event::Closed, Millis(0), 0);
    }
    fn cancel(&mut self, now: Millis) {
        self.start(now);
        self.fact(Event::Cancel);
    }
    fn link_is_dead(&self) -> bool {
        self.core.reporter.link_is_dead()
    }
}
