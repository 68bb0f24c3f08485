//! The agent: the state machine, and what it needs of flash, boot loader and application.

mod fetch;
mod install;
mod offer;
mod report;
mod start;
mod store;
mod trial;

use crate::job::{Job, MODULE_MAX};
use crate::machine::{Effect, Event, Item, Judge, Machine, Part, Reporter, State, Wish};
use crate::outbox::Outbox;
use crate::{App, Drive, Fault, Notice, Policy, Step, Target};
use heapless::String;
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

/// What is kept in memory, whatever the parts are.
#[derive(Debug)]
struct Core {
    machine: Machine,
    reporter: Reporter,
    judge: Judge,
    started: bool,
    /// The moment of the call that is being served, so that it is not handed from function to function.
    now: Millis,
    job: Option<Job>,
    outbox: Outbox,
    /// Bytes of the envelope that have arrived.
    filled: usize,
    /// Bytes that come before the ones wanted, from a source that cannot start in the middle.
    skip: u32,
    /// Payload bytes the target took since it was prepared; `None` when it must be prepared first.
    taken: Option<u32>,
    /// The last stored checkpoint.
    durable: u32,
    /// The opening that the driver was told of, and the one that was broken off for a report.
    issued: u32,
    broken_off: u32,
    /// The last fault of the source, and the last reason to refuse.
    fault: &'static str,
    refusal: (FailStage, &'static str),
    spoilt: Option<Spoilt>,
    /// The stored locator, as a hash, and whether it changed since the opening that was issued last.
    locator: u64,
    renewed: bool,
    reply: Option<Reply>,
    sending: Option<Item>,
}

/// An offer whose envelope was refused. The same one gets the same answer for a while, without a fetch or a flash write.
#[derive(Debug)]
struct Spoilt {
    id: u64,
    until: Millis,
    why: (FailStage, &'static str),
}

/// An answer to an offer that was not taken.
#[derive(Debug)]
struct Reply {
    device: u8,
    module: String<MODULE_MAX>,
    stage: FailStage,
    text: [&'static str; 2],
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

/// With nothing to wait for, the agent is polled this often all the same.
const IDLE_MS: u32 = 3_600_000;

impl Core {
    fn new(policy: &Policy<'_>) -> Self {
        Self {
            machine: Machine::new(policy.timing, policy.retry.clone(), policy.restarts),
            reporter: Reporter::new(policy.report_retry.clone(), policy.timing.report_every_ms),
            judge: Judge::default(),
            started: false,
            now: Millis(0),
            job: None,
            outbox: Outbox::new(),
            filled: 0,
            skip: 0,
            taken: None,
            durable: 0,
            issued: 0,
            broken_off: 0,
            fault: "",
            refusal: (FailStage::Upgrade, ""),
            spoilt: None,
            locator: 0,
            renewed: false,
            reply: None,
            sending: None,
        }
    }

    /// 0 to 100; without a job 0, after the download 100.
    fn percent(&self) -> u8 {
        match self.machine.state() {
            State::Verifying | State::Staged { .. } | State::Resetting | State::Trial { .. } | State::RollingBack => {
                100
            }
            _ => match &self.job {
                Some(job) => percent(self.taken.unwrap_or(self.durable), job.payload.plan.length),
                None => 0,
            },
        }
    }

    /// Whether reports wait for the end of an opening. A silent server must not hold an answer back, and answers must not
    /// keep a slow one from being opened: one under way is broken off once, and one to come keeps the time it needs.
    fn keeps_opening(&self, wish: Wish, send_until: Millis) -> bool {
        matches!(wish, Wish::Open { ticket, until, .. }
            if until <= send_until || (ticket == self.issued && ticket == self.broken_off))
    }

    /// A report is sent: the driver drops an opening under way.
    fn break_off(&mut self, wish: Wish) {
        if let Wish::Open { ticket, .. } = wish
            && ticket == self.issued
        {
            self.broken_off = core::mem::replace(&mut self.issued, 0);
        }
    }

    const fn status(&self, percent: u8) -> Status {
        match self.machine.state() {
            State::Idle => Status::Idle,
            State::Deciding | State::Deferred { .. } => Status::Deferred,
            State::Opening { .. } | State::Receiving { .. } => Status::Downloading { percent },
            State::BackingOff { .. } => Status::Waiting,
            State::Verifying => Status::Verifying,
            State::Staged { .. } | State::Resetting => Status::Staged,
            State::Trial { .. } => Status::Trial,
            State::RollingBack => Status::RollingBack,
        }
    }

    /// What the link is to do, when nothing is to be done first.
    fn wait(&self, until: Option<Millis>, now: Millis) -> Step {
        let idle = now.after(IDLE_MS);
        let report = self.reporter.next_at(now).unwrap_or(idle);
        Step::Wait { until: until.unwrap_or(idle).min(report).min(idle) }
    }
}

fn percent(part: u32, whole: u32) -> u8 {
    if whole == 0 {
        return 0;
    }
    // 32 bits only: large sizes lose their low bits first.
    let shift = if whole >= 1 << 25 { 8 } else { 0 };
    u8::try_from((part >> shift) * 100 / (whole >> shift)).unwrap_or(100).min(100)
}

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

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percent_of_any_size() {
        for (part, whole, wanted) in [
            (0, 0, 0),
            (0, 7, 0),
            (7, 7, 100),
            (6, 7, 85),
            (u32::MAX, u32::MAX, 100),
            (u32::MAX / 2, u32::MAX, 49),
            ((1 << 25) - 1, 1 << 25, 99),
            (9, 7, 100),
        ] {
            assert_eq!(percent(part, whole), wanted, "{part} of {whole}");
        }
    }
}
