//! The machine and what survives a reset: explored from the factory, with a reset or a power cut in every state.

use super::*;
use std::sync::LazyLock;

/// Starts that the loader gives an image on trial.
const ATTEMPTS: u8 = 3;

/// A state of the device.
#[derive(Debug, Clone)]
struct Device {
    machine: Machine,
    /// The other slot holds an image that was verified as a whole since it was last written.
    verified: bool,
    /// Starts on trial that are left.
    starts_left: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fact(Event),
    /// A reset, for whatever reason; what the agent finds then.
    Reset(Found),
}

impl Device {
    fn started(found: Found, verified: bool, starts_left: u8) -> Self {
        let mut machine = Machine::new(T, Backoff::new(1, 2, 2), 1);
        let _ = machine.on(Event::Start(found), NOW, 0);
        Self { machine, verified, starts_left }
    }

    fn name(&self) -> String {
        format!("{} {} {}", key(&self.machine), self.verified, self.starts_left)
    }

    /// What flash may hold when the power goes in this state, or just after its last effect was stored.
    fn found(&self) -> &'static [Found] {
        use Found::*;
        match self.machine.state() {
            State::Idle => &[Nothing],
            State::Deciding | State::Deferred { .. } => &[Nothing, Deferred],
            State::Opening { part, .. } | State::Receiving { part, .. } | State::BackingOff { part, .. } => {
                match part {
                    Part::Envelope => &[Nothing, Accepted],
                    Part::Payload => &[Accepted, Partial, Complete],
                }
            }
            State::Verifying => &[Partial, Complete],
            // The loader tries what is staged, or finds that it does not verify any more.
            State::Staged { .. } | State::Resetting => &[Staged, Trial, Nothing],
            State::Trial { .. } | State::RollingBack if self.starts_left > 0 => &[Trial, Nothing],
            State::Trial { .. } | State::RollingBack => &[Nothing],
        }
    }

    fn reset(&self, found: Found) -> Self {
        let on_trial = found == Found::Trial;
        let verified = self.verified && matches!(found, Found::Staged | Found::Trial);
        Self::started(found, verified, self.starts_left.saturating_sub(u8::from(on_trial)))
    }

    fn steps(&self) -> Vec<(Step, Self)> {
        let resets = self.found().iter().map(|found| (Step::Reset(*found), self.reset(*found)));
        let facts = successors(&self.machine).into_iter().map(|(event, machine, _)| {
            let mut next = Self { machine, ..self.clone() };
            match next.machine.state() {
                State::Staged { .. } if event == Event::Proven && self.machine.state() == State::Verifying => {
                    (next.verified, next.starts_left) = (true, ATTEMPTS);
                }
                State::Receiving { .. } => next.verified = false,
                _ => {}
            }
            (Step::Fact(event), next)
        });
        resets.chain(facts).collect()
    }
}

struct Life {
    devices: HashMap<String, Device>,
    edges: HashMap<String, Vec<(Step, String)>>,
}

static LIFE: LazyLock<Life> = LazyLock::new(|| {
    let mut life = Life { devices: HashMap::new(), edges: HashMap::new() };
    let mut queue = VecDeque::from([Device::started(Found::Nothing, false, 0)]);
    while let Some(device) = queue.pop_front() {
        let name = device.name();
        if life.devices.contains_key(&name) {
            continue;
        }
        let steps = device.steps();
        life.edges.insert(name.clone(), steps.iter().map(|(step, next)| (*step, next.name())).collect());
        life.devices.insert(name, device);
        queue.extend(steps.into_iter().map(|(_, next)| next));
    }
    life
});

impl Life {
    /// The states from which a step that is a goal can be reached, by closure backwards.
    fn reaching(&self, goal: impl Fn(State, Step) -> bool) -> HashSet<&str> {
        let mut into: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut queue = Vec::new();
        for (from, steps) in &self.edges {
            for (step, to) in steps {
                into.entry(to).or_default().push(from);
                if goal(self.devices[from].machine.state(), *step) {
                    queue.push(from.as_str());
                }
            }
        }
        let mut good = HashSet::new();
        while let Some(name) = queue.pop() {
            if good.insert(name) {
                queue.extend(into.get(name).into_iter().flatten());
            }
        }
        good
    }
}

#[test]
fn with_a_reset_anywhere_only_what_was_verified_is_staged_or_tried() {
    let life = &*LIFE;
    let transitions = life.edges.values().map(Vec::len).sum::<usize>();
    std::println!("with resets: {} states, {transitions} transitions", life.devices.len());
    for device in life.devices.values() {
        let bootable = matches!(device.machine.state(), State::Staged { .. } | State::Resetting | State::Trial { .. });
        assert!(device.verified || !bootable, "{device:?} can start and was not verified");
    }
    for found in STARTS {
        let seen = life.edges.values().flatten().any(|(step, _)| *step == Step::Reset(found));
        assert!(seen, "no reset finds {found:?}");
    }
}

#[test]
fn with_a_reset_anywhere_every_state_waits_for_something() {
    for device in LIFE.devices.values() {
        if let Wish::Wait(until) = device.machine.wish(NOW) {
            assert!(until.is_some() || device.machine.is_idle(), "{device:?} has no deadline");
        }
    }
}

#[test]
fn from_every_state_the_device_gets_to_confirmed_and_to_rolled_back() {
    let life = &*LIFE;
    let confirmed =
        life.reaching(|from, step| matches!(from, State::Trial { .. }) && step == Step::Fact(Event::Confirmed));
    let rolled_back = life.reaching(|from, step| {
        matches!(from, State::Trial { .. } | State::RollingBack) && step == Step::Reset(Found::Nothing)
    });
    for name in life.devices.keys() {
        assert!(confirmed.contains(name.as_str()), "{name} never gets to confirmed");
        assert!(rolled_back.contains(name.as_str()), "{name} never gets to rolled back");
    }
}

#[test]
fn resets_alone_end_every_trial() {
    for device in LIFE.devices.values().cloned() {
        let mut trials = 0;
        let mut now = device;
        while let Some(found) = now.found().iter().find(|found| **found == Found::Trial) {
            now = now.reset(*found);
            trials += 1;
            assert!(trials <= ATTEMPTS, "a trial without end");
        }
    }
}
