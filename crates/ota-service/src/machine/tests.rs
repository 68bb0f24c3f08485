//! Scripted tables: a fact, the effect and the state that must follow.

use super::*;
use std::vec::Vec;

const T: Timing = Timing {
    open_ms: 100,
    read_ms: 50,
    send_ms: 10,
    reset_ask_ms: 20,
    gate_check_ms: 5,
    report_every_ms: 1,
    hold_off_ms: 0,
};
const NOW: Millis = Millis(1_000);
/// The longest draw of any window.
const MAX: u32 = u32::MAX;
const AGAIN: Event = Event::Fault(Failure::Retry { after_ms: 0 });

fn machine() -> Machine {
    Machine::new(T, Backoff::new(10, 40, 3), 2)
}

/// Gives the facts one after the other at the given moments; all effects but `None`.
fn play(machine: &mut Machine, script: &[(u64, Event)]) -> Vec<Effect> {
    let effects = script.iter().map(|(at, event)| machine.on(*event, Millis(*at), MAX));
    effects.filter(|effect| *effect != Effect::None).collect()
}

fn receiving(part: Part) -> Machine {
    let mut m = machine();
    play(&mut m, &[(1_000, Event::Offer { known: false }), (1_000, Event::Accept), (1_000, Event::Opened)]);
    if part == Part::Payload {
        play(&mut m, &[(1_000, Event::EnvelopeAccepted), (1_000, Event::Opened)]);
    }
    assert_eq!(m.state(), State::Receiving { part, until: Millis(1_050) });
    m
}

#[test]
fn from_offer_to_reset() {
    let mut m = machine();
    let script = [
        (Event::Offer { known: false }, Wish::Decide),
        (Event::Accept, Wish::Open { part: Part::Envelope, ticket: 1, until: Millis(1_100) }),
        (Event::Opened, Wish::Read { until: Millis(1_050) }),
        (Event::Moved, Wish::Read { until: Millis(1_050) }),
        (Event::EnvelopeAccepted, Wish::Open { part: Part::Payload, ticket: 2, until: Millis(1_100) }),
        (Event::Opened, Wish::Read { until: Millis(1_050) }),
        (Event::Stored, Wish::Read { until: Millis(1_050) }),
        (Event::Complete, Wish::Close),
        (Event::Closed, Wish::Verify),
        (Event::Proven, Wish::AskReset),
        (Event::ResetWelcome(false), Wish::Wait(Some(Millis(1_020)))),
        (Event::ResetWelcome(true), Wish::Reset),
    ];
    for (event, wish) in script {
        assert_eq!(m.on(event, NOW, 0), Effect::None, "{event:?}");
        assert_eq!(m.wish(NOW), wish, "{event:?}");
    }
}

#[test]
fn deadlines_are_faults_and_faults_back_off_with_full_jitter() {
    let mut m = receiving(Part::Payload);
    assert_eq!(m.on(Event::Tick, Millis(1_049), MAX), Effect::None);
    assert_eq!(m.on(Event::Tick, Millis(1_050), MAX), Effect::Waiting { ms: 10 });
    assert_eq!(m.state(), State::BackingOff { part: Part::Payload, until: Millis(1_060) });
    assert_eq!(m.wish(Millis(1_050)), Wish::Close);
    play(&mut m, &[(1_050, Event::Closed), (1_060, Event::Tick)]);
    assert_eq!(m.wish(Millis(1_060)), Wish::Open { part: Part::Payload, ticket: 3, until: Millis(1_160) });
    assert_eq!(play(&mut m, &[(1_160, Event::Tick)]), [Effect::Waiting { ms: 20 }]);
    // The other side's wish is a lower bound.
    play(&mut m, &[(1_180, Event::Tick)]);
    let later = Event::Fault(Failure::Retry { after_ms: 500 });
    assert_eq!(play(&mut m, &[(1_180, later)]), [Effect::Waiting { ms: 540 }]);
    play(&mut m, &[(1_720, Event::Tick)]);
    assert_eq!(play(&mut m, &[(1_720, AGAIN)]), [Effect::End(Why::TriesUsedUp)]);
    assert!(m.is_idle());
}

#[test]
fn a_stored_sector_gives_the_tries_back_and_other_bytes_do_not() {
    for (event, effect) in [(Event::Stored, Effect::Waiting { ms: 10 }), (Event::Moved, Effect::End(Why::TriesUsedUp))]
    {
        let mut m = receiving(Part::Payload);
        for _ in 0..3 {
            play(&mut m, &[(2_000, AGAIN), (9_000, Event::Tick), (9_000, Event::Opened)]);
        }
        play(&mut m, &[(9_000, event)]);
        assert_eq!(play(&mut m, &[(9_000, AGAIN)]), [effect], "{event:?}");
    }
}

#[test]
fn restarts_are_bounded_even_with_progress_and_begin_at_the_envelope() {
    let mut m = receiving(Part::Payload);
    let restart = Event::Fault(Failure::Restart);
    for _ in 0..2 {
        assert_eq!(play(&mut m, &[(2_000, Event::Stored), (2_000, restart)]), [Effect::Restart]);
        assert!(matches!(m.state(), State::BackingOff { part: Part::Envelope, .. }));
        play(&mut m, &[(9_000, Event::Tick), (9_000, Event::Opened)]);
    }
    assert_eq!(play(&mut m, &[(2_000, Event::Stored), (2_000, restart)]), [Effect::End(Why::RestartsUsedUp)]);
}

#[test]
fn a_permanent_fault_or_a_refusal_ends_the_job() {
    for part in [Part::Envelope, Part::Payload] {
        let mut m = receiving(part);
        assert_eq!(play(&mut m, &[(1_000, Event::Fault(Failure::Permanent))]), [Effect::End(Why::Permanent)]);
        let mut m = receiving(part);
        assert_eq!(play(&mut m, &[(1_000, Event::Refused)]), [Effect::End(Why::Refused)]);
        assert_eq!(m.wish(NOW), Wish::Close);
    }
}

#[test]
fn a_deferred_offer_is_decided_again() {
    let mut m = machine();
    play(&mut m, &[(1_000, Event::Offer { known: false }), (1_000, Event::Defer { ms: 7 })]);
    assert_eq!(m.wish(NOW), Wish::Wait(Some(Millis(1_007))));
    play(&mut m, &[(1_006, Event::Tick)]);
    assert_eq!(m.wish(NOW), Wish::Wait(Some(Millis(1_007))));
    play(&mut m, &[(1_007, Event::Tick)]);
    assert_eq!(m.wish(NOW), Wish::Decide);
}

/// One machine in each state, with what an offer and a cancel come to.
fn zoo() -> Vec<(Machine, Effect, Effect)> {
    let of = |script: &[(u64, Event)]| {
        let mut m = machine();
        play(&mut m, script);
        m
    };
    let started = |found| of(&[(1_000, Event::Start(found))]);
    let offer = (1_000, Event::Offer { known: false });
    let (busy, cancelled) = (Effect::Busy, Effect::End(Why::Cancelled));
    std::vec![
        (machine(), Effect::None, Effect::None),
        (of(&[offer]), busy, cancelled),
        (of(&[offer, (1_000, Event::Defer { ms: 7 })]), busy, cancelled),
        (started(Found::Accepted), busy, cancelled),
        (started(Found::Partial), busy, cancelled),
        (receiving(Part::Envelope), busy, cancelled),
        (receiving(Part::Payload), busy, cancelled),
        (of(&[(1_000, Event::Start(Found::Accepted)), (1_000, AGAIN)]), busy, cancelled),
        (started(Found::Complete), busy, cancelled),
        (started(Found::Staged), busy, Effect::Withdraw),
        (of(&[(1_000, Event::Start(Found::Staged)), (1_000, Event::ResetWelcome(true))]), busy, Effect::Withdraw),
        (started(Found::Trial), busy, Effect::Repeat),
        (
            of(&[(1_000, Event::Start(Found::Trial)), (1_000, Event::GiveUp(RollbackReason::Requested))]),
            busy,
            Effect::None
        ),
    ]
}

#[test]
fn offers_and_cancels_are_answered_in_every_state() {
    for (machine, offered, cancelled) in zoo() {
        let mut m = machine.clone();
        assert_eq!(m.on(Event::Offer { known: false }, NOW, 0), offered, "{:?}", machine.state());
        let mut m = machine.clone();
        let known = if machine.is_idle() { Effect::None } else { Effect::Repeat };
        assert_eq!(m.on(Event::Offer { known: true }, NOW, 0), known, "{:?}", machine.state());
        let mut m = machine.clone();
        assert_eq!(m.on(Event::Cancel, NOW, 0), cancelled, "{:?}", machine.state());
        if cancelled == Effect::Withdraw {
            assert_eq!(m.state(), machine.state(), "until it is withdrawn");
            assert_eq!(m.on(Event::Withdrawn, NOW, 0), Effect::End(Why::Cancelled));
        }
        assert!(m.is_idle() || matches!(m.state(), State::Trial { .. } | State::RollingBack));
    }
}

#[test]
fn the_trial_ends_in_confirm_or_rollback() {
    let trial = || {
        let mut m = machine();
        play(&mut m, &[(1_000, Event::Start(Found::Trial))]);
        m
    };
    let mut m = trial();
    assert_eq!(m.wish(NOW), Wish::CheckGates);
    play(&mut m, &[(1_000, Event::Gates(Verdict::Pending))]);
    assert_eq!(m.wish(NOW), Wish::Wait(Some(Millis(1_005))));
    assert_eq!(m.wish(Millis(1_005)), Wish::CheckGates);
    assert_eq!(play(&mut m, &[(1_005, Event::Gates(Verdict::Pass))]), [Effect::Confirm]);
    assert!(!m.is_idle(), "not before it is stored");
    play(&mut m, &[(1_005, Event::Confirmed)]);
    assert!(m.is_idle());
    for (event, reason) in [
        (Event::Gates(Verdict::Failed(2)), RollbackReason::GateFailed(2)),
        (Event::Gates(Verdict::TimedOut(3)), RollbackReason::GateTimeout(3)),
        (Event::GiveUp(RollbackReason::Requested), RollbackReason::Requested),
    ] {
        let mut m = trial();
        assert_eq!(play(&mut m, &[(1_000, event)]), [Effect::RollBack(reason)]);
        assert_eq!(m.wish(NOW), Wish::Reset);
    }
}

#[test]
fn an_accept_that_cannot_be_stored_ends_in_a_reset() {
    let mut m = machine();
    play(&mut m, &[(1_000, Event::Start(Found::Trial))]);
    for _ in 0..STORE_TRIES {
        assert_eq!(play(&mut m, &[(1_000, Event::Gates(Verdict::Pass)), (1_000, Event::NotStored)]), [Effect::Confirm]);
    }
    let last = play(&mut m, &[(1_000, Event::Gates(Verdict::Pass)), (1_000, Event::NotStored)]);
    assert_eq!(last, [Effect::Confirm, Effect::RollBack(RollbackReason::Requested)]);
    assert_eq!(m.wish(NOW), Wish::Reset);
}

#[test]
fn the_hold_off_is_drawn_once_per_job() {
    let mut m = Machine::new(Timing { hold_off_ms: 1_000, ..T }, Backoff::new(10, 40, 3), 2);
    play(&mut m, &[(1_000, Event::Offer { known: false }), (1_000, Event::Accept)]);
    assert_eq!(m.wish(NOW), Wish::Wait(Some(Millis(2_000))));
    play(&mut m, &[(2_000, Event::Tick)]);
    assert!(matches!(m.wish(NOW), Wish::Open { part: Part::Envelope, .. }));
}

#[test]
fn what_was_found_at_start_decides_where_it_goes_on() {
    for (found, wish) in [
        (Found::Nothing, Wish::Wait(None)),
        (Found::Deferred, Wish::Decide),
        (Found::Accepted, Wish::Open { part: Part::Envelope, ticket: 1, until: Millis(1_100) }),
        (Found::Partial, Wish::Open { part: Part::Payload, ticket: 1, until: Millis(1_100) }),
        (Found::Complete, Wish::Verify),
        (Found::Staged, Wish::AskReset),
        (Found::Trial, Wish::CheckGates),
    ] {
        let mut m = machine();
        assert_eq!(m.on(Event::Start(found), NOW, 0), Effect::None);
        assert_eq!(m.wish(NOW), wish, "{found:?}");
    }
}
