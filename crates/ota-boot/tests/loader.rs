//! What the loader decides, by state of the record and of the slots.

mod common;

use common::{Device, LAYOUT, SECTOR, Started, build, image, image_with, rules};
use ota_boot::loader::{Config, Decision, boot};
use ota_boot::record::{Image, Phase};
use ota_boot::{Boot, BootControl, BootError, BootRefusal, BootState, Record, RollbackReason};
use ota_hal::{Journal, Kind, ReadAt, Region, ResetCause, Shared, SharedJournal, SlotId, Watchdog};
use ota_testkit::{Rng, SimError, Tear};
use ota_verify::{FormatError, Refusal, VerifyError};
use std::cell::{Cell, RefCell};

const A: SlotId = SlotId::A;
const B: SlotId = SlotId::B;

fn factory() -> Device {
    Device::factory(Device::blank())
}
fn runs(n: u8, slot: SlotId, trial: bool) -> Started {
    Started::Image { n, slot, trial }
}
fn image_2() -> Image {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    Image::of(&device.prove(B, 0).unwrap())
}

/// Image 1 accepted in A, image 2 in B, the record in this phase.
fn device_in(phase: Phase) -> Device {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    device.append(Kind::Boot, &record_in(phase, 1).encode());
    device
}
fn record_in(phase: Phase, floor: u32) -> Record {
    let accepted = factory().prove(A, 0).unwrap();
    let image = if phase == Phase::Confirmed { Image::of(&accepted) } else { image_2() };
    Record { home: A, floor, phase, image: Some(image) }
}
fn staged() -> Device {
    device_in(Phase::Pending)
}
fn phases() -> [Phase; 7] {
    let last_reset = ResetCause::Pin;
    let reason = RollbackReason::GateTimeout(4);
    [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 2, last_reset },
        Phase::Testing { attempts_left: 1, last_reset },
        Phase::Testing { attempts_left: 0, last_reset },
        Phase::GivenUp { reason, last_reset },
        Phase::RolledBack { reason, last_reset },
    ]
}

/// Every phase against every health of the two slots: what starts, and what stands on record afterwards.
#[test]
fn the_table() {
    let cause = ResetCause::Watchdog;
    for phase in phases() {
        for (home_good, other_good) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut device = device_in(phase);
            if !home_good {
                device.decay(A, 40);
            }
            if !other_good {
                device.decay(B, 40);
            }
            let before = device.record();
            let back = |reason| (runs(1, A, false), A, Phase::RolledBack { reason, last_reset: cause });
            let spent = |attempts_left| (runs(2, B, true), A, Phase::Testing { attempts_left, last_reset: cause });
            let reason = RollbackReason::ActiveInvalid;
            let fallback = (runs(2, B, false), B, Phase::RolledBack { reason, last_reset: cause });
            let (started, home, after) = match (phase, home_good, other_good) {
                (_, false, false) => (Started::Recovery, A, phase),
                (Phase::Pending, _, true) => spent(2),
                (Phase::Testing { attempts_left: 2, .. }, _, true) => spent(1),
                (Phase::Testing { attempts_left: 1, .. }, _, true) => spent(0),
                (Phase::Testing { attempts_left: 3.., .. }, _, true) => unreachable!(),
                (_, false, true) => fallback,
                (Phase::Testing { attempts_left: 0, .. }, ..) => back(RollbackReason::AttemptsUsedUp),
                (Phase::GivenUp { reason, .. }, ..) => back(reason),
                (Phase::Pending | Phase::Testing { .. }, true, false) => back(RollbackReason::ImageInvalid),
                (Phase::Confirmed | Phase::RolledBack { .. }, true, _) => (runs(1, A, false), A, phase),
            };
            let what = format!("{phase:?}, home {home_good}, other {other_good}");
            assert_eq!(device.start(cause), started, "{what}");
            // The failed image stays known, unless the record was about another one.
            let known = home == A || phase == Phase::Confirmed;
            let image = before.image.filter(|_| known);
            assert_eq!(device.record(), Record { home, floor: before.floor, phase: after, image }, "{what}");
        }
    }
}

#[test]
fn a_hanging_image_gets_three_starts_and_the_reason_is_kept() {
    let mut device = staged();
    for (cause, attempts_left) in [(ResetCause::Software, 2), (ResetCause::Watchdog, 1), (ResetCause::BrownOut, 0)] {
        assert_eq!(device.start(cause), runs(2, B, true));
        let state = device.with_boot(B, |mut boot| boot.state().unwrap()).unwrap();
        assert_eq!(state, BootState::Testing { running: B, attempts_left, last_reset: cause });
    }
    for cause in [ResetCause::Watchdog, ResetCause::PowerOn] {
        assert_eq!(device.start(cause), runs(1, A, false));
        let outcome = device.with_boot(A, |boot| boot.last_outcome().unwrap()).unwrap().unwrap();
        assert_eq!(outcome.reason, RollbackReason::AttemptsUsedUp);
        assert_eq!(outcome.last_reset, ResetCause::Watchdog);
        assert_eq!(outcome.failed.unwrap().major, 2);
    }
}

#[test]
fn only_the_proven_image_is_tried() {
    for other in [image(3), image_with(2, 7), image(1)] {
        let mut device = staged();
        device.write(B, &other).unwrap();
        assert!(device.prove(B, 1).is_some(), "the other image is authentic");
        assert_eq!(device.start(ResetCause::Software), runs(1, A, false));
        let state = device.with_boot(A, |mut boot| boot.state().unwrap()).unwrap();
        let reason = RollbackReason::ImageInvalid;
        assert_eq!(state, BootState::RolledBack { running: A, reason, last_reset: ResetCause::Software });
    }
}

#[test]
fn the_floor_holds_for_every_image_on_every_path() {
    // An older image stays out when the active one decays...
    let mut device = staged();
    device.start(ResetCause::Software);
    device.with_boot(B, |mut boot| boot.confirm().unwrap());
    assert_eq!(device.record().floor, 2);
    device.decay(B, 40);
    assert_eq!(device.start(ResetCause::PowerOn), Started::Recovery);
    // ...one of the same counter does not.
    let mut device = factory();
    device.write(B, &image_with(2, 1)).unwrap();
    let proof = device.prove(B, 0).unwrap();
    device.with_boot(A, |mut boot| boot.stage(proof).unwrap());
    device.start(ResetCause::Software);
    device.with_boot(B, |mut boot| boot.confirm().unwrap());
    device.decay(B, 40);
    assert_eq!(device.start(ResetCause::PowerOn), runs(1, A, false));
    assert_eq!(device.record().floor, 1);
    // The board's own floor counts as well, on each path.
    for phase in phases() {
        let floor_2 = device_in(phase).start_with(&rules(2), ResetCause::PowerOn);
        assert!(matches!(floor_2, Started::Image { n: 2, slot: B, .. }), "{phase:?}");
        assert_eq!(device_in(phase).start_with(&rules(3), ResetCause::PowerOn), Started::Recovery, "{phase:?}");
        let mut raised = device_in(phase);
        raised.append(Kind::Boot, &record_in(phase, 3).encode());
        assert_eq!(raised.start(ResetCause::PowerOn), Started::Recovery, "{phase:?}");
    }
}

#[test]
fn recovery_says_why_for_each_slot() {
    for home in [A, B] {
        let mut device = factory();
        device.write(A, &image_with(1, 0)).unwrap();
        device.append(Kind::Boot, &Record { home, floor: 1, ..Record::FACTORY }.encode());
        let mut journal = Journal::mount(device.region(LAYOUT.journal())).unwrap();
        let mut slots = [device.slot(A), device.slot(B)];
        let config = Config::default();
        let decision =
            boot(&mut journal, &mut slots, &rules(0), ResetCause::Pin, &config, &mut ota_hal::reset::NoWatchdog);
        let old = VerifyError::Refused(Refusal::CounterTooLow { counter: 0, floor: 1 });
        assert_eq!(decision, Decision::Recovery { why: [old, VerifyError::Format(FormatError::Magic)] });
    }
}

#[test]
fn without_a_record_slot_a_starts_and_else_slot_b() {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    assert_eq!(device.start(ResetCause::PowerOn), runs(1, A, false));
    assert_eq!(device.record(), Record::FACTORY);
    device.decay(A, 40);
    assert_eq!(device.start(ResetCause::PowerOn), runs(2, B, false));
    let state = device.with_boot(B, |mut boot| boot.state().unwrap()).unwrap();
    assert!(matches!(state, BootState::RolledBack { running: B, reason: RollbackReason::ActiveInvalid, .. }));
}

#[test]
fn an_uncountable_trial_is_not_started() {
    for phase in phases() {
        let mut device = device_in(phase);
        // Both banks ignore writes and erases.
        device.flash.get_mut().stick_sector(4);
        device.flash.get_mut().stick_sector(5);
        let before = device.record();
        for _ in 0..5 {
            assert_eq!(device.start(ResetCause::Watchdog), runs(1, A, false), "{phase:?}");
        }
        assert_eq!(device.record(), before);
        // The program in A sees itself running, and cannot confirm the image in B.
        device.with_boot(A, |mut boot| {
            assert!(!matches!(boot.state().unwrap(), BootState::Testing { .. }), "{phase:?}");
            assert_eq!(boot.confirm(), Ok(()));
        });
        assert_eq!(device.record(), before);
        // An accepted image that is bad still gives way, stored or not.
        device.decay(A, 40);
        assert_eq!(device.start(ResetCause::Watchdog), runs(2, B, false), "{phase:?}");
    }
}

#[test]
fn a_journal_that_cannot_be_read_is_left_alone() {
    for (home_good, started) in [(true, runs(1, A, false)), (false, runs(2, B, false))] {
        let mut device = staged();
        if !home_good {
            device.decay(A, 40);
        }
        let cells = device.flash.get_mut().cells().to_vec();
        device.flash.get_mut().reset_counters();
        Journal::mount(device.region(LAYOUT.journal())).unwrap();
        let reads = device.flash.get_mut().reads();
        // Fails on the read of the record. Not knowing it, nothing may replace it, whatever the slots hold.
        device.flash.get_mut().reset_counters();
        device.flash.get_mut().fail_read_at(reads);
        assert_eq!(device.start(ResetCause::PowerOn), started);
        assert_eq!(device.flash.get_mut().cells(), cells);
        // The next start finds it again.
        assert_eq!(device.start(ResetCause::PowerOn), runs(2, B, true));
    }
}

#[test]
fn one_bad_read_costs_nothing_that_is_stored() {
    for phase in phases() {
        let mut reference = device_in(phase);
        reference.flash.get_mut().reset_counters();
        let started = reference.start(ResetCause::PowerOn);
        let reads = reference.flash.get_mut().reads();
        for read in 0..reads {
            let mut device = device_in(phase);
            device.flash.get_mut().reset_counters();
            device.flash.get_mut().fail_read_at(read);
            let with_fault = device.start(ResetCause::PowerOn);
            if with_fault != started {
                // The journal could not be read, or not be written: the accepted image runs, and the next start is
                // as if this one had not been. At worst an attempt is gone.
                assert_eq!(with_fault, runs(1, A, false), "{phase:?}, read {read}");
                let next = device.start(ResetCause::PowerOn);
                let last_one = matches!(phase, Phase::Testing { attempts_left: 1, .. });
                assert!(next == started || (last_one && next == runs(1, A, false)), "{phase:?}, read {read}");
            }
            assert_eq!(device.record().home, A);
        }
    }
}

/// A slot that notes when it is read, and by whom the watchdog was fed in between.
struct Watched<'a, S>(S, &'a Cell<u32>, &'a Cell<u32>);
impl<S: ReadAt> ReadAt for Watched<'_, S> {
    type Error = S::Error;
    fn len(&self) -> u32 {
        self.0.len()
    }
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), S::Error> {
        self.1.set(self.1.get() + bytes.len() as u32);
        self.2.set(self.2.get().max(self.1.get()));
        self.0.read_at(offset, bytes)
    }
}
struct Dog<'a>(&'a Cell<u32>);
impl Watchdog for Dog<'_> {
    fn feed(&mut self) {
        self.0.set(0);
    }
}

#[test]
fn the_watchdog_is_fed_while_images_are_read() {
    let device = staged();
    let big = build(1, 1, &[0x5A; 20_000]);
    let (since, most) = (Cell::new(0), Cell::new(0));
    let mut slots = [&big, &big].map(|image| Watched(image.as_slice(), &since, &most));
    let mut journal = Journal::mount(device.region(LAYOUT.journal())).unwrap();
    let decision = boot(&mut journal, &mut slots, &rules(0), ResetCause::Pin, &Config::DEFAULT, &mut Dog(&since));
    assert!(matches!(decision, Decision::Boot { .. }));
    assert!((1..1024).contains(&most.get()), "{} bytes without feeding", most.get());
}

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
fn power_cuts_at_the_end_of_every_start_are_bounded() {
    // The image never comes to do anything: the power goes as soon as it is started, or while the loader works.
    for tear in Tear::ALL {
        for op in 0..4 {
            let mut device = staged();
            let mut trials = 0;
            let mut starts = 0;
            loop {
                device.flash.get_mut().reset_counters();
                if starts % 2 == 0 {
                    device.flash.get_mut().cut_at(op, tear);
                }
                let started = device.start(ResetCause::PowerOn);
                device.flash.get_mut().power_on();
                starts += 1;
                assert!(starts <= 9, "{tear:?} {op}: no end of starts");
                match started {
                    Started::Image { n: 2, trial: true, .. } => trials += 1,
                    Started::Image { n: 1, trial: false, .. } => break,
                    Started::NoPower => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(trials <= 3, "{tear:?} {op}: {trials} trials");
        }
    }
}

/// Damage found at a start, with the loader cut at every operation: the image that is good is what it settles on.
#[test]
fn damage_is_dealt_with_through_power_cuts() {
    for phase in phases() {
        for (slot, offset) in [(A, 40), (B, 40), (A, 2), (B, 290)] {
            for tear in Tear::ALL {
                for op in 0..12 {
                    let mut device = device_in(phase);
                    device.decay(slot, offset);
                    device.flash.get_mut().reset_counters();
                    device.flash.get_mut().cut_at(op, tear);
                    let mut last = Started::NoPower;
                    // Trials that are left are used up before it settles.
                    for _ in 0..6 {
                        last = device.start(ResetCause::PowerOn);
                        device.flash.get_mut().power_on();
                    }
                    let Started::Image { n, .. } = last else { panic!("{phase:?} {slot:?} {tear:?} {op}: {last:?}") };
                    assert_eq!(n, if slot == A { 2 } else { 1 }, "{phase:?} {tear:?} {op}");
                    assert_eq!(device.flash.get_mut().violation(), None);
                }
            }
        }
    }
}

/// Whatever the journal holds, only an authentic image starts, and the device takes an update afterwards.
#[test]
fn a_journal_of_garbage_starts_nothing_unverified() {
    let mut rng = Rng::new(0x6A72);
    for round in 0..4_000u32 {
        let mut device = factory();
        if round % 2 == 0 {
            device.write(B, &image(2)).unwrap();
        } else {
            device.write(B, &rng.bytes(300)).unwrap();
        }
        if round % 3 == 0 {
            // The journal is sound, the record is not ours.
            let len = rng.below(70) as usize;
            let mut bytes = rng.bytes(len);
            for (byte, value) in bytes.iter_mut().zip([1, rng.byte() % 7, rng.byte() % 2, rng.byte(), 1, 0, 0, 0]) {
                *byte = value;
            }
            device.append(Kind::Boot, &bytes);
        } else {
            let start = LAYOUT.journal().start;
            let valid = round % 3 == 1;
            if valid {
                device.append(Kind::Boot, &staged().record().encode());
            }
            for at in start..start + 2 * SECTOR as u32 {
                if !valid || rng.one_in(100) {
                    device.flash.get_mut().decay(at, rng.byte());
                }
            }
        }
        let started = device.start(ResetCause::Unknown);
        let Started::Image { n, slot, .. } = started else { panic!("round {round}: {started:?}") };
        assert_eq!((n, slot), if slot == A { (1, A) } else { (2, B) }, "round {round}");
        assert!(round % 2 == 0 || slot == A, "round {round}");
    }
}

#[test]
fn no_byte_of_an_image_may_differ() {
    let whole = image(2).len() as u32;
    for offset in 0..whole {
        let mut device = staged();
        device.decay(B, offset);
        let started = device.start(ResetCause::Software);
        assert_eq!(started, runs(1, A, false), "byte {offset}");
    }
    // The same image in the slot of another device class.
    let mut device = staged();
    let mut foreign = rules(0);
    foreign.identity.class.0[0] ^= 1;
    assert_eq!(device.start_with(&foreign, ResetCause::Software), Started::Recovery);
}

#[test]
fn errors_are_errors() {
    fn text<E: core::error::Error>(error: &E) -> String {
        error.to_string()
    }
    let refused = BootError::<SimError>::Refused(BootRefusal::OnTrial);
    assert_eq!(text(&refused), text(&BootRefusal::OnTrial));
}
