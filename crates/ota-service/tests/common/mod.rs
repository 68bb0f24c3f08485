//! A whole device in one process: simulated flash, the real loader, the real agent, and the script of its peers.
// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod build;
pub mod peers;

pub use build::{Draft, IDENTITY, sha256, stranger, vendor};
pub use peers::{Cloud, Download, Opening, OwnedOffer, Say, Server, Session};

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use ota_boot::{Boot, Config, Copied, Decision as BootDecision, InPlace, Placement, loader};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Flash, Journal, Layout, Partition, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_service::{
    Agent, App, Buffers, Decision, Exit, Gate, Health, Notice, Parts, PatchTarget, Policy, SlotTarget, block_on,
    patch_target::{Decoder, M},
    run, run_offline,
};
use ota_testkit::{FakeClock, Rng, SimFlash};
use ota_transport::Offer;
use ota_verify::Rules;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub const SECTOR: u32 = 4096;
pub const SLOT_LEN: u32 = 16 * SECTOR;
pub const LAYOUT: Layout = const {
    Layout::new(
        Partition::new(0, SLOT_LEN),
        Partition::new(SLOT_LEN, SLOT_LEN),
        Partition::new(2 * SLOT_LEN, 4 * SECTOR),
        SECTOR,
    )
};
/// The read buffer: no source delivers more at once.
pub const DATA: usize = 600;
pub type Part = SimFlash<8>;

/// What the application says, and what it was told.
#[derive(Clone)]
pub struct Product {
    pub version: String,
    pub gates: Vec<Gate>,
    pub health: Rc<RefCell<Vec<Health>>>,
    pub answers: Rc<RefCell<Vec<Decision>>>,
    pub asked: Rc<Cell<u32>>,
    pub ready: Rc<Cell<bool>>,
    pub ready_asked: Rc<Cell<u32>>,
    pub notices: Rc<RefCell<Vec<String>>>,
    pub components: Vec<(String, String)>,
    /// How often it was told that a long step is under way.
    pub worked: Rc<Cell<u32>>,
}

impl App for Product {
    fn decide(&mut self, offer: &Offer<'_>) -> Decision {
        self.asked.set(self.asked.get() + 1);
        assert!(!offer.version.is_empty());
        let mut answers = self.answers.borrow_mut();
        if answers.is_empty() { Decision::Accept } else { answers.remove(0) }
    }
    fn notice(&mut self, notice: Notice<'_>) {
        if !matches!(notice, Notice::Downloading { .. }) {
            self.notices.borrow_mut().push(format!("{notice:?}"));
        }
    }
    fn working(&mut self) {
        self.worked.set(self.worked.get() + 1);
    }
    fn gates(&self) -> &[Gate] {
        &self.gates
    }
    fn check(&mut self, gate: usize) -> Health {
        self.health.borrow().get(gate).copied().unwrap_or(Health::Pass)
    }
    fn ready_to_reset(&mut self) -> bool {
        self.ready_asked.set(self.ready_asked.get() + 1);
        self.ready.get()
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn component(&self, n: u8) -> Option<(ota_transport::Component<'_>, &str)> {
        let (module, version) = self.components.get(usize::from(n))?;
        Some((ota_transport::Component { device: 0, module }, version))
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
pub struct World {
    pub flash: RefCell<Part>,
    pub server: Server,
    pub cloud: Cloud,
    pub clock: FakeClock,
    pub product: Product,
    pub policy: Policy<'static>,
    pub cause: ResetCause,
    pub seed: u64,
    /// The application is driven without a messaging link.
    pub offline: bool,
    /// Length of the driver's message buffer.
    pub message: usize,
    /// The board executes in place: what its loader and its agent are told of the slots' addresses.
    pub in_place: Option<InPlace>,
    /// The board's application forgot to tell its agent.
    pub forgetful: bool,
    /// Polls of the link in one session after which the test is stuck.
    pub patience: u32,
}

impl World {
    /// A device that runs image 1, in a factory-fresh state; the server holds `object`.
    pub fn new(object: Vec<u8>) -> Self {
        let mut flash = Part::new(2 * SLOT_LEN + 4 * SECTOR);
        program(&mut flash, 0, &Draft::new(1).image());
        let product = Product {
            version: String::new(),
            gates: vec![],
            health: Rc::default(),
            answers: Rc::default(),
            asked: Rc::default(),
            ready: Rc::new(Cell::new(true)),
            ready_asked: Rc::default(),
            notices: Rc::default(),
            components: vec![],
            worked: Rc::default(),
        };
        let mut policy = Policy::new();
        policy.timing.report_every_ms = 0;
        Self {
            flash: RefCell::new(flash),
            server: Server::of(object),
            cloud: Cloud::default(),
            clock: FakeClock::default(),
            product,
            policy,
            cause: ResetCause::PowerOn,
            seed: 1,
            offline: false,
            message: 2048,
            in_place: None,
            forgetful: false,
            patience: 20_000,
        }
    }

    /// A device that is offered a good package of version 2.
    pub fn offered() -> Self {
        let world = Self::new(Draft::new(2).package());
        world.offer("2.0.0");
        world
    }

    /// The cloud offers what the server holds.
    pub fn offer(&self, version: &str) {
        let offer = OwnedOffer::new(version, &self.server.object.borrow());
        self.say(Say::Offer(offer));
    }
    pub fn say(&self, what: Say) {
        self.cloud.to_device.borrow_mut().push_back(what);
    }
    pub fn set_health(&self, health: &[Health]) {
        *self.product.health.borrow_mut() = health.to_vec();
    }
    pub fn notices(&self) -> Vec<String> {
        self.product.notices.borrow().clone()
    }

    /// Runs the loader: the version and slot that start.
    pub fn load(&self) -> Option<(u8, SlotId, bool)> {
        let decision = match self.in_place {
            Some(placement) => load_with(&self.flash, self.cause, &Config::new(placement)),
            None => load(&self.flash, self.cause),
        };
        if !self.flash.borrow().is_powered() {
            return None;
        }
        Some(decision.unwrap_or_else(|| panic!("seed {}: nothing to start", self.seed)))
    }

    /// One start: loader, application, agent, until `quit` holds, a reset is due or the power goes.
    pub fn session(&self, quit: impl FnMut(&Self) -> bool) -> End {
        match self.load() {
            Some((version, slot, _)) => self.run(version, slot, quit),
            None => End::NoPower,
        }
    }

    /// One start of this image, whatever the loader would say.
    pub fn run(&self, version: u8, slot: SlotId, mut quit: impl FnMut(&Self) -> bool) -> End {
        let flash = Shared::new(&self.flash);
        let Ok(journal) = Journal::mount(Region::new(flash, LAYOUT.journal())) else {
            return End::NoPower;
        };
        let journal = RefCell::new(journal);
        let journal = SharedJournal::new(&journal);
        let key = vendor().key();
        let other = slot.other();
        let mut product = self.product.clone();
        product.version = format!("{version}.0.0");
        let target = SlotTarget::new(Region::new(flash, LAYOUT.slot(other)), other, &key, IDENTITY);
        let mut decoder = Decoder::idle();
        let parts = Parts {
            boot: Boot::new(journal, slot),
            target: PatchTarget::<_, _, M>::new(
                match self.in_place {
                    Some(placement) if !self.forgetful => target.linked_at(placement.address(other)),
                    _ => target,
                },
                Region::new(flash, LAYOUT.slot(slot)),
                &mut decoder,
            ),
            journal,
            keys: &key,
            identity: IDENTITY,
            app: product,
            entropy: Rng::new(self.seed),
        };
        let mut envelope = [0; ota_service::ENVELOPE_BUFFER];
        let mut agent = Agent::new(parts, self.policy.clone(), &mut envelope);
        let (mut message, mut data) = ([0; 4096], [0; DATA]);
        let mut download = Download::new(&self.server);
        let (quitting, polls) = (Cell::new(false), Cell::new(0));
        let session = Session {
            cloud: &self.cloud,
            quit: || {
                polls.set(polls.get() + 1);
                assert!(polls.get() < self.patience, "seed {}: stuck; {:?}", self.seed, self.cloud.heard.borrow());
                quitting.set(quitting.get() || !self.flash.borrow().is_powered() || quit(self));
                quitting.get()
            },
        };
        if self.offline {
            let exit = block_on(run_offline(&mut agent, &mut download, &self.clock, &mut data), || {});
            assert_eq!(exit, Exit::Reset);
            return End::Reset;
        }
        let mut session = session;
        loop {
            let mut buffers = Buffers { message: message.get_mut(..self.message).unwrap(), data: &mut data };
            let exit = run(&mut agent, &mut session, &mut download, &self.clock, &mut buffers);
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

    /// The device still runs `version`, confirmed, and a good update still works.
    pub fn is_well(&mut self, version: u8) {
        let loaded = self.load().unwrap();
        assert_eq!((loaded.0, loaded.2), (version, false), "another image, or a trial");
        self.cloud.to_device.borrow_mut().clear();
        self.server.script.borrow_mut().clear();
        self.product.ready.set(true);
        self.product.answers.borrow_mut().clear();
        self.server.no_ranges.set(false);
        self.server.no_length.set(false);
        self.server.endless.set(false);
        self.server.chunk.set(usize::MAX);
        self.product.gates.clear();
        self.policy.bare_image = false;
        self.policy.cloud_key = None;
        self.server.locator.replace(peers::LOCATOR.into());
        let linked = self.in_place.map(|placement| placement.address(loaded.1.other()));
        self.server.put(Draft { linked, ..Draft::new(9) }.package(), "\"good\"");
        self.offer("9.0.0");
        self.until_heard("version 9.0.0");
        assert_eq!(self.load().unwrap().0, 9);
        assert_eq!(self.flash.borrow().violation(), None);
    }

    /// Everything of the slot that does not run.
    pub fn other_slot(&self) -> Vec<u8> {
        let slot = LAYOUT.slot(self.load().unwrap().1.other());
        let mut bytes = vec![0; slot.len as usize];
        self.flash.borrow_mut().read(slot.start, &mut bytes).unwrap();
        bytes
    }
}

/// The loader of any part with this layout.
pub fn load<F: Flash>(flash: &RefCell<F>, cause: ResetCause) -> Option<(u8, SlotId, bool)> {
    load_with(flash, cause, &Config::new(Copied))
}

fn load_with<F: Flash>(
    flash: &RefCell<F>,
    cause: ResetCause,
    config: &Config<impl Placement>,
) -> Option<(u8, SlotId, bool)> {
    let flash = Shared::new(flash);
    let mut journal = Journal::mount(Region::new(flash, LAYOUT.journal())).ok()?;
    let mut slots = [SlotId::A, SlotId::B].map(|slot| Region::new(flash, LAYOUT.slot(slot)));
    let key = vendor().key();
    let rules = Rules { keys: &key, identity: IDENTITY, floor: 0 };
    match loader::boot(&mut journal, &mut slots, &rules, cause, config, &mut NoWatchdog) {
        BootDecision::Boot { proof, trial } => Some((proof.version().major, proof.slot(), trial)),
        BootDecision::Recovery { .. } => None,
    }
}

/// Factory programming.
pub fn program(flash: &mut Part, at: u32, image: &[u8]) {
    let mut bytes = image.to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0xFF);
    let end = (at + bytes.len() as u32).next_multiple_of(SECTOR);
    flash.erase(at, end).unwrap();
    flash.write(at, &bytes).unwrap();
}
