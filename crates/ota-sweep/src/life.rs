//! A device lives through its story, from any state on, and is looked at whenever it starts.

use crate::model::{Model, Start};
use crate::recorder::{Operation, Recorder};
use crate::seen::hash_of;
use crate::story::{Materials, NEW, NEXT, Outcome, Story};
use crate::trouble::{Extent, Trouble};
use crate::{End, Signatures, World};
use ota_boot::Boot;
use ota_hal::{Clock, Journal, Layout, Millis, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_service::patch_target::S;
use ota_service::{Gate, Health};
use ota_testkit::{FakeClock, SimFlash};
use std::cell::RefCell;
use std::rc::Rc;

/// The simulated part: the sector sizes are those of the geometry.
pub type Sim<const W: usize, const E: u8> = SimFlash<W, E, 64>;

/// Everything that outlives a power cut.
#[derive(Debug, Clone)]
pub struct State<const W: usize, const E: u8> {
    /// The flash.
    pub flash: Sim<W, E>,
    /// What the checks know.
    pub model: Model,
    /// What the cloud heard.
    pub heard: Vec<String>,
    /// The time.
    pub now: Millis,
}

/// A state, and the operation that is to come.
pub type Moment<const W: usize, const E: u8> = (State<W, E>, Operation);

/// What a life is about, whatever part it is lived on.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'m> {
    /// Images and packages.
    pub materials: &'m Materials,
    /// Where slots and journal are.
    pub layout: &'m Layout,
    /// The device's keys.
    pub keys: Signatures,
}

/// Writes and erases, and what they come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Writes and erases from the start of this life until the story was over.
    pub operations: u64,
    /// Erases of the most worn sector, cuts and all.
    pub erases: u32,
}

/// See the module.
pub struct Life<'m, const W: usize, const E: u8> {
    world: World<Recorder<Sim<W, E>>, S>,
    model: Rc<RefCell<Model>>,
    setting: Setting<'m>,
    trouble: Option<Trouble>,
    /// Starts at which nothing ran.
    idle_starts: u32,
    /// A session ends then, and not when the story is over.
    until: Option<Millis>,
}

impl<'m, const W: usize, const E: u8> Life<'m, W, E> {
    /// The device is switched on in this state.
    #[must_use]
    pub fn new(state: State<W, E>, setting: Setting<'m>) -> Self {
        let State { mut flash, model, heard, now } = state;
        flash.power_on();
        flash.reset_counters();
        let object = &setting.materials.objects[usize::from(model.wanted == NEXT)];
        let mut world = World::on(Recorder::new(flash), *setting.layout, object.clone());
        world.keys = setting.keys;
        world.clock = FakeClock::new(now);
        world.patience = 4_000;
        world.data = 256;
        world.product.gates = vec![Gate::app("sensor", 5_000)];
        match model.story {
            Story::Gate if model.wanted == NEW => world.set_health(&[Health::Fail]),
            // It crashes before it gets that far.
            Story::Crash if model.wanted == NEW => world.set_health(&[Health::Pending]),
            _ => {}
        }
        world.cloud.heard.replace(heard);
        let model = Rc::new(RefCell::new(model));
        let life = Self { world, model, setting, trouble: None, idle_starts: 0, until: None };
        if !life.is_over() {
            // The cloud pushes what is not done yet at each connect.
            life.world.offer(&format!("{}.0.0", life.model.borrow().wanted));
        }
        life
    }

    /// Lives to the end of the story with this trouble, or, if it may end an update, until all is calm.
    ///
    /// # Panics
    /// When the device did what it must not, or does not get there.
    pub fn endure(&mut self, trouble: Trouble) -> Cost {
        self.meet(trouble);
        if trouble.may_end_it() { self.calm_down() } else { self.live() }
    }

    /// This goes wrong in the life that begins.
    fn meet(&mut self, trouble: Trouble) {
        self.trouble = Some(trouble);
        self.model.borrow_mut().shaky |= trouble.may_end_it();
        self.model.borrow_mut().lied = matches!(trouble, Trouble::Server(..));
        self.model.borrow_mut().stuck = trouble.stays();
        let part = &mut self.world.flash.borrow_mut().part;
        match trouble {
            Trouble::Fails(op, tear) => part.fail_at(op, tear),
            Trouble::Read(read) => part.fail_reads(read..read + 1),
            Trouble::Reads(read) => part.fail_reads(read..read + 2),
            Trouble::Stuck(sector) => part.stick_sector(sector),
            _ => trouble.prepare(&self.world.server, &self.world.cloud, &self.setting.materials.objects[1]),
        }
    }

    /// What there was to go wrong in the life so far.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let flash = &self.world.flash.borrow().part;
        let fetched = self.world.server.log.borrow().iter().map(|(at, len)| at + len).max();
        let object = fetched.unwrap_or(0);
        Extent { operations: flash.ops(), reads: flash.reads(), sectors: flash.sectors(), object }
    }

    /// A number for all that was to be seen of this life: two lives with the same one went the same way.
    #[must_use]
    pub fn trace(&self) -> u64 {
        let flash = &self.world.flash.borrow().part;
        let (heard, served) = (self.world.cloud.heard.borrow(), self.world.server.log.borrow());
        hash_of((flash.fingerprint(), flash.ops(), self.world.clock.now().0, &*heard, &*served))
    }

    /// From now on each moment before a write or an erase is kept in the list.
    pub fn record(&mut self) -> Rc<RefCell<Vec<Moment<W, E>>>> {
        let moments = Rc::new(RefCell::new(Vec::new()));
        let (list, model, cloud) = (Rc::clone(&moments), Rc::clone(&self.model), Rc::clone(&self.world.cloud));
        self.world.flash.borrow_mut().observe(move |flash: &Sim<W, E>, operation| {
            let heard = cloud.heard.borrow().clone();
            // The clock stands apart; time that passed before a cut changes nothing after it.
            let state = State { flash: flash.clone(), model: model.borrow().clone(), heard, now: Millis(0) };
            list.borrow_mut().push((state, operation));
        });
        moments
    }

    fn is_over(&self) -> bool {
        self.model.borrow().is_over(&self.world.cloud.heard.borrow())
    }

    /// Lives until the story is over.
    ///
    /// # Panics
    /// When the device did what it must not, or does not get there.
    pub fn live(&mut self) -> Cost {
        while !self.step() {}
        self.bill()
    }

    /// One start; whether the story is over.
    fn step(&mut self) -> bool {
        let Some((version, slot, trial)) = self.world.try_load() else {
            self.idle_starts += 1;
            assert!(self.trouble.is_some_and(Trouble::is_of_flash) && self.idle_starts <= 1, "nothing to start");
            return false;
        };
        self.look(version, slot, trial);
        let over = self.is_over() && self.until.is_none();
        if !over {
            self.session(version, slot, trial);
        }
        over
    }

    /// Lives until a start in which nothing is told for hours, whatever the cloud heard: what failed without a cut may
    /// have left the job on flash, and then it goes on at the next start. A fault that stays is given a few starts.
    ///
    /// # Panics
    /// When the device did what it must not.
    pub fn calm_down(&mut self) -> Cost {
        let mut calm = self.stays();
        for _ in 0..STARTS {
            let (told, until) = (self.told(), self.world.clock.now().after(QUIET_MS));
            self.until = Some(until);
            self.step();
            if self.world.clock.now() > until && self.told() == told && !self.stays() {
                calm = true;
                break;
            }
        }
        assert!(calm, "no end of it: {:?}", self.world.cloud.heard.borrow());
        self.until = None;
        if let Some((version, slot, trial)) = self.world.try_load() {
            self.look(version, slot, trial);
        }
        assert!(self.stays() || self.is_over(), "neither done nor told: {:?}", self.world.cloud.heard.borrow());
        self.bill()
    }

    /// Reports but those of the version, which comes at every start.
    fn told(&self) -> usize {
        let heard = self.world.cloud.heard.borrow();
        heard.iter().filter(|text| !text.starts_with("version")).count()
    }

    fn stays(&self) -> bool {
        self.trouble.is_some_and(Trouble::stays)
    }

    /// What it cost, if nothing was told that did not happen and no rule of the part was broken.
    fn bill(&self) -> Cost {
        let flash = &self.world.flash.borrow().part;
        self.model.borrow().heard(&self.world.cloud.heard.borrow());
        // A unit of a stuck sector stays blank, however often it is written.
        assert!(self.stays() || flash.violation().is_none(), "{:?}", flash.violation());
        Cost { operations: flash.ops(), erases: flash.wear_max() }
    }

    /// What started must be one of the images, every byte of it.
    fn look(&self, version: u8, slot: SlotId, trial: bool) {
        let image = self.setting.materials.image(version).expect("a known version");
        let start = self.setting.layout.slot(slot).start as usize;
        let flash = self.world.flash.borrow();
        assert!(
            flash.part.cells()[start..start + image.len()] == *image,
            "a mix of images starts as version {version}"
        );
        let range = start as u32..(start + image.len()) as u32;
        let stable = !flash.part.is_unstable_within(&range);
        assert!(stable, "version {version} starts from cells that are not stable");
        drop(flash);
        let floor = self.floor(slot);
        self.model.borrow_mut().start(Start { version, trial, floor });
    }

    fn floor(&self, running: SlotId) -> u32 {
        let copy;
        let mut flash = &self.world.flash;
        if self.trouble.is_some() {
            // The fault is for the device, not for whoever looks at it.
            let mut calm = self.flash();
            calm.reset_counters();
            copy = RefCell::new(Recorder::new(calm));
            flash = &copy;
        }
        let region = Region::new(Shared::new(flash), self.setting.layout.journal());
        let journal: RefCell<Journal<_>> = RefCell::new(Journal::mount(region).expect("the journal mounts"));
        Boot::new(SharedJournal::new(&journal), running).record().expect("the record can be read").floor
    }

    /// One start of the application.
    fn session(&mut self, version: u8, slot: SlotId, trial: bool) {
        let story = self.setting.materials.story;
        let bad = trial && self.model.borrow().wanted == NEW;
        let end = match story {
            Story::Hang if bad => return self.world.cause = ResetCause::Watchdog,
            Story::Crash if bad => {
                let before = self.world.cloud.arrived.get();
                let polls = std::cell::Cell::new(0);
                let end = self.world.run(version, slot, |world| {
                    polls.set(polls.get() + 1);
                    world.cloud.arrived.get() > before || polls.get() > 3
                });
                self.world.cause = ResetCause::Fault;
                assert_ne!(end, End::Reset, "a crash is no request");
                return;
            }
            _ => {
                let (model, until) = (Rc::clone(&self.model), self.until);
                self.world.run(version, slot, |world| match until {
                    Some(until) => world.clock.now() > until,
                    None => model.borrow().is_over(&world.cloud.heard.borrow()),
                })
            }
        };
        let powered = self.world.flash.borrow().part.is_powered();
        let excused = self.trouble.is_some_and(Trouble::is_of_flash);
        assert!(end != End::NoPower || !powered || excused, "the journal does not mount");
        if end == End::Reset {
            self.world.cause = ResetCause::Software;
            self.model.borrow_mut().reset(version);
        }
    }

    /// The story is over: nothing more is told, and the next update works.
    ///
    /// # Panics
    /// When the device did what it must not, or does not get there.
    pub fn be_well(&mut self) {
        self.world.flash.borrow_mut().part.reset_counters();
        self.world.server.is_well();
        self.world.cloud.deaf.set(0);
        self.be_quiet();
        self.model.borrow_mut().prove_well(&self.world.cloud.heard.borrow());
        let world = &mut self.world;
        world.set_health(&[Health::Pass]);
        world.cloud.to_device.borrow_mut().clear();
        world.server.put(self.setting.materials.objects[1].clone(), "\"next\"");
        world.offer("3.0.0");
        self.live();
    }

    /// Hours in which nobody offers anything.
    fn be_quiet(&mut self) {
        // What the cloud pushed before it heard of the failure.
        self.world.cloud.to_device.borrow_mut().clear();
        let until = self.world.clock.now().after(QUIET_MS);
        let (version, slot, trial) = self.world.load().expect("powered");
        self.look(version, slot, trial);
        let end = self.world.run(version, slot, |world| world.clock.now() > until);
        let world = &self.world;
        assert_eq!(
            end,
            End::Quit,
            "a reset that nobody asked for: {:?} {:?}",
            world.cloud.heard,
            world.product.notices
        );
        self.model.borrow().heard(&self.world.cloud.heard.borrow());
    }

    /// Whether the agent gave up an update that is good.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        let told = self.world.cloud.heard.borrow().iter().any(|text| text.starts_with("failed"));
        told && self.setting.materials.story.outcome() == Outcome::Confirmed
    }

    /// The flash as it is now.
    #[must_use]
    pub fn flash(&self) -> Sim<W, E> {
        self.world.flash.borrow().part.clone()
    }
}

const QUIET_MS: u32 = 50_000_000;
/// Starts in which a device with a fault has to calm down. An offer that waits for it is tried once more.
const STARTS: u32 = 11;
