//! All of the machine: every state that any order of facts can reach, and what must hold in each.

mod device;

use super::*;
use std::collections::{HashMap, HashSet, VecDeque};
use std::format;
use std::string::String;
use std::vec::Vec;

const T: Timing = Timing {
    open_ms: 3,
    read_ms: 2,
    send_ms: 1,
    reset_ask_ms: 2,
    gate_check_ms: 1,
    report_every_ms: 1,
    hold_off_ms: 2,
};

const NOW: Millis = Millis(0);
const STARTS: [Found; 7] =
    [Found::Nothing, Found::Deferred, Found::Accepted, Found::Partial, Found::Complete, Found::Staged, Found::Trial];

const EVENTS: [Event; 28] = [
    Event::Offer { known: false },
    Event::Offer { known: true },
    Event::Accept,
    Event::Defer { ms: 2 },
    Event::Opened,
    Event::Moved,
    Event::Stored,
    Event::EnvelopeAccepted,
    Event::Complete,
    Event::Fault(Failure::Retry { after_ms: 0 }),
    Event::Fault(Failure::Retry { after_ms: 2 }),
    Event::Fault(Failure::Restart),
    Event::Fault(Failure::Permanent),
    Event::Closed,
    Event::Refused,
    Event::Damaged,
    Event::Proven,
    Event::Applied,
    Event::ResetWelcome(true),
    Event::ResetWelcome(false),
    Event::Gates(Verdict::Pending),
    Event::Gates(Verdict::Pass),
    Event::Gates(Verdict::Failed(1)),
    Event::Gates(Verdict::TimedOut(1)),
    Event::Confirmed,
    Event::NotStored,
    Event::Cancel,
    Event::Withdrawn,
];

/// The moment the state waits for.
fn deadline(state: State) -> Option<Millis> {
    match state {
        State::Deferred { until }
        | State::Opening { until, .. }
        | State::Receiving { until, .. }
        | State::BackingOff { until, .. } => Some(until),
        State::Staged { ask_at } => Some(ask_at),
        State::Trial { check_at, .. } => Some(check_at),
        _ => None,
    }
}

/// All facts that can come next: each event now, and the deadline passing.
fn successors(machine: &Machine) -> Vec<(Event, Machine, Effect)> {
    let mut next = Vec::new();
    for event in EVENTS.into_iter().chain([Event::GiveUp(RollbackReason::Requested)]) {
        for random in [0, u32::MAX] {
            let mut m = machine.clone();
            let effect = m.on(event, NOW, random);
            next.push((event, m, effect));
        }
    }
    if let Some(at) = deadline(machine.state()) {
        let mut m = machine.clone();
        let effect = m.on(Event::Tick, at, 0);
        next.push((Event::Tick, shifted(m, at), effect));
    }
    next
}

/// The same machine, with the present as moment 0: time itself is no state.
fn shifted(mut m: Machine, by: Millis) -> Machine {
    let back = |t: &mut Millis| t.0 = t.0.saturating_sub(by.0);
    match &mut m.state {
        State::Deferred { until }
        | State::Opening { until, .. }
        | State::Receiving { until, .. }
        | State::BackingOff { until, .. } => back(until),
        State::Staged { ask_at } => back(ask_at),
        State::Trial { check_at, .. } => back(check_at),
        _ => {}
    }
    m
}

/// What tells two machines apart; the ticket only counts.
fn key(machine: &Machine) -> String {
    let mut m = machine.clone();
    m.ticket = 0;
    format!("{m:?}")
}

struct Graph {
    machines: HashMap<String, Machine>,
    edges: HashMap<String, Vec<(Event, String, Effect)>>,
}

fn explore() -> Graph {
    let mut graph = Graph { machines: HashMap::new(), edges: HashMap::new() };
    let mut queue = VecDeque::new();
    for found in STARTS {
        let mut m = Machine::new(T, Backoff::new(1, 2, 2), 1);
        let _ = m.on(Event::Start(found), NOW, 0);
        queue.push_back(m);
    }
    while let Some(machine) = queue.pop_front() {
        let from = key(&machine);
        if graph.machines.contains_key(&from) {
            continue;
        }
        let mut edges = Vec::new();
        for (event, next, effect) in successors(&machine) {
            edges.push((event, key(&next), effect));
            queue.push_back(next);
        }
        graph.machines.insert(from.clone(), machine);
        graph.edges.insert(from, edges);
    }
    graph
}

/// The states from which one of `goals` can be reached.
fn reaching(graph: &Graph, goal: impl Fn(&Machine) -> bool) -> HashSet<&String> {
    let mut good: HashSet<&String> = graph.machines.iter().filter(|(_, m)| goal(m)).map(|(k, _)| k).collect();
    loop {
        let more: Vec<&String> = graph
            .edges
            .iter()
            .filter(|(from, edges)| !good.contains(from) && edges.iter().any(|(_, to, _)| good.contains(to)))
            .map(|(from, _)| from)
            .collect();
        if more.is_empty() {
            return good;
        }
        good.extend(more);
    }
}

#[test]
fn every_state_wishes_for_something_or_has_a_deadline() {
    let graph = explore();
    std::println!("{} states, {} transitions", graph.machines.len(), graph.edges.values().map(Vec::len).sum::<usize>());
    assert!(graph.machines.len() > 100, "the explorer does not get far");
    for machine in graph.machines.values() {
        let ends = match machine.wish(NOW) {
            // Only an idle machine may wait for ever.
            Wish::Wait(None) => machine.is_idle(),
            Wish::Wait(Some(at)) => deadline(machine.state()) == Some(at),
            Wish::Open { until, .. } | Wish::Read { until } => deadline(machine.state()) == Some(until),
            _ => true,
        };
        assert!(ends, "{machine:?}");
        if let Some(at) = deadline(machine.state()) {
            // When the moment comes, something changes or something is asked.
            let mut later = machine.clone();
            let _ = later.on(Event::Closed, at, 0);
            let effect = later.on(Event::Tick, at, 0);
            let asks = matches!(later.wish(at), Wish::AskReset | Wish::CheckGates);
            assert!(asks || effect != Effect::None || later.state() != machine.state(), "{machine:?} waits for ever");
        }
    }
}

#[test]
fn staged_comes_only_from_verifying_by_a_proof_and_confirmed_only_from_a_trial() {
    let graph = explore();
    for (from, edges) in &graph.edges {
        let before = graph.machines[from].state();
        for (event, to, effect) in edges {
            let after = graph.machines[to].state();
            if matches!(after, State::Staged { .. }) && !matches!(before, State::Staged { .. }) {
                assert_eq!((before, *event), (State::Verifying, Event::Proven));
            }
            if after == State::Resetting && before != after {
                assert!(matches!(before, State::Staged { .. }), "{before:?} {event:?}");
            }
            if after == State::Verifying && before != after {
                assert!(matches!(before, State::Receiving { part: Part::Payload, .. }), "{before:?} {event:?}");
                assert_eq!(*event, Event::Complete);
            }
            if matches!(after, State::Receiving { part: Part::Payload, .. }) {
                assert!(!matches!(before, State::Opening { part: Part::Envelope, .. } | State::Idle));
            }
            if matches!(after, State::Trial { .. }) {
                assert!(matches!(before, State::Trial { .. }), "a trial begins with a start only");
            }
            if *effect == Effect::Confirm {
                assert!(matches!(before, State::Trial { .. }));
                assert_eq!(*event, Event::Gates(Verdict::Pass));
            }
            if matches!(effect, Effect::End(_)) {
                assert!(graph.machines[to].is_idle(), "{before:?} {event:?}: over, but {after:?}");
            }
        }
    }
}

#[test]
fn from_everywhere_there_is_a_way_out_and_none_back_from_a_rollback() {
    let graph = explore();
    // A reset is the way out of the last states; the device is then where `Start` puts it.
    let out = reaching(&graph, |m| m.is_idle() || matches!(m.wish(NOW), Wish::Reset));
    for (key, machine) in &graph.machines {
        assert!(out.contains(key), "no way out of {machine:?}");
    }
    let idle = reaching(&graph, Machine::is_idle);
    for (key, machine) in &graph.machines {
        let final_state = machine.state() == State::RollingBack;
        assert_eq!(!idle.contains(key), final_state, "{machine:?}");
    }
}

#[test]
fn with_faults_only_every_job_ends() {
    // A job that gets nothing but faults and silence must come to an end by itself, from every state.
    let graph = explore();
    for machine in graph.machines.values() {
        let retry = Event::Fault(Failure::Retry { after_ms: 0 });
        for event in [Event::Tick, retry, Event::Fault(Failure::Restart), Event::Damaged] {
            let mut m = machine.clone();
            let mut now = NOW;
            for _ in 0..40 {
                now = deadline(m.state()).unwrap_or(now).max(now);
                if event == Event::Damaged {
                    for before in [Event::Opened, Event::EnvelopeAccepted, Event::Opened, Event::Moved] {
                        let _ = m.on(before, now, 0);
                    }
                }
                let _ = m.on(event, now, 0);
                let _ = m.on(Event::Tick, now, 0);
            }
            let fetching =
                matches!(m.state(), State::Opening { .. } | State::Receiving { .. } | State::BackingOff { .. });
            assert!(!fetching, "{machine:?} never ends with {event:?}");
        }
    }
}
