mod device;

use super::*;
use crate::TargetError;
use core::cell::RefCell;
use device::{Device, IDENTITY, NoKeys, READ, SECTOR, Update};
use embedded_storage::nor_flash::NorFlash;
use ota_diff::{Options, S, encode};
use ota_hal::{Partition, Shared};
use ota_testkit::{Rng, Tear};
use std::println;
use std::vec::Vec;

/// The longest that may come twice after a cut: a checkpoint is due after a sector, and written at the end of the next.
fn link_max(update: &Update, shelf: u32, sectors: u32, cuts: u32) -> u32 {
    update.plan.length + cuts * (((sectors - shelf) / 2 + 1) * SECTOR + READ as u32)
}

fn updates() -> [(&'static str, Update); 3] {
    [("sparse", Update::of(1, 8, 900)), ("dense", Update::of(2, 8, 6)), ("compressed", Update::compressed(3, 8))]
}

fn any_pieces_and_cuts<const W: usize>() {
    for (name, update) in updates() {
        for seed in 0..6 {
            let mut rng = Rng::new(seed);
            let mut device = Device::<W>::new(&update, 20, &rng.bytes(30_000));
            if seed > 0 {
                for _ in 0..seed {
                    let end = device.journal as usize + rng.below(5000) as usize;
                    device.session(&update, &mut rng, end).unwrap();
                }
            }
            let cuts = seed as u32;
            device.install(&update, &mut rng);
            let most = link_max(&update, device.shelf(), 20, cuts);
            assert!(device.link <= most, "{name} {seed}: {} bytes of {most}", device.link);
        }
    }
}

#[test]
fn any_pieces_and_cuts_give_the_same_image_for_each_write_size() {
    any_pieces_and_cuts::<1>();
    any_pieces_and_cuts::<4>();
    any_pieces_and_cuts::<64>();
}

/// No source can be asked for nothing: the last byte comes again.
#[test]
fn a_cut_behind_the_last_byte_of_the_patch_goes_on_from_a_checkpoint() {
    let update = Update::early(5, 2, 48);
    let mut late = 0;
    for op in (0..).step_by(13) {
        let mut device = Device::<8>::new(&update, 56, &Rng::new(9).bytes(220_000));
        device.flash.borrow_mut().cut_at(op, Tear::Prefix);
        if device.session(&update, &mut Rng::new(op), usize::MAX).is_ok() {
            break;
        }
        device.flash.borrow_mut().power_on();
        let before = device.link;
        device.install(&update, &mut Rng::new(op));
        late += u32::from(device.link == before + 1);
        assert!(device.link <= update.plan.length + SECTOR + READ as u32, "cut at {op}: {} bytes", device.link);
    }
    assert!(late > 2, "{late} cuts behind the last byte");
}

#[test]
fn a_cut_at_every_other_flash_operation_repeats_what_is_behind_the_checkpoint() {
    for (name, update) in updates() {
        let start = Device::<8>::new(&update, 16, &Rng::new(9).bytes(60_000));
        let device = || {
            let flash = start.flash.borrow().clone();
            Device { flash: RefCell::new(flash), ..Device::<8>::new(&update, 16, &[]) }
        };
        let mut whole = device();
        whole.install(&update, &mut Rng::new(0));
        let (ops, shelf) = (whole.flash.borrow().ops(), whole.shelf());
        let image = update.plan.size.div_ceil(SECTOR);
        let (plain, mut most_link, mut most_wear) = (whole.wear(0..16), 0, 0);
        for op in (0..ops).step_by(2) {
            let mut cut = device();
            cut.flash.borrow_mut().cut_at(op, Tear::ALL[(op / 2 % 8) as usize]);
            cut.install(&update, &mut Rng::new(0));
            assert_eq!(cut.cuts, 1, "{name}, operation {op}");
            let most = link_max(&update, shelf, 16, 1);
            assert!(cut.link <= most, "{name}, operation {op}: {} bytes of {most}", cut.link);
            most_link = most_link.max(cut.link - update.plan.length);
            let again: Vec<u32> = cut.wear(0..16).iter().zip(&plain).map(|(a, b)| a.saturating_sub(*b)).collect();
            let (image, rest) = again.split_at(image as usize);
            assert!(image.iter().all(|more| *more <= 1), "{name}, operation {op}: {again:?}");
            assert!(rest.iter().all(|more| *more <= 2), "{name}, operation {op}: {again:?}");
            most_wear = most_wear.max(image.iter().sum());
        }
        println!(
            "{name}: {} bytes make {}; {} operations cut: at most {most_link} bytes came twice, {most_wear} sectors of the \
             image were erased again",
            update.plan.length,
            update.plan.size,
            ops / 2
        );
    }
}

/// Such cells read right for a while. Nobody looks at them again before the image starts.
#[test]
fn no_cell_that_a_cut_left_unstable_becomes_part_of_the_image() {
    let update = Update::of(12, 6, 5);
    let mut unstable = 0;
    for op in 0.. {
        let mut device = Device::<8>::new(&update, 12, &Rng::new(9).bytes(40_000));
        let image = device.slot.start..device.slot.start + update.plan.size;
        device.flash.borrow_mut().cut_at(op, Tear::FewUnstable);
        if device.session(&update, &mut Rng::new(op), usize::MAX).is_ok() {
            break;
        }
        unstable += u32::from(device.flash.borrow().is_unstable_within(&image));
        device.flash.borrow_mut().power_on();
        device.install(&update, &mut Rng::new(op));
        assert!(!device.flash.borrow().is_unstable_within(&image), "cut at {op}");
    }
    assert!(unstable > 100, "{unstable} cuts left such cells");
}

#[test]
fn pairs_of_cuts_with_random_tears() {
    let mut updates = updates();
    for seed in 0..60 {
        let (name, update) = &mut updates[seed as usize % 3];
        let mut rng = Rng::new(seed);
        let mut device = Device::<8>::new(update, 16, &rng.bytes(50_000));
        let mut flash = device.flash.borrow().clone().seeded(seed);
        if seed % 2 == 0 {
            flash = flash.with_ecc();
        }
        let first = rng.below(1500);
        for op in [first, first + 1 + rng.below(40)] {
            flash.cut_at(op.into(), Tear::ALL[rng.below(8) as usize]);
        }
        *device.flash.borrow_mut() = flash;
        device.install(update, &mut rng);
        assert!(device.cuts <= 2, "{name}, seed {seed}");
    }
}

#[test]
fn checkpoints_of_a_sparse_patch_cost_a_sixteenth_of_the_image() {
    const SECTORS: u32 = 150;
    let update = Update::of(4, 140, 100_000);
    let mut device = Device::<8>::new(&update, SECTORS, &[]);
    device.install(&update, &mut Rng::new(1));
    let shelf = device.shelf();
    let cost: u32 = device.wear(shelf..SECTORS).iter().sum();
    println!("{} bytes make {} sectors; {cost} sectors of checkpoints", update.plan.length, update.plan.size / SECTOR);
    assert!(update.plan.length < SECTOR, "not sparse: {}", update.plan.length);
    // Both areas are erased at the begin.
    assert!(cost > 2 && (cost - 2) * 16 <= update.plan.size / SECTOR, "{cost} sectors");
    assert!(device.wear(0..shelf).iter().all(|erased| *erased <= 1), "a sector was erased twice");
}

#[test]
fn a_patch_that_is_damaged_anywhere_fails_and_the_whole_image_can_still_be_written() {
    let update = Update::of(5, 6, 40);
    let (mut refused, mut wrong) = (0, 0);
    for at in (0..update.patch.len()).step_by(37).chain(0..HEADER_LEN) {
        let mut spoilt = update.clone();
        spoilt.patch[at] ^= 1 << (at % 8);
        let mut device = Device::<8>::new(&update, 16, &[]);
        match device.session(&spoilt, &mut Rng::new(0), usize::MAX) {
            Err(e) => {
                assert!(e.is_damage(), "byte {at}: {e}");
                refused += 1;
            }
            // Only the digest tells; the agent asks for it before anything else.
            Ok(()) if device.written(update.new.len()) != update.new => wrong += 1,
            // The last bits of the stream may mean nothing.
            Ok(()) => assert!(at + 4 > update.patch.len(), "byte {at} means nothing"),
        }
        device.with(|target| {
            target.abort().unwrap();
            let raw = Plan::raw(update.plan.size, update.plan.digest);
            target.begin(&raw).unwrap();
            assert_eq!(target.write(&update.new, &mut || {}).unwrap(), update.plan.size);
        });
        assert!(device.written(update.new.len()) == update.new);
    }
    println!("{refused} refused while decoding, {wrong} by their digest");
    assert!(refused > HEADER_LEN);
}

#[test]
fn what_is_for_another_image_is_refused_before_anything_is_erased() {
    let update = Update::of(6, 6, 300);
    let refuses = |update: &Update, why: &str| {
        let left = Rng::new(1).bytes(20_000);
        let mut device = Device::<8>::new(update, 16, &left);
        let e = device.session(update, &mut Rng::new(0), usize::MAX).unwrap_err();
        assert_eq!((e.text(), e.is_damage()), (why, true));
        device.with(|target| {
            target.begin(&update.plan).unwrap();
            target.abort().unwrap();
        });
        assert_eq!(device.flash.borrow().ops(), 0, "the flash was touched");
    };
    let mut other = update.clone();
    other.old[100] ^= 1;
    refuses(&other, "patch is for another base");
    other = update.clone();
    other.old.truncate(50);
    refuses(&other, "patch is for another base");
    for change in [
        (|u: &mut Update| u.plan.size += 1) as fn(&mut Update),
        |u| u.plan.length += 1,
        |u| u.plan.digest = Some([7; 32]),
        |u| u.plan.digest = None,
    ] {
        other = update.clone();
        change(&mut other);
        other.patch.resize(other.plan.length as usize, 0);
        refuses(&other, "patch is for another image");
    }
    other = update.clone();
    other.plan.form = Form::Compressed;
    refuses(&other, "patch is for another base");
    // Made for the other profile.
    other = update.clone();
    other.patch =
        encode(&update.old, &update.new, &mut Options { profile: ota_diff::ProfileId::S, ..Options::default() })
            .unwrap();
    other.plan.length = other.patch.len() as u32;
    refuses(&other, "patch needs another size of decoder");
}

#[test]
fn an_image_that_leaves_no_room_for_checkpoints_is_not_decoded() {
    let update = Update::of(7, 6, 300);
    for sectors in 6..12 {
        let mut device = Device::<8>::new(&update, sectors, &[]);
        let most = device.with(|target| target.decodes());
        assert_eq!((most.delta, most.compressed), (device.shelf() * SECTOR, device.shelf() * SECTOR));
        let result = device.session(&update, &mut Rng::new(0), usize::MAX);
        assert_eq!(result.is_ok(), update.plan.size <= most.delta, "{sectors} sectors");
    }
    let small = Device::<8>::new(&update, 16, &[]);
    let flash = Shared::new(&small.flash);
    let mut memory = Decoder::<S>::idle();
    let slot = SlotTarget::new(Region::new(flash, Partition::new(0, SECTOR)), SlotId::B, &NoKeys, IDENTITY);
    let target = PatchTarget::new(slot, Region::new(flash, small.slot), &mut memory);
    assert_eq!(target.decodes(), Accepts::RAW);
}

#[test]
fn a_checkpoint_of_another_job_is_never_continued() {
    let (one, other) = (Update::of(8, 13, 6), Update::of(9, 13, 6));
    let mut rng = Rng::new(2);
    let mut device = Device::<8>::new(&one, 16, &[]);
    while device.journal == 0 {
        let end = device.link as usize + 1000;
        device.session(&one, &mut rng, end).unwrap();
    }
    let durable = device.journal;
    device.with(|target| {
        assert_eq!(target.resume(&other.plan, durable).unwrap(), 0, "of another image");
        assert_eq!(target.resume(&one.plan, durable + 1).unwrap(), 0, "at another position");
        assert_eq!(target.resume(&one.plan, durable).unwrap(), durable);
    });
    // The same job begins again, as it does after damage: nothing that was stored before is left.
    device.journal = 0;
    device.install(&one, &mut rng);
    let cells = device.flash.borrow().cells().to_vec();
    let numbers: Vec<u32> = cells.windows(8).filter(|w| w.starts_with(b"OTC2")).map(|w| u32::from(w[4])).collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_base_that_changed_since_the_checkpoint_is_refused_before_more_is_decoded() {
    let update = Update::of(11, 10, 8);
    let mut device = Device::<8>::new(&update, 16, &[]);
    while device.journal == 0 {
        let end = device.link as usize + 1000;
        device.session(&update, &mut Rng::new(0), end).unwrap();
    }
    let other = {
        let mut base = update.old[..SECTOR as usize].to_vec();
        base[100] ^= 1;
        base
    };
    device.flash.borrow_mut().erase(0, SECTOR).unwrap();
    device.flash.borrow_mut().write(0, &other).unwrap();
    device.flash.borrow_mut().reset_counters();
    let before = device.link;
    let e = device.session(&update, &mut Rng::new(0), usize::MAX).unwrap_err();
    assert_eq!((e.text(), e.is_damage()), ("patch is for another base", true));
    assert!(device.link - before <= READ as u32, "{} bytes were taken", device.link - before);
    assert_eq!(device.flash.borrow().ops(), 0, "the flash was touched");
}

/// The reads that fail hide the checkpoint at one start. What was begun anew then must not be taken for its.
#[test]
fn a_checkpoint_that_could_not_be_read_is_not_found_again_after_the_decoder_began_anew() {
    let update = Update::of(12, 10, 5);
    let mut half = Device::<8>::new(&update, 16, &Rng::new(9).bytes(60_000));
    while half.journal < update.plan.length / 2 {
        let end = half.link as usize + 1000;
        half.session(&update, &mut Rng::new(0), end).unwrap();
    }
    for op in 0..150 {
        let flash = RefCell::new(half.flash.borrow().clone());
        let mut device = Device { flash, ..Device::new(&update, 16, &[]) };
        let image = device.slot.start..device.slot.start + update.plan.size;
        device.flash.borrow_mut().reset_counters();
        device.flash.borrow_mut().fail_reads(0..4);
        device.flash.borrow_mut().cut_at(op, Tear::FewUnstable);
        // So the agent does: it stores that nothing is durable before the first byte.
        let again = device.with(|target| target.resume(&update.plan, half.journal));
        assert_eq!(again.unwrap(), 0, "begun anew");
        let _ = device.session(&update, &mut Rng::new(op), update.patch.len() / 3);
        device.flash.borrow_mut().power_on();
        device.with(|target| {
            let at = target.resume(&update.plan, half.journal).unwrap();
            assert_eq!(at, 0, "cut at {op}: a checkpoint of what was written over");
        });
        device.install(&update, &mut Rng::new(op));
        assert!(!device.flash.borrow().is_unstable_within(&image), "cut at {op}");
    }
}
