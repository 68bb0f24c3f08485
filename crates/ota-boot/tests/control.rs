//! What the application may ask of boot control, and when.

mod common;

use common::cases::{A, B, factory, runs, staged};
use common::{Device, LAYOUT, Started, image};
use ota_boot::{Boot, BootControl, BootError, BootRefusal, BootState, Record, RollbackReason};
use ota_hal::{Journal, Kind, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_testkit::{SimError, Tear};
use std::cell::RefCell;

#[test]
fn requests_that_do_not_fit_the_state_change_nothing() {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    /// A request by the program in `running`, and what the next reset starts.
    fn ask(device: &mut Device, running: SlotId, stage: Option<SlotId>, answer: Result<(), BootRefusal>) -> Started {
        let before = device.record();
        let proof = stage.map(|slot| device.prove(slot, 0).unwrap());
        let result = device.with_boot(running, |mut boot| match proof {
            Some(proof) => boot.stage(proof),
            None => boot.roll_back(RollbackReason::Requested),
        });
        assert_eq!(result.unwrap(), answer.map_err(BootError::Refused));
        assert_eq!(device.record() == before, answer.is_err());
        device.start(ResetCause::Software)
    }
    assert_eq!(ask(&mut device, A, Some(A), Err(BootRefusal::RunningSlot)), runs(1, A, false));
    assert_eq!(ask(&mut device, A, None, Err(BootRefusal::NothingToReturnTo)), runs(1, A, false));
    assert_eq!(ask(&mut device, A, Some(B), Ok(())), runs(2, B, true));
    assert_eq!(ask(&mut device, B, Some(A), Err(BootRefusal::OnTrial)), runs(2, B, true));
    assert_eq!(ask(&mut device, B, Some(B), Err(BootRefusal::RunningSlot)), runs(2, B, true));
    assert_eq!(ask(&mut device, B, None, Ok(())), runs(1, A, false));
    // After a rollback a new image may be staged.
    assert_eq!(ask(&mut device, A, Some(B), Ok(())), runs(2, B, true));
}

#[test]
fn staging_twice_is_one_append_and_another_image_is_refused() {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    let stage = |device: &Device| {
        let proof = device.prove(B, 0).unwrap();
        device.with_boot(A, |mut boot| boot.stage(proof)).unwrap()
    };
    assert_eq!(stage(&device), Ok(()));
    device.flash.get_mut().reset_counters();
    assert_eq!(stage(&device), Ok(()));
    assert_eq!(device.flash.get_mut().ops(), 0);
    device.write(B, &image(3)).unwrap();
    assert_eq!(stage(&device), Err(BootError::Refused(BootRefusal::OtherPending)));
    device.with_boot(A, |mut boot| boot.roll_back(RollbackReason::Requested).unwrap());
    let state = device.with_boot(A, |mut boot| boot.state().unwrap()).unwrap();
    assert_eq!(state, BootState::Confirmed { running: A });
    assert_eq!(stage(&device), Ok(()));
    assert_eq!(device.start(ResetCause::Software), runs(3, B, true));
}

#[test]
fn staging_below_the_floor_is_refused_even_with_a_proof() {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    device.append(Kind::Boot, &Record { floor: 3, ..Record::FACTORY }.encode());
    // Proven by someone who asked the wrong floor.
    let proof = device.prove(B, 0).unwrap();
    let refusal = BootError::Refused(BootRefusal::Downgrade { floor: 3, counter: 2 });
    assert_eq!(device.with_boot(A, |mut boot| boot.stage(proof)).unwrap(), Err(refusal));
}

#[test]
fn a_confirm_is_stored_once_and_after_giving_up_not_at_all() {
    let mut device = staged();
    device.start(ResetCause::Software);
    let mut given_up = device.clone();
    device.with_boot(B, |mut boot| boot.confirm().unwrap());
    device.flash.get_mut().reset_counters();
    device.with_boot(B, |mut boot| boot.confirm().unwrap());
    assert_eq!(device.flash.get_mut().ops(), 0);
    assert_eq!(device.start(ResetCause::Software), runs(2, B, false));

    given_up.with_boot(B, |mut boot| {
        boot.roll_back(RollbackReason::GateFailed(1)).unwrap();
        boot.roll_back(RollbackReason::Requested).unwrap();
        assert_eq!(boot.confirm(), Err(BootError::Refused(BootRefusal::GivenUp)));
        assert!(matches!(boot.state(), Ok(BootState::Testing { running: B, attempts_left: 0, .. })));
    });
    assert_eq!(given_up.start(ResetCause::Software), runs(1, A, false));
    let outcome = given_up.with_boot(A, |boot| boot.last_outcome().unwrap()).unwrap().unwrap();
    assert_eq!(outcome.reason, RollbackReason::GateFailed(1), "the first reason stands");
}

#[test]
fn a_write_error_is_an_error_and_the_old_state_stands() {
    let mut device = staged();
    device.start(ResetCause::Software);
    let flash = RefCell::new(device.flash.get_mut().clone());
    let journal = RefCell::new(Journal::mount(Region::new(Shared::new(&flash), LAYOUT.journal())).unwrap());
    let mut boot = Boot::new(SharedJournal::new(&journal), B);
    flash.borrow_mut().reset_counters();
    for op in 0..50 {
        flash.borrow_mut().fail_at(op, Tear::Prefix);
    }
    assert!(matches!(boot.confirm(), Err(BootError::Journal(_))));
    assert!(matches!(boot.state(), Ok(BootState::Testing { running: B, .. })));
    assert_eq!(boot.security_floor(), Ok(1));
    flash.borrow_mut().reset_counters();
    assert_eq!(boot.confirm(), Ok(()));
    assert_eq!(boot.security_floor(), Ok(2));
}

#[test]
fn a_request_survives_a_driver_that_fails_once_wherever_that_is() {
    let stage = |device: &Device| {
        let proof = device.prove(B, 0).unwrap();
        device.flash.borrow_mut().reset_counters();
        device.with_boot(A, |mut boot| boot.stage(proof)).unwrap()
    };
    let mut moved = false;
    // Records before it: with some of them the journal moves to its other bank.
    for full in 0..12 {
        let mut ready = factory();
        ready.write(B, &image(2)).unwrap();
        (0..full).for_each(|n| ready.append(Kind::Progress, &[n]));
        let mut calm = ready.clone();
        assert_eq!(stage(&calm), Ok(()));
        let ops = calm.flash.get_mut().ops();
        moved |= ops > 3;
        for (op, tear) in (0..ops).flat_map(|op| [Tear::Before, Tear::Units, Tear::After].map(|tear| (op, tear))) {
            let mut device = ready.clone();
            let proof = device.prove(B, 0).unwrap();
            device.flash.get_mut().reset_counters();
            device.flash.get_mut().fail_at(op, tear);
            let staged = device.with_boot(A, |mut boot| boot.stage(proof)).unwrap();
            assert_eq!(staged, Ok(()), "{full} records, op {op}, {tear:?}");
            assert_eq!(device.start(ResetCause::Software), runs(2, B, true), "{full} records, op {op}, {tear:?}");
        }
    }
    assert!(moved, "the journal never moved");
}

#[test]
fn errors_are_errors() {
    fn text<E: core::error::Error>(error: &E) -> String {
        error.to_string()
    }
    let refused = BootError::<SimError>::Refused(BootRefusal::OnTrial);
    assert_eq!(text(&refused), text(&BootRefusal::OnTrial));
}
