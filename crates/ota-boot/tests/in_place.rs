//! A board that executes in place: an image starts only from the slot it is linked for.

mod common;

use common::cases::{A, B, device_in, phases};
use common::{Device, SLOTS, image_at, rules};
use ota_boot::loader::Decision;
use ota_boot::record::{Image, Phase};
use ota_boot::{BootControl, BootState, InPlace, Record, RollbackReason};
use ota_hal::{Kind, ResetCause, SlotId};
use ota_verify::{FormatError, Refusal, Why};

const AT: InPlace = InPlace([0x0801_0000, 0x0809_0000]);
const ROM_FIXED: u32 = 0x100;
const NOW: ResetCause = ResetCause::Pin;

fn linked_for(n: u8, slot: SlotId) -> Vec<u8> {
    image_at(n, [AT.address(slot), ROM_FIXED])
}

/// Image `n` linked for the other slot, for its payload instead of its slot, next to it, and for nothing.
fn misfits(n: u8, slot: SlotId) -> [(Vec<u8>, Option<u32>); 4] {
    let own = AT.address(slot);
    let fixed = |address| (image_at(n, [address, ROM_FIXED]), Some(address));
    [fixed(AT.address(slot.other())), fixed(own + 32), fixed(own - 1), (image_at(n, [own, 0]), None)]
}

/// Image 1 in A, image 2 in B, as they are, under this record.
fn device(images: [&[u8]; 2], record: Record) -> Device {
    let mut device = Device::factory(Device::blank());
    for (slot, image) in SLOTS.into_iter().zip(images) {
        device.write(slot, image).unwrap();
    }
    device.append(Kind::Boot, &record.encode());
    device
}

/// The record of `phase`, about the image that is in B.
fn record_of(phase: Phase, image: &[u8]) -> Record {
    let mut device = device_in(Phase::Confirmed);
    device.write(B, image).unwrap();
    let image = Image::of(&device.prove(B, 0).unwrap());
    Record { home: A, floor: 0, phase, image: Some(image) }
}

/// Slot that starts, and whether on trial; `None` for recovery.
fn start(device: &mut Device) -> Option<(SlotId, bool)> {
    match device.decide(&rules(0), NOW, AT).unwrap() {
        Decision::Boot { proof, trial } => Some((proof.slot(), trial)),
        Decision::Recovery { .. } => None,
    }
}

#[test]
fn images_start_from_the_slots_they_are_linked_for() {
    let [a, b] = [linked_for(1, A), linked_for(2, B)];
    let mut device = device([&a, &b], record_of(Phase::Pending, &b));
    assert_eq!(start(&mut device), Some((B, true)));
    device.with_boot(B, |mut boot| boot.confirm().unwrap());
    assert_eq!(start(&mut device), Some((B, false)));
    device.decay(B, 40);
    assert_eq!(device.decide(&rules(1), NOW, AT).map(|d| matches!(d, Decision::Recovery { .. })), Some(true));
}

#[test]
fn a_staged_misfit_is_never_started_and_the_reason_is_kept() {
    for (bad, _) in misfits(2, B) {
        for phase in [Phase::Pending, Phase::Testing { attempts_left: 2, last_reset: NOW }] {
            let mut device = device([&linked_for(1, A), &bad], record_of(phase, &bad));
            for _ in 0..2 {
                assert_eq!(start(&mut device), Some((A, false)));
                let state = device.with_boot(A, |mut boot| boot.state().unwrap()).unwrap();
                let reason = RollbackReason::ImageInvalid;
                assert_eq!(state, BootState::RolledBack { running: A, reason, last_reset: NOW });
            }
        }
    }
}

#[test]
fn an_accepted_misfit_gives_way_to_the_other_slot() {
    let good = linked_for(2, B);
    for (bad, _) in misfits(1, A) {
        let mut device = device([&bad, &good], Record::FACTORY);
        assert_eq!(start(&mut device), Some((B, false)));
        let reason = RollbackReason::ActiveInvalid;
        assert_eq!(device.record().phase, Phase::RolledBack { reason, last_reset: NOW });
        assert_eq!(device.record().home, B);
    }
}

#[test]
fn with_two_misfits_nothing_starts_nothing_is_stored_and_both_addresses_are_told() {
    for phase in phases() {
        for ((a, of_a), (b, of_b)) in misfits(1, A).into_iter().zip(misfits(2, B)) {
            let mut device = device([&a, &b], record_of(phase, &b));
            let before = device.record();
            let why = [(A, of_a), (B, of_b)].map(|(slot, linked)| {
                let misfit = Refusal::WrongAddress { linked, slot: AT.address(slot) };
                assert_eq!(device.prove(slot, 0).unwrap().linked_at(AT.address(slot)), Err(misfit));
                Why::from(misfit)
            });
            assert_eq!(device.decide(&rules(0), NOW, AT), Some(Decision::Recovery { why }), "{phase:?}");
            assert_eq!(device.record(), before);
        }
    }
}

/// Also where the journal does not mount: there is no path around it.
#[test]
fn without_a_journal_a_misfit_does_not_start_either() {
    let [(bad, linked), ..] = misfits(1, A);
    let mut slots = [bad.as_slice(), &[]];
    let config = ota_boot::Config::new(AT);
    let decision = ota_boot::loader::boot_unrecorded(&mut slots, &rules(0), &config, &mut ota_hal::reset::NoWatchdog);
    let misfit = Refusal::WrongAddress { linked, slot: AT.address(A) };
    assert_eq!(decision, Decision::Recovery { why: [misfit.into(), FormatError::Truncated.into()] });
}

#[test]
fn a_part_that_maps_the_slots_names_one_address_twice() {
    let window = 0x0800_0000;
    let images = [1, 2].map(|n| image_at(n, [window, ROM_FIXED]));
    for home in SLOTS {
        let record = Record { home, ..Record::FACTORY };
        let mut device = device(images.each_ref().map(Vec::as_slice), record);
        let decision = device.decide(&rules(0), NOW, InPlace([window; 2])).unwrap();
        assert!(matches!(decision, Decision::Boot { proof, .. } if proof.slot() == home));
    }
}
