//! A whole device in one process: simulated flash, the real loader, the real agent, and the script of its peers.

use crate::build::IDENTITY;
use crate::peers::{Cloud, Download, OwnedOffer, Say, Server, Session};
use crate::usual::Part;
use crate::{Product, Signatures};
use ota_boot::{Boot, Config, Copied, Decision as BootDecision, InPlace, Placement, loader};
use ota_download::Source;
use ota_hal::reset::NoWatchdog;
use ota_hal::{Flash, Journal, Layout, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_service::patch_target::{Decoder, M, Profile};
use ota_service::{
    Agent, Buffers, Drive, Exit, Health, Parts, PatchTarget, Policy, SlotTarget, block_on, run, run_offline,
};
use ota_testkit::{FakeClock, Rng, SimFlash};
use ota_verify::{Keys, Rules};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;

/// The longest message buffer.
pub const MESSAGE_MAX: usize = 4096;
/// The longest read buffer.
pub const DATA_MAX: usize = 600;

/// A flash part that can be without power.
pub trait Powered: Flash {
    /// Whether there is power.
    fn is_powered(&self) -> bool;
}

impl<const W: usize, const E: u8, const S: usize, const R: usize> Powered for SimFlash<W, E, S, R> {
    fn is_powered(&self) -> bool {
        Self::is_powered(self)
    }
}

/// Why a session of the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The agent asked for a reset.
    Reset,
    /// The test's condition holds.
    Quit,
    /// The power went.
    NoPower,
}

/// The device and everything around it.
///
/// `F` is the flash part, `P` how much memory the patch decoder has.
pub struct World<F = Part, P = M> {
    /// The flash; the power is cut in it.
    pub flash: RefCell<F>,
    /// Where slots and journal are.
    pub layout: Layout,
    /// The other end of downloads.
    pub server: Server,
    /// The other end of offers and reports.
    pub cloud: Rc<Cloud>,
    /// Time, which jumps to the next deadline.
    pub clock: FakeClock,
    /// The application.
    pub product: Product,
    /// What the agent is told of its product.
    pub policy: Policy<'static>,
    /// What the loader will take for the cause of the next reset.
    pub cause: ResetCause,
    /// The agent's randomness, and what a failure names.
    pub seed: u64,
    /// The keys that loader and agent hold.
    pub keys: Signatures,
    /// The application is driven without a messaging link.
    pub offline: bool,
    /// Length of the driver's message buffer.
    pub message: usize,
    /// Length of the driver's read buffer, [`DATA_MAX`] at most.
    pub data: usize,
    /// The board executes in place: what its loader and its agent are told of the slots' addresses.
    pub in_place: Option<InPlace>,
    /// The board's application forgot to tell its agent.
    pub forgetful: bool,
    /// Polls of the link in one session after which the test is stuck.
    pub patience: u32,
    profile: PhantomData<P>,
}

impl<F: Powered, P: Profile> World<F, P> {
    /// A device around this flash; the server holds `object`.
    pub fn on(flash: F, layout: Layout, object: Vec<u8>) -> Self {
        let mut policy = Policy::new();
        policy.timing.report_every_ms = 0;
        Self {
            flash: RefCell::new(flash),
            layout,
            server: Server::of(object),
            cloud: Rc::default(),
            clock: FakeClock::default(),
            product: Product::default(),
            policy,
            cause: ResetCause::PowerOn,
            seed: 1,
            keys: Signatures::always_verified(),
            offline: false,
            message: 2048,
            data: DATA_MAX,
            in_place: None,
            forgetful: false,
            patience: 20_000,
            profile: PhantomData,
        }
    }

    /// The cloud offers what the server holds.
    pub fn offer(&self, version: &str) {
        let offer = OwnedOffer::new(version, &self.server.object.borrow());
        self.say(Say::Offer(offer));
    }
    /// The cloud says this.
    pub fn say(&self, what: Say) {
        self.cloud.to_device.borrow_mut().push_back(what);
    }
    /// How the gates stand from now on.
    pub fn set_health(&self, health: &[Health]) {
        *self.product.health.borrow_mut() = health.to_vec();
    }
    /// What the application was told.
    pub fn notices(&self) -> Vec<String> {
        self.product.notices.borrow().clone()
    }

    /// Runs the loader: the version and slot that start.
    pub fn load(&self) -> Option<(u8, SlotId, bool)> {
        let decision = self.try_load();
        assert!(decision.is_some() || !self.flash.borrow().is_powered(), "seed {}: nothing to start", self.seed);
        decision
    }

    /// As [`World::load`]; `None` without power, and when nothing starts.
    pub fn try_load(&self) -> Option<(u8, SlotId, bool)> {
        let decision = match self.in_place {
            Some(placement) => self.load_with(&Config::new(placement)),
            None => self.load_with(&Config::new(Copied)),
        };
        decision.filter(|_| self.flash.borrow().is_powered())
    }

    fn load_with(&self, config: &Config<impl Placement>) -> Option<(u8, SlotId, bool)> {
        load(&self.flash, &self.layout, &self.keys, self.cause, config)
    }

    /// One start: loader, application, agent, until `quit` holds, a reset is due or the power goes.
    pub fn session(&self, quit: impl FnMut(&Self) -> bool) -> End {
        match self.load() {
            Some((version, slot, _)) => self.run(version, slot, quit),
            None => End::NoPower,
        }
    }

    /// As [`World::session`], with bytes from `source` and not from [`World::server`].
    pub fn session_over(&self, source: &mut impl Source, quit: impl FnMut(&Self) -> bool) -> End {
        match self.load() {
            Some((version, slot, _)) => self.run_over(source, version, slot, quit),
            None => End::NoPower,
        }
    }

    /// One start of this image, whatever the loader would say.
    pub fn run(&self, version: u8, slot: SlotId, quit: impl FnMut(&Self) -> bool) -> End {
        self.run_over(&mut Download::new(&self.server), version, slot, quit)
    }

    fn run_over(&self, source: &mut impl Source, version: u8, slot: SlotId, quit: impl FnMut(&Self) -> bool) -> End {
        let flash = Shared::new(&self.flash);
        let Ok(journal) = Journal::mount(Region::new(flash, self.layout.journal())) else {
            return End::NoPower;
        };
        let journal = RefCell::new(journal);
        let journal = SharedJournal::new(&journal);
        let other = slot.other();
        let mut product = self.product.clone();
        product.version = format!("{version}.0.0");
        let target = SlotTarget::new(Region::new(flash, self.layout.slot(other)), other, &self.keys, IDENTITY);
        let mut decoder = Decoder::idle();
        let parts = Parts {
            boot: Boot::new(journal, slot),
            target: PatchTarget::<_, _, P>::new(
                match self.in_place {
                    Some(placement) if !self.forgetful => target.linked_at(placement.address(other)),
                    _ => target,
                },
                Region::new(flash, self.layout.slot(slot)),
                &mut decoder,
            ),
            journal,
            keys: &self.keys,
            identity: IDENTITY,
            app: product,
            entropy: Rng::new(self.seed),
        };
        let mut envelope = [0; ota_service::ENVELOPE_BUFFER];
        let mut agent = Agent::new(parts, self.policy.clone(), &mut envelope);
        self.drive(&mut agent, source, quit)
    }

    /// Drives an agent, over as many links as are lost, until it wants a reset, `quit` holds or the power goes.
    fn drive(&self, agent: &mut impl Drive, source: &mut impl Source, mut quit: impl FnMut(&Self) -> bool) -> End {
        let (mut message, mut data) = ([0; MESSAGE_MAX], [0; DATA_MAX]);
        if self.offline {
            let exit = block_on(run_offline(agent, source, &self.clock, &mut data[..self.data]), || {});
            assert_eq!(exit, Exit::Reset);
            return End::Reset;
        }
        let (quitting, polls) = (Cell::new(false), Cell::new(0));
        let mut session = Session {
            cloud: &self.cloud,
            quit: || {
                polls.set(polls.get() + 1);
                self.be_patient(polls.get());
                quitting.set(quitting.get() || !self.flash.borrow().is_powered() || quit(self));
                quitting.get()
            },
        };
        loop {
            let mut buffers =
                Buffers { message: message.get_mut(..self.message).unwrap(), data: data.get_mut(..self.data).unwrap() };
            let exit = run(agent, &mut session, source, &self.clock, &mut buffers);
            match block_on(exit, || panic!("all peers are scripted, nothing may wait outside the clock")) {
                _ if !self.flash.borrow().is_powered() => return End::NoPower,
                Exit::Reset => return End::Reset,
                Exit::LinkLost if quitting.get() => return End::Quit,
                // The application connects again.
                Exit::LinkLost => {
                    self.cloud.lost.set(self.cloud.lost.get() + 1);
                    self.clock.advance(1_000);
                }
            }
        }
    }

    fn be_patient(&self, polls: u32) {
        let (heard, notices) = (self.cloud.heard.borrow(), self.product.notices.borrow());
        assert!(polls < self.patience, "seed {}: stuck; {heard:?} {notices:?}", self.seed);
    }

    /// Resets as often as the agent asks for it, until `quit` holds.
    pub fn live(&mut self, mut quit: impl FnMut(&Self) -> bool) -> u32 {
        for resets in 0..20 {
            match self.session(&mut quit) {
                End::Reset => self.cause = ResetCause::Software,
                End::Quit => return resets,
                End::NoPower => panic!("the power went"),
            }
        }
        panic!("resets without end: {:?}", self.cloud.heard.borrow());
    }

    /// Lives until the cloud heard this.
    pub fn until_heard(&mut self, text: &str) -> u32 {
        self.live(|world| world.cloud.has_heard(text))
    }

    /// Lives until an update failed; the report.
    pub fn until_failed(&mut self) -> String {
        self.live(|world| !world.cloud.failures().is_empty());
        self.cloud.failures().remove(0)
    }

    /// Everything of the slot that does not run.
    pub fn other_slot(&self) -> Vec<u8> {
        let slot = self.layout.slot(self.load().unwrap().1.other());
        let mut bytes = vec![0; slot.len as usize];
        self.flash.borrow_mut().read(slot.start, &mut bytes).unwrap();
        bytes
    }
}

/// Runs the loader of any part: the version and slot that start, and whether on trial.
pub fn load<F: Flash>(
    flash: &RefCell<F>,
    layout: &Layout,
    keys: &impl Keys,
    cause: ResetCause,
    config: &Config<impl Placement>,
) -> Option<(u8, SlotId, bool)> {
    let flash = Shared::new(flash);
    let mut journal: Option<Journal<_>> = None;
    Journal::mount_in(&mut journal, Region::new(flash, layout.journal()));
    let mut slots = [SlotId::A, SlotId::B].map(|slot| Region::new(flash, layout.slot(slot)));
    // Two readings, as the boards do it.
    let rules = Rules { keys, identity: IDENTITY, floor: loader::floor(journal.as_mut()) };
    Journal::mount_in(&mut journal, Region::new(flash, layout.journal()));
    match loader::boot(journal.as_mut(), &mut slots, &rules, cause, config, &mut NoWatchdog) {
        BootDecision::Boot { proof, trial } => Some((proof.version().major, proof.slot(), trial)),
        BootDecision::Recovery { .. } => None,
    }
}
