//! What the loader makes of a flash part that fails, decays, or holds garbage, and of power cuts at each start.

mod common;

use common::cases::{A, B, device_in, factory, phases, runs, staged};
use common::{LAYOUT, SECTOR, Started, image, rules};
use ota_boot::record::Phase;
use ota_boot::{BootControl, BootState};
use ota_hal::{Journal, Kind, ResetCause};
use ota_testkit::{Rng, Tear};

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
        device.flash.get_mut().fail_reads(reads..reads + 8);
        assert_eq!(device.start(ResetCause::PowerOn), started);
        assert_eq!(device.flash.get_mut().cells(), cells);
        // The next start finds it again.
        assert_eq!(device.start(ResetCause::PowerOn), runs(2, B, true));
    }
}

#[test]
fn one_bad_read_is_not_noticed_and_two_cost_nothing_that_is_stored() {
    for phase in phases() {
        let mut reference = device_in(phase);
        reference.flash.get_mut().reset_counters();
        let started = reference.start(ResetCause::PowerOn);
        let reads = reference.flash.get_mut().reads();
        for read in 0..reads {
            let mut device = device_in(phase);
            device.flash.get_mut().reset_counters();
            device.flash.get_mut().fail_reads(read..read + 1);
            assert_eq!(device.start(ResetCause::PowerOn), started, "{phase:?}, read {read}");
            let mut device = device_in(phase);
            device.flash.get_mut().reset_counters();
            device.flash.get_mut().fail_reads(read..read + 2);
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
