//! What the loader decides, by state of the record and of the slots.

mod common;

use common::cases::{A, B, device_in, factory, phases, record_in, runs, staged};
use common::{LAYOUT, Started, build, image, image_with, rules};
use ota_boot::loader::{Config, Decision, boot};
use ota_boot::record::Phase;
use ota_boot::{BootControl, BootState, Copied, Record, RollbackReason};
use ota_hal::{Journal, Kind, ReadAt, ResetCause, Watchdog};
use ota_verify::{FormatError, Refusal, VerifyError, verify_image};
use std::cell::Cell;

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
        let config = Config::new(Copied);
        let decision =
            boot(&mut journal, &mut slots, &rules(0), ResetCause::Pin, &config, &mut ota_hal::reset::NoWatchdog);
        let old = Refusal::CounterTooLow { counter: 0, floor: 1 };
        assert_eq!(decision, Decision::Recovery { why: [old.into(), FormatError::Magic.into()] });
        // The whole error is there for who asks again.
        let slot = &mut device.slot(A);
        assert_eq!(verify_image(slot, A, &rules(1)), Err(VerifyError::Refused(old)));
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
    let config = Config::new(Copied);
    let decision = boot(&mut journal, &mut slots, &rules(0), ResetCause::Pin, &config, &mut Dog(&since));
    assert!(matches!(decision, Decision::Boot { .. }));
    assert!((1..1024).contains(&most.get()), "{} bytes without feeding", most.get());
}
