//! The agent.

use crate::{App, Drive, Fault, Policy, Step, Target};
use ota_boot::{BootControl, RollbackReason};
use ota_download::{Opened, Request};
use ota_hal::{Entropy, Flash, Millis, SharedJournal};
use ota_transport::{Event, Report};
use ota_verify::{Identity, Keys};

/// What an [`Agent`] is made of.
#[derive(Debug)]
pub struct Parts<'a, B, T, F, K, A, E> {
    /// The boot loader's side.
    pub boot: B,
    /// Where the bytes go.
    pub target: T,
    /// Where the job survives a power cut.
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

/// The update agent.
#[derive(Debug)]
pub struct Agent<'a, B, T, F, K, A, E> {
    parts: Parts<'a, B, T, F, K, A, E>,
    policy: Policy<'a>,
    envelope: &'a mut [u8],
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

impl<'a, B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'a, B, T, F, K, A, E> {
    /// Puts an agent together; touches nothing before the first poll. `envelope` holds a package's envelope or the
    /// job record: [`crate::ENVELOPE_BUFFER`] bytes.
    pub fn new(parts: Parts<'a, B, T, F, K, A, E>, policy: Policy<'a>, envelope: &'a mut [u8]) -> Self {
        Self { parts, policy, envelope }
    }
    /// The application.
    pub fn app(&mut self) -> &mut A {
        &mut self.parts.app
    }
    /// Where the agent stands.
    pub fn status(&self) -> Status {
        let _ = (&self.policy, &self.envelope);
        todo!()
    }
    /// Asks the other side for an update at the next opportunity.
    pub fn query(&mut self) {
        todo!()
    }
    /// Accepts the image on trial without waiting for its gates.
    ///
    /// # Errors
    /// When nothing is on trial or the store failed.
    pub fn confirm(&mut self, now: Millis) -> Result<(), NotOnTrial> {
        let _ = now;
        todo!()
    }
    /// Gives the image on trial up; a reset follows.
    ///
    /// # Errors
    /// When nothing is on trial or the store failed.
    pub fn roll_back(&mut self, reason: RollbackReason, now: Millis) -> Result<(), NotOnTrial> {
        let _ = (reason, now);
        todo!()
    }
}

/// No image is on trial, or the boot loader's store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOnTrial;

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Drive for Agent<'_, B, T, F, K, A, E> {
    fn poll(&mut self, _: Millis) -> Step {
        todo!()
    }
    fn request<'b>(&mut self, _: &'b mut [u8]) -> Option<Request<'b>> {
        todo!()
    }
    fn report<'b>(&'b mut self, _: &'b mut [u8]) -> Option<Report<'b>> {
        todo!()
    }
    fn on_connected(&mut self, _: Millis) {
        todo!()
    }
    fn on_disconnected(&mut self) {
        todo!()
    }
    fn on_message(&mut self, _: &Event<'_>, _: Millis) {
        todo!()
    }
    fn on_sent(&mut self, _: bool, _: Millis) {
        todo!()
    }
    fn on_opened(&mut self, _: Result<&Opened, Fault>, _: Millis) {
        todo!()
    }
    fn on_data(&mut self, _: Result<&[u8], Fault>, _: Millis) {
        todo!()
    }
    fn on_closed(&mut self) {
        todo!()
    }
    fn cancel(&mut self, _: Millis) {
        todo!()
    }
    fn link_is_dead(&self) -> bool {
        todo!()
    }
}
