//! The whole table: every phase, seen from either slot, against every event.

extern crate std;

use super::*;
use ota_verify::Version;
use std::vec::Vec;

const LAST: ResetCause = ResetCause::Watchdog;
const NOW: ResetCause = ResetCause::Fault;
const GATE: RollbackReason = RollbackReason::GateFailed(3);

const fn image(n: u8) -> Image {
    let version = Version { major: n, minor: 0, revision: 0, build: 0 };
    Image { digest: [n; 32], security_counter: n as u32, version }
}

fn phases() -> [Phase; 6] {
    [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 1, last_reset: LAST },
        Phase::Testing { attempts_left: 0, last_reset: LAST },
        Phase::GivenUp { reason: GATE, last_reset: LAST },
        Phase::RolledBack { reason: GATE, last_reset: LAST },
    ]
}

/// Home holds image 1, the other slot image 2, or an image that failed.
fn record(home: SlotId, phase: Phase) -> Record {
    let image = Some(image(if phase == Phase::Confirmed { 1 } else { 2 }));
    Record { home, floor: 1, phase, image }
}

fn records() -> Vec<Record> {
    [SlotId::A, SlotId::B].into_iter().flat_map(|home| phases().map(|phase| record(home, phase))).collect()
}

#[test]
fn stage_is_accepted_only_where_it_keeps_the_way_back() {
    for record in records() {
        let (home, other) = (record.home, record.staged());
        let pending = Ok(Some(Record { phase: Phase::Pending, image: Some(image(2)), ..record }));
        let (into_other, into_home) = match record.phase {
            Phase::Confirmed | Phase::RolledBack { .. } => (pending, Err(BootRefusal::RunningSlot)),
            Phase::Pending => (Ok(None), Err(BootRefusal::RunningSlot)),
            Phase::Testing { .. } => (Err(BootRefusal::OnTrial), Err(BootRefusal::OnTrial)),
            Phase::GivenUp { .. } => (Err(BootRefusal::GivenUp), Err(BootRefusal::GivenUp)),
        };
        assert_eq!(record.stage(other, image(2)), into_other, "{record:?}");
        assert_eq!(record.stage(home, image(2)), into_home, "{record:?}");
        let downgrade = Err(BootRefusal::Downgrade { floor: 1, counter: 0 });
        assert_eq!(record.stage(other, image(0)), downgrade, "{record:?}");
    }
    let pending = record(SlotId::A, Phase::Pending);
    assert_eq!(pending.stage(SlotId::B, image(3)), Err(BootRefusal::OtherPending));
}

#[test]
fn staging_never_moves_the_floor() {
    let staged = Record::FACTORY.stage(SlotId::B, image(9)).unwrap().unwrap();
    assert_eq!(staged.floor, 0);
    let testing = Record { phase: staged.spend_attempt(3, NOW).unwrap(), ..staged };
    assert_eq!(testing.floor, 0);
    assert_eq!(testing.confirm(SlotId::B).unwrap().unwrap().floor, 9);
}

#[test]
fn confirm_moves_home_and_floor_together_and_never_down() {
    for record in records() {
        for floor in [0, 1, 2, 3, u32::MAX] {
            let record = Record { floor, ..record };
            let accepted =
                Record { home: record.staged(), floor: floor.max(2), phase: Phase::Confirmed, image: Some(image(2)) };
            let (in_home, in_other) = match record.phase {
                Phase::Testing { .. } => (Ok(Some(accepted)), Ok(Some(accepted))),
                Phase::GivenUp { .. } => (Err(BootRefusal::GivenUp), Err(BootRefusal::GivenUp)),
                Phase::Pending => (Ok(None), Err(BootRefusal::NotStarted)),
                _ => (Ok(None), Ok(None)),
            };
            // What `Boot` does: a program in `home` never meets `Testing`, see `seen_from`.
            assert_eq!(record.confirm(record.home), in_home, "{record:?}");
            assert_eq!(record.confirm(record.staged()), in_other, "{record:?}");
        }
    }
}

#[test]
fn roll_back_withdraws_or_gives_up_once() {
    for record in records() {
        let next = |phase, image| Ok(Some(Record { phase, image, ..record }));
        let expected = match record.phase {
            Phase::Pending => next(Phase::Confirmed, None),
            Phase::Testing { .. } => {
                next(Phase::GivenUp { reason: RollbackReason::Requested, last_reset: LAST }, Some(image(2)))
            }
            Phase::GivenUp { .. } => Ok(None),
            Phase::Confirmed | Phase::RolledBack { .. } => Err(BootRefusal::NothingToReturnTo),
        };
        assert_eq!(record.roll_back(RollbackReason::Requested), expected, "{record:?}");
    }
}

#[test]
fn an_attempt_is_spent_only_on_a_trial_and_never_gained() {
    for record in records() {
        for attempts in 1..=4 {
            let testing = |attempts_left| Some(Phase::Testing { attempts_left, last_reset: NOW });
            let expected = match record.phase {
                Phase::Pending => testing(attempts - 1),
                Phase::Testing { attempts_left: 1, .. } => testing(0),
                _ => None,
            };
            assert_eq!(record.spend_attempt(attempts, NOW), expected, "{record:?}");
        }
    }
    let absurd = record(SlotId::A, Phase::Testing { attempts_left: 255, last_reset: LAST });
    assert!(matches!(absurd.spend_attempt(3, NOW), Some(Phase::Testing { attempts_left: 2, .. })));
}

#[test]
fn a_trial_that_is_over_says_why() {
    let over = phases().map(|phase| record(SlotId::A, phase).gave_up());
    assert_eq!(over, [None, None, None, Some(RollbackReason::AttemptsUsedUp), Some(GATE), None]);
}

#[test]
fn a_program_sees_the_slot_it_runs_in() {
    for record in records() {
        let from_home = record.seen_from(record.home);
        let from_other = record.seen_from(record.staged());
        let home = match record.phase {
            Phase::Testing { attempts_left: 0, .. } => record.rolled_back(RollbackReason::AttemptsUsedUp, LAST),
            Phase::Testing { .. } => Record { phase: Phase::Pending, image: Some(image(2)), ..record },
            Phase::GivenUp { .. } => record.rolled_back(GATE, LAST),
            _ => record,
        };
        assert_eq!(from_home, home, "{record:?}");
        let fallen = Phase::RolledBack { reason: RollbackReason::ActiveInvalid, last_reset: ResetCause::Unknown };
        let other = match record.phase {
            Phase::Confirmed => Record { home: record.staged(), phase: fallen, ..record },
            Phase::RolledBack { .. } => Record { home: record.staged(), phase: fallen, image: None, ..record },
            _ => record,
        };
        assert_eq!(from_other, other, "{record:?}");
        // Seen once or twice, the same; and what is seen as running is what runs.
        for (seen, running) in [(from_home, record.home), (from_other, record.staged())] {
            assert_eq!(seen.seen_from(running), seen);
            match seen.state() {
                BootState::Confirmed { running: r }
                | BootState::RolledBack { running: r, .. }
                | BootState::Testing { running: r, .. } => assert_eq!(r, running, "{seen:?}"),
                BootState::Pending { staged } => assert_eq!(staged, record.staged()),
            }
        }
    }
}
