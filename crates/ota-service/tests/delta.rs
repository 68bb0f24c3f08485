//! Deltas and compressed images through a whole device: which payload it takes, what comes over the link, cuts, and what
//! happens to patches that cannot be applied.

mod common;

use common::build::enveloped;
use common::{DATA, Draft, End, IDENTITY, SECTOR, World, sha256, vendor};
use ota_diff::{Options, compress, encode};
use ota_hal::{ResetCause, SlotId};
use ota_testkit::Tear;
use ota_verify::manifest::{ComponentHead, Encoding, ForSlot, Head, Payload};

/// Version 2 with most of version 1 in it; its patch is a few sectors long.
fn new() -> Draft {
    Draft { seed: 1, payload: 43_000, ..Draft::new(2) }
}
fn old_image() -> Vec<u8> {
    Draft::new(1).image()
}

/// One payload of a package to be: encoding and bytes.
type Part = (Encoding, Vec<u8>);

fn full() -> Part {
    (Encoding::Raw, new().image())
}
fn delta_from(said: &[u8], really: &[u8]) -> Part {
    let patch = encode(really, &new().image(), &mut Options::default()).unwrap();
    (Encoding::Delta { base: sha256(said) }, patch)
}
fn delta() -> Part {
    delta_from(&old_image(), &old_image())
}

/// A package of version 2 with these payloads, and where they lie.
fn package(parts: &[Part]) -> (Vec<u8>, Vec<core::ops::Range<usize>>) {
    let (draft, image) = (new(), new().image());
    let head = Head { schema: 1, sequence: 1, vendor: IDENTITY.vendor, class: IDENTITY.class, components: 1 };
    let (version, security_counter) = (draft.version(), draft.counter);
    let component = ComponentHead { name: "", version, security_counter, payloads: parts.len() as u8 };
    let mut buf = [0; 256];
    let mut manifest = postcard::to_slice(&head, &mut buf).unwrap().to_vec();
    manifest.extend(&*postcard::to_slice(&component, &mut buf).unwrap());
    let mut at = 1500;
    let mut places = Vec::new();
    for (encoding, bytes) in parts {
        let length = bytes.len() as u32;
        let payload = Payload {
            slot: ForSlot::Any,
            encoding: *encoding,
            image_size: image.len() as u32,
            image_digest: sha256(&image),
            offset: at,
            length,
            digest: sha256(bytes),
        };
        manifest.extend(&*postcard::to_slice(&payload, &mut buf).unwrap());
        places.push(at as usize..(at + length) as usize);
        at += length;
    }
    let mut bytes = enveloped(&manifest, vendor());
    bytes.resize(1500, 0);
    parts.iter().for_each(|(_, part)| bytes.extend(part));
    (bytes, places)
}

fn offered(object: Vec<u8>) -> World {
    let world = World::new(object);
    world.offer("2.0.0");
    world
}

/// How many bytes of this place were delivered.
fn delivered(world: &World, place: &core::ops::Range<usize>) -> usize {
    let inside = |(at, n): &(u32, u32)| {
        let (from, to) = ((*at as usize).max(place.start), ((at + n) as usize).min(place.end));
        to.saturating_sub(from)
    };
    world.server.log.borrow().iter().map(inside).sum()
}

#[test]
fn the_delta_is_taken_where_its_base_runs_else_the_compressed_image_else_the_full_one() {
    let other = delta_from(&Draft::new(7).image(), &Draft::new(7).image());
    let small = (Encoding::Compressed, compress(&new().image(), &mut Options::default()).unwrap());
    for (parts, taken) in
        [(vec![full(), small.clone(), delta()], 2), (vec![full(), small, other.clone()], 1), (vec![other, full()], 1)]
    {
        let (object, places) = package(&parts);
        let mut world = offered(object);
        assert_eq!(world.until_heard("version 2.0.0"), 1);
        for (n, place) in places.iter().enumerate() {
            let wanted = if n == taken { place.len() } else { 0 };
            assert_eq!(delivered(&world, place), wanted, "payload {n}, {taken} was to be taken");
        }
        if taken == 2 {
            println!("{} bytes of a delta for an image of {}", places[2].len(), places[0].len());
        }
        assert!(world.product.worked.get() > 300, "the watchdog was not fed: {}", world.product.worked.get());
        world.is_well(2);
    }
}

/// Lives through the cuts that are to come; how many there were.
fn survives(world: &mut World) -> usize {
    let mut cuts = 0;
    loop {
        match world.session(|w| w.cloud.has_heard("version 2.0.0")) {
            End::Quit => return cuts,
            End::Reset => world.cause = ResetCause::Software,
            End::NoPower => {
                cuts += 1;
                world.flash.borrow_mut().power_on();
                world.cause = ResetCause::PowerOn;
                world.cloud.to_device.borrow_mut().clear();
                world.offer("2.0.0");
            }
        }
        assert!(cuts < 5, "seed {}: cuts without end", world.seed);
    }
}

#[test]
fn a_cut_at_any_flash_operation_of_a_delta_repeats_two_sectors_of_it_at_most() {
    let (object, places) = package(&[delta(), full()]);
    let fresh = || {
        let world = offered(object.clone());
        world.flash.borrow_mut().reset_counters();
        world
    };
    let mut world = fresh();
    assert_eq!(survives(&mut world), 0);
    let (ops, mut most) = (world.flash.borrow().ops(), 0);
    assert!(places[0].len() > 2 * SECTOR as usize, "no checkpoint is needed for {} bytes", places[0].len());
    for op in (0..ops).step_by(7) {
        let mut world = fresh();
        world.seed = op;
        world.flash.borrow_mut().cut_at(op, Tear::ALL[(op / 7 % 8) as usize]);
        assert_eq!(survives(&mut world), 1, "operation {op}");
        let again = delivered(&world, &places[0]) - places[0].len();
        assert!(again <= 2 * SECTOR as usize + DATA, "operation {op}: {again} bytes came twice");
        assert_eq!(delivered(&world, &places[1]), 0, "operation {op}: the full image was fetched");
        assert!(world.cloud.failures().is_empty(), "operation {op}: {:?}", world.cloud.failures());
        assert_eq!(world.flash.borrow().violation(), None, "operation {op}");
        most = most.max(again);
        if op % 70 == 0 {
            world.is_well(2);
        }
    }
    println!("{} operations cut, at most {most} bytes came twice", ops / 7);
}

/// Its checkpoints cannot be read any more at one start. Those of the new begin count from the first one on.
#[test]
fn a_delta_that_has_to_begin_anew_does_so_once() {
    let (object, places) = package(&[delta()]);
    let (place, sector) = (&places[0], SECTOR as usize);
    let mut world = offered(object);
    let fetch = |world: &World, bytes: usize| {
        let goal = delivered(world, place) + bytes;
        assert_eq!(world.session(|w| delivered(w, place) >= goal), End::Quit);
    };
    let nearly = place.len() - DATA;
    fetch(&world, nearly);
    let slot = world.layout.slot(SlotId::B);
    let behind = slot.start + (new().image().len() as u32).next_multiple_of(SECTOR);
    world.flash.borrow_mut().corrupt(behind..slot.start + slot.len);
    fetch(&world, nearly - sector);
    let before = delivered(&world, place);
    world.until_heard("version 2.0.0");
    let rest = delivered(&world, place) - before;
    assert!(rest <= 3 * sector + 2 * DATA && rest < nearly, "{rest} bytes of {} came once more", place.len());
    world.is_well(2);
}

#[test]
fn a_patch_for_another_image_is_refused_before_anything_is_erased_and_the_full_image_taken_if_there_is_one() {
    let wrong = delta_from(&old_image(), &Draft::new(7).image());
    let (object, _) = package(core::slice::from_ref(&wrong));
    let mut world = offered(object);
    let before = world.other_slot();
    assert_eq!(world.until_failed(), "failed -3 refused: patch is for another base");
    assert!(world.other_slot() == before, "the slot was touched");
    world.is_well(1);

    let (object, places) = package(&[wrong, full()]);
    let mut world = offered(object);
    world.until_heard("version 2.0.0");
    assert_eq!(delivered(&world, &places[1]), places[1].len());
    world.is_well(2);
}

#[test]
fn a_damaged_patch_is_answered_with_the_full_image_and_without_one_with_a_reason() {
    let (good, places) = package(&[delta(), full()]);
    let (alone, _) = package(&[delta()]);
    for at in (places[0].start..places[0].end).step_by(997) {
        let spoil = |object: &[u8]| {
            let mut object = object.to_vec();
            object[at] ^= 0x10;
            object
        };
        let mut world = offered(spoil(&good));
        world.until_heard("version 2.0.0");
        assert_eq!(delivered(&world, &places[1]), places[1].len(), "byte {at}");
        world.is_well(2);
        let mut world = offered(spoil(&alone));
        let why = world.until_failed();
        assert!(why.starts_with("failed -3 refused: "), "byte {at}: {why}");
        world.is_well(1);
    }
}

#[test]
fn a_damaged_delta_is_answered_with_the_compressed_image_where_there_is_no_full_one() {
    let small = (Encoding::Compressed, compress(&new().image(), &mut Options::default()).unwrap());
    let (mut object, places) = package(&[delta(), small]);
    object[places[0].start + 200] ^= 0x10;
    let mut world = offered(object);
    world.until_heard("version 2.0.0");
    assert_eq!(delivered(&world, &places[1]), places[1].len());
    world.is_well(2);
}

#[test]
fn an_image_that_leaves_no_room_for_checkpoints_comes_in_full() {
    let large = Draft { payload: 62_000, ..new() };
    let image = large.image();
    let patch = encode(&old_image(), &image, &mut Options::default()).unwrap();
    let object = large.package_with(&patch, |payload| {
        payload.encoding = Encoding::Delta { base: sha256(&old_image()) };
        (payload.image_size, payload.image_digest) = (image.len() as u32, sha256(&image));
    });
    let mut world = offered(object);
    assert_eq!(world.until_failed(), "failed -3 refused: package: no payload for this device");
    world.is_well(1);
}
