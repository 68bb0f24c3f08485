//! All of boot record, slots and starts: every state that any order of events can reach, and what must hold in each.
//!
//! The device is the real one, loader and boot control on flash. Beside it runs the truth, which knows what was asked
//! for and nothing of records.

mod common;

use common::{Device, Started, image};
use ota_boot::record::Phase;
use ota_boot::{BootControl, BootState, Record, RollbackReason};
use ota_hal::{Kind, ResetCause, SlotId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

/// Images 1 to 3, with counters 1 to 3; 0 stands for one that nobody signed.
const IMAGES: u8 = 3;
const ATTEMPTS: u8 = 3;
const CAUSE: ResetCause = ResetCause::Watchdog;
const REASON: RollbackReason = RollbackReason::GateFailed(2);

/// An image and where it is.
type Place = (u8, SlotId);

/// What was asked for, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Truth {
    accepted: Place,
    /// What is to be tried, the starts it had, and whether it was given up.
    staged: Option<(Place, u8, bool)>,
    floor: u8,
}

/// A state of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct At {
    record: [u8; ota_boot::record::RECORD_LEN],
    slots: [u8; 2],
    /// `None` when nothing could be started.
    running: Option<Place>,
    truth: Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Reset,
    /// The application writes an image to the other slot.
    Write(u8),
    Decay(SlotId),
    Stage,
    Confirm,
    RollBack,
}

const EVENTS: [Event; 10] = [
    Event::Reset,
    Event::Write(0),
    Event::Write(1),
    Event::Write(2),
    Event::Write(IMAGES),
    Event::Decay(SlotId::A),
    Event::Decay(SlotId::B),
    Event::Stage,
    Event::Confirm,
    Event::RollBack,
];

/// The bytes of a slot: those of image 0 are image 3 with one bit of its payload wrong.
static CONTENT: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    [0, 1, 2, 3].map(|n: u8| {
        let mut bytes = image(if n == 0 { IMAGES } else { n });
        bytes[40] ^= u8::from(n == 0);
        bytes.resize(2 * common::SECTOR, 0xFF);
        bytes
    })
});

impl At {
    fn factory() -> Self {
        let truth = Truth { accepted: (1, SlotId::A), staged: None, floor: 0 };
        Self { record: Record::FACTORY.encode(), slots: [1, 0], running: Some((1, SlotId::A)), truth }
    }

    fn device(&self) -> Device {
        let mut flash = Device::<8>::blank();
        flash.preload(&self.slots.map(|n| &CONTENT[usize::from(n)][..]).concat());
        let device = Device { flash: flash.into() };
        device.append(Kind::Boot, &self.record);
        device
    }

    fn image_in(&self, slot: SlotId) -> u8 {
        self.slots[usize::from(slot == SlotId::B)]
    }

    fn startable(&self, slot: SlotId) -> bool {
        let n = self.image_in(slot);
        n != 0 && n >= self.truth.floor
    }

    /// The state after the event; `None` when it cannot happen.
    fn after(mut self, event: Event) -> Option<Self> {
        let mut device = self.device();
        let (_, slot) = self.running?;
        match event {
            Event::Reset => self.reset(&mut device),
            Event::Decay(slot) => self.slots[usize::from(slot == SlotId::B)] = 0,
            Event::Write(n) => {
                // The agent fetches nothing while another image is staged or on trial.
                let state = device.with_boot(slot, |mut boot| boot.state().unwrap()).unwrap();
                let free = matches!(state, BootState::Confirmed { .. } | BootState::RolledBack { .. });
                self.slots[usize::from(slot == SlotId::A)] = Some(n).filter(|_| free)?;
            }
            Event::Stage => self.stage(&device, slot)?,
            Event::Confirm => self.confirm(&device, slot),
            Event::RollBack => self.roll_back(&device, slot),
        }
        self.record = device.record().encode();
        assert_eq!(device.record().floor, u32::from(self.truth.floor), "{event:?}: another floor");
        assert_eq!(device.flash.get_mut().violation(), None);
        Some(self)
    }

    fn reset(&mut self, device: &mut Device) {
        let truth = &mut self.truth;
        match device.start(CAUSE) {
            Started::NoPower => unreachable!("nobody cuts the power"),
            Started::Recovery => {
                let left = [SlotId::A, SlotId::B].map(|slot| self.startable(slot));
                assert_eq!(left, [false; 2], "an image that could start is left");
                self.running = None;
            }
            Started::Image { n, slot, trial } => {
                let place = (n, slot);
                self.running = Some(place);
                if trial {
                    let (staged, starts, given_up) = truth.staged.expect("on trial, but nothing is staged");
                    assert!(
                        staged == place && !given_up && starts < ATTEMPTS,
                        "{place:?} on trial: {:?}",
                        truth.staged
                    );
                    truth.staged = Some((staged, starts + 1, false));
                } else {
                    let due = truth.staged.is_some_and(|(at, starts, up)| {
                        !up && starts < ATTEMPTS && self.slots[usize::from(at.1 == SlotId::B)] == at.0
                    });
                    assert!(!due, "the staged image is not tried");
                    truth.staged = None;
                    let before = truth.accepted;
                    truth.accepted = place;
                    assert!(place == before || !self.startable(before.1), "{place:?} starts and was never accepted");
                }
            }
        }
    }

    fn stage(&mut self, device: &Device, slot: SlotId) -> Option<()> {
        let other = slot.other();
        let proof = device.prove(other, device.record().floor)?;
        let place = (proof.version().major, other);
        if device.with_boot(slot, |mut boot| boot.stage(proof)).unwrap().is_ok() {
            assert!(self.image_in(other) != 0, "an unsigned image is staged");
            let (_, starts, _) = *self.truth.staged.get_or_insert((place, 0, false));
            assert_eq!(starts, 0, "staged over a trial");
        }
        Some(())
    }

    fn confirm(&mut self, device: &Device, slot: SlotId) {
        let done = device.with_boot(slot, |mut boot| boot.confirm()).unwrap().is_ok();
        let on_trial = self.truth.staged.filter(|(place, starts, _)| Some(*place) == self.running && *starts > 0);
        let Some((place, _, given_up)) = on_trial else { return };
        assert_eq!(done, !given_up, "confirmed although it was given up, or not although it was not");
        if done {
            let floor = self.truth.floor.max(place.0);
            self.truth = Truth { accepted: place, staged: None, floor };
        }
    }

    fn roll_back(&mut self, device: &Device, slot: SlotId) {
        if device.with_boot(slot, |mut boot| boot.roll_back(REASON)).unwrap().is_err() {
            return;
        }
        let (place, starts, _) = self.truth.staged.expect("given up, but nothing is staged");
        self.truth.staged = (starts > 0).then_some((place, starts, true));
    }

    fn phase(&self) -> Phase {
        Record::decode(&self.record).phase
    }
}

struct Graph {
    edges: HashMap<At, Vec<(Event, At)>>,
}

static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
    let mut graph = Graph { edges: HashMap::new() };
    let mut queue = VecDeque::from([At::factory()]);
    while let Some(at) = queue.pop_front() {
        if graph.edges.contains_key(&at) {
            continue;
        }
        let next: Vec<_> = EVENTS.into_iter().filter_map(|event| Some((event, at.after(event)?))).collect();
        queue.extend(next.iter().map(|(_, to)| *to));
        graph.edges.insert(at, next);
    }
    graph
});

impl Graph {
    /// The states from which an edge that is a goal can be reached, by closure backwards.
    fn reaching(&self, goal: impl Fn(&At, Event, &At) -> bool) -> HashSet<At> {
        let mut into: HashMap<At, Vec<At>> = HashMap::new();
        let mut queue = Vec::new();
        for (from, edges) in &self.edges {
            for (event, to) in edges {
                into.entry(*to).or_default().push(*from);
                if goal(from, *event, to) {
                    queue.push(*from);
                }
            }
        }
        let mut good = HashSet::new();
        while let Some(at) = queue.pop() {
            if good.insert(at) {
                queue.extend(into.get(&at).into_iter().flatten());
            }
        }
        good
    }
}

#[test]
fn no_order_of_events_starts_what_was_not_asked_for() {
    // What must hold at each step is checked while the states are explored.
    let steps: usize = GRAPH.edges.values().map(Vec::len).sum();
    println!("{} states of record, slots and starts, {steps} steps of loader and application", GRAPH.edges.len());
    assert!(GRAPH.edges.len() > 500, "the explorer does not get far");
    let seen = |phase: fn(&Phase) -> bool| GRAPH.edges.keys().any(|at| phase(&at.phase()));
    assert!(seen(|phase| matches!(phase, Phase::Testing { attempts_left: 0, .. })));
    assert!(
        seen(|phase| matches!(phase, Phase::GivenUp { .. })) && seen(|phase| matches!(phase, Phase::RolledBack { .. }))
    );
    assert!(GRAPH.edges.keys().any(|at| at.running.is_none()), "no recovery");
}

#[test]
fn with_resets_alone_every_state_settles() {
    for at in GRAPH.edges.keys() {
        let mut now = *at;
        for _ in 0..=ATTEMPTS {
            now = now.after(Event::Reset).unwrap_or(now);
        }
        let settled = matches!(now.phase(), Phase::Confirmed | Phase::RolledBack { .. });
        assert!(settled || now.running.is_none(), "{at:?} does not settle: {now:?}");
        let again = now.after(Event::Reset).unwrap_or(now);
        assert_eq!(again.running, now.running, "{at:?} settles at nothing");
    }
}

#[test]
fn from_every_state_the_device_gets_to_confirmed_and_to_rolled_back() {
    let confirmed = GRAPH.reaching(|from, event, to| {
        event == Event::Confirm && from.truth.staged.is_some() && to.truth.staged.is_none()
    });
    let rolled_back = GRAPH.reaching(|from, event, to| {
        event == Event::Reset && from.truth.staged.is_some() && matches!(to.phase(), Phase::RolledBack { .. })
    });
    for at in GRAPH.edges.keys() {
        // The end is recovery, and what runs and was given up when no slot has an image any more that may start.
        let nothing_left = [SlotId::A, SlotId::B].iter().all(|slot| !at.startable(*slot));
        let lost = nothing_left && matches!(at.phase(), Phase::GivenUp { .. });
        let alive = at.running.is_some() && !lost;
        assert_eq!(confirmed.contains(at), alive, "{at:?} never gets to confirmed");
        assert_eq!(rolled_back.contains(at), alive, "{at:?} never gets to rolled back");
    }
}
