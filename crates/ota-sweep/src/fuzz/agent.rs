//! The real agent and the real loader, on simulated flash, while anything happens.

use super::script::{Event, event};
use super::watch::Watch;
use crate::build::{Draft, IDENTITY, sha256, stranger};
use crate::peers::Say;
use crate::usual::{LAYOUT, Part, SECTOR, SLOT_LEN, program};
use crate::{End, Signatures, World};
use ota_boot::Record;
use ota_diff::ProfileId;
use ota_diff::encode::{Options, encode};
use ota_hal::{Clock, Journal, Kind, Region, ResetCause, Shared};
use ota_service::{Gate, Health};
use ota_verify::manifest::Encoding;
use ota_verify::{Identity, Uuid};
use std::sync::OnceLock;

/// The version from the factory.
pub(crate) const FIRST: u8 = 1;
/// The versions that may start: signed, for this device, and not below its floor from the factory.
pub(crate) const GENUINE: [u8; 4] = [FIRST, 2, 3, LAST];
/// The version of the update that must work after everything.
const LAST: u8 = 9;

struct Materials {
    first: Vec<u8>,
    /// What may be offered: the version it says it is, and the object.
    objects: Vec<(u8, Vec<u8>)>,
    last: Vec<u8>,
}

fn draft(version: u8) -> Draft {
    Draft { payload: 2000 + 300 * usize::from(version), ..Draft::new(version) }
}

/// A package of version 2 as a delta from version 1.
fn delta() -> Vec<u8> {
    let (old, new) = (draft(FIRST).image(), draft(2).image());
    let patch = encode(&old, &new, &mut Options { profile: ProfileId::M, ..Options::default() }).expect("a patch");
    draft(2).package_with(&patch, |payload| {
        payload.encoding = Encoding::Delta { base: sha256(&old) };
        (payload.image_size, payload.image_digest) = (new.len() as u32, sha256(&new));
    })
}

fn materials() -> &'static Materials {
    static MATERIALS: OnceLock<Materials> = OnceLock::new();
    MATERIALS.get_or_init(|| {
        let mut damaged = draft(4).package();
        let at = damaged.len() - 1000;
        damaged[at] ^= 0x10;
        let other = Identity { vendor: Uuid([0x33; 16]), ..IDENTITY };
        let objects = vec![
            (2, draft(2).package()),
            (3, draft(3).package()),
            (2, delta()),
            (4, damaged),
            (5, Draft { signer: stranger(), ..draft(5) }.package()),
            (5, Draft { manifest_signer: stranger(), ..draft(5) }.package()),
            (6, draft(6).package_of(&Draft { identity: other, ..draft(6) }.image())),
            (7, Draft { identity: other, ..draft(7) }.package()),
            (8, b"OTA1 and then nothing that makes sense".to_vec()),
            (1, draft(1).package()),
        ];
        Materials { first: draft(FIRST).image(), objects, last: draft(LAST).package() }
    })
}

/// A device, its surroundings, and who watches it.
pub(super) struct Device {
    pub(super) world: World,
    watch: Watch,
    health: Health,
    sessions: u32,
}

/// Two bytes an event, at most 24 of them; then everything is well again, and an update must work.
pub(super) fn body(data: &[u8]) {
    let mut device = Device::new();
    device.pass(5_000);
    for pair in data.chunks_exact(2).take(24) {
        device.meet(event(pair[0], pair[1]));
    }
    device.ends_well();
}

impl Device {
    /// As it leaves the factory.
    pub(super) fn new() -> Self {
        let mut flash = Part::new(2 * SLOT_LEN + 4 * SECTOR);
        program(&mut flash, 0, &materials().first);
        Self::on(flash)
    }

    /// On flash with the image from the factory as the accepted one.
    pub(super) fn on(flash: Part) -> Self {
        let mut world = World::on(flash, LAYOUT, Vec::new());
        world.keys = Signatures::remembered();
        // Hours in which a reset is not welcome are asked through.
        world.patience = 100_000;
        world.product.gates = vec![Gate::app("self-test", 60_000)];
        Self { world, watch: Watch::new(), health: Health::Pass, sessions: 0 }
    }

    /// Something happens.
    pub(super) fn meet(&mut self, event: Event) {
        let w = &self.world;
        match event {
            Event::Offer(n) => {
                self.offer(n);
                self.pass(if n < 128 { 1_000 } else { 100_000 });
            }
            Event::Swap(n) => w.server.put(materials().objects[n % materials().objects.len()].1.clone(), "\"other\""),
            Event::Cancel => w.say(Say::Cancel),
            Event::Bad(error) => w.say(Say::Bad(error)),
            Event::Opening(opening) => w.server.script.borrow_mut().push_back(opening),
            Event::Answer(answer) => w.product.answers.borrow_mut().push(answer),
            Event::Health(health) => self.set_health(health),
            Event::Ready(ready) => w.product.ready.set(ready),
            Event::Cut(op, tear) => {
                w.flash.borrow_mut().reset_counters();
                w.flash.borrow_mut().cut_at(op, tear);
            }
            Event::Deaf(reports) => w.cloud.deaf.set(reports),
            Event::Manners([no_ranges, no_length, endless], chunk) => {
                w.server.no_ranges.set(no_ranges);
                w.server.no_length.set(no_length);
                w.server.endless.set(endless);
                w.server.chunk.set(chunk);
            }
            Event::Cause(cause) => self.world.cause = cause,
            Event::Decay(at, mask) => self.decay(at, mask),
            Event::Pass(ms) => self.pass(ms),
        }
    }

    /// The version that was last seen accepted.
    pub(super) const fn accepted(&self) -> u8 {
        self.watch.accepted()
    }

    /// The cloud offers the object with this number.
    pub(super) fn offer(&self, n: usize) {
        let (version, object) = &materials().objects[n % materials().objects.len()];
        self.world.server.put(object.clone(), &format!("\"{n}\""));
        self.world.offer(&format!("{version}.0.0"));
    }

    fn set_health(&mut self, health: Health) {
        self.health = health;
        self.world.set_health(&[health]);
    }

    /// A bit flips in the slot that neither runs nor is the way back.
    fn decay(&self, at: u32, mask: u8) {
        let record = self.record();
        let start = LAYOUT.slot(record.home.other()).start;
        self.world.flash.borrow_mut().decay(start + at, mask);
    }

    fn record(&self) -> Record {
        let region = Region::new(Shared::new(&self.world.flash), LAYOUT.journal());
        let mut journal = Journal::<_, 64>::mount(region).expect("the power is on");
        journal.read(Kind::Boot, &mut [0; 64]).expect("readable").map_or(Record::FACTORY, Record::decode)
    }

    /// The device runs for so long, through all resets and cuts in that time. A trial that hangs is ended by the watchdog.
    pub(super) fn pass(&mut self, ms: u32) {
        let until = self.world.clock.now().after(ms);
        for _ in 0..16 {
            self.sessions += 1;
            let end = self.session(until);
            self.watch.heard(&self.world.cloud.heard.borrow());
            self.world.cause = match end {
                End::Quit => return,
                End::Reset => ResetCause::Software,
                End::NoPower => {
                    self.world.flash.borrow_mut().power_on();
                    ResetCause::PowerOn
                }
            };
        }
        panic!("resets without end: {:?}", self.world.cloud.heard.borrow());
    }

    fn session(&mut self, until: ota_hal::Millis) -> End {
        let Some((version, slot, trial)) = self.world.load() else { return End::NoPower };
        self.watch.start((version, slot), trial, self.record().floor);
        self.watch.health(self.health);
        self.world.run(version, slot, |world| world.clock.now() > until)
    }

    /// All faults are over: what is under way comes to its end, and then an update works.
    pub(super) fn ends_well(&mut self) {
        self.set_health(Health::Pass);
        let w = &self.world;
        w.flash.borrow_mut().reset_counters();
        w.flash.borrow_mut().power_on();
        w.server.script.borrow_mut().clear();
        w.product.answers.borrow_mut().clear();
        w.product.ready.set(true);
        w.cloud.deaf.set(0);
        self.meet(Event::Manners([false; 3], usize::MAX));
        self.pass(500_000_000);
        self.world.server.put(materials().last.clone(), "\"last\"");
        self.world.offer("9.0.0");
        self.pass(500_000_000);
        self.pass(1_000);
        let told = self.world.cloud.has_heard("version 9.0.0");
        assert!(told, "no further update works: {:?}", self.world.cloud.heard.borrow());
        assert_eq!(self.watch.accepted(), LAST, "the further update is not accepted");
        assert_eq!(self.world.flash.borrow().violation(), None);
        assert!(self.sessions < 500, "{} sessions", self.sessions);
    }
}

/// Lives that get far: each object, with and without trouble.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..10).map(|object| vec![0, object, 15, 3]).collect();
    seeds.extend([
        vec![7, 2, 0, 128, 15, 1, 15, 3],
        vec![0, 0, 15, 2, 0, 1, 15, 2, 0, 0, 15, 2],
        vec![8, 0, 0, 0, 15, 1, 3, 0, 15, 1, 8, 1],
        vec![5, 0x28, 5, 0x31, 0, 2, 9, 0x22, 15, 3],
        vec![6, 1, 0, 1, 15, 0, 13, 4, 15, 2],
        vec![12, 0x1B, 0, 0, 9, 0x41, 15, 2, 11, 2, 15, 2],
        vec![7, 1, 0, 1, 10, 0x08, 15, 1, 10, 0x10, 15, 1, 7, 0, 15, 2],
        vec![8, 0, 0, 0, 15, 0, 14, 20, 8, 1, 15, 2],
        vec![2, 3, 0, 0, 2, 1, 15, 2],
        vec![7, 1, 0, 1, 15, 2, 15, 2],
    ]);
    seeds
}
