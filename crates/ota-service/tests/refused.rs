//! What must not be installed: each a typed refusal with a report, nothing bootable changed, and the device is well.

mod common;

use common::{Draft, Opening, OwnedOffer, SECTOR, SLOT_LEN, Say, World, stranger};
use ota_transport::{Checksum, OfferError};
use ota_verify::Uuid;
use ota_verify::manifest::{Encoding, ForSlot};

/// Offers `object`; it must fail with this report, before a byte of the other slot was touched if `untouched`.
fn refused(object: Vec<u8>, report: &str, untouched: bool) {
    let mut world = World::new(object);
    world.offer("2.0.0");
    fails(&mut world, report, untouched);
}

fn fails(world: &mut World, report: &str, untouched: bool) {
    let mark = [0x5A; 8];
    common::program(&mut world.flash.borrow_mut(), SLOT_LEN, &mark);
    assert_eq!(world.until_failed(), report);
    let other = world.other_slot();
    if untouched {
        assert_eq!(other[..8], mark, "touched before it was believed");
    } else {
        assert_eq!(other[..8], [0xFF; 8], "the slot may look complete");
    }
    assert_eq!(world.cloud.failures().len(), 1);
    world.is_well(1);
}

#[test]
fn a_tampered_image() {
    let mut image = Draft::new(2).image();
    image[5000] ^= 1;
    // The manifest is of the tampered image: only the image's own digest can tell.
    refused(Draft::new(2).package_of(&image), "failed -3 refused: digest mismatch", false);
    // The manifest is of the true image, the bytes were changed on the way.
    let mut package = Draft::new(2).package();
    package[6000] ^= 1;
    refused(package, "failed -3 refused: image digest differs from the manifest", false);
}

#[test]
fn a_foreign_key() {
    let mut draft = Draft::new(2);
    draft.manifest_signer = stranger();
    refused(draft.package(), "failed -3 refused: signed by an unknown key", true);
    let mut draft = Draft::new(2);
    draft.signer = stranger();
    refused(draft.package(), "failed -3 refused: signed by an unknown key", false);
}

#[test]
fn a_manifest_that_was_changed_after_signing() {
    let mut package = Draft::new(2).package();
    // A byte of the manifest's vendor id.
    package[14] ^= 1;
    refused(package, "failed -3 refused: signature mismatch", true);
}

#[test]
fn an_older_security_counter() {
    let mut world = World::new(Draft::new(5).package());
    world.offer("5.0.0");
    world.until_heard("version 5.0.0");
    let mut draft = Draft::new(6);
    draft.counter = 4;
    world.server.put(draft.package(), "\"2\"");
    world.offer("6.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: security counter too low (downgrade)");
    assert_eq!(world.server.offsets().len(), 3, "only the envelope was fetched");
    // A manifest that claims a higher counter than its image has.
    let image = draft.image();
    draft.counter = 6;
    world.cloud.heard.borrow_mut().clear();
    world.server.put(draft.package_of(&image), "\"3\"");
    world.offer("6.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: security counter too low (downgrade)");
    world.is_well(5);
}

#[test]
fn other_vendors_and_classes() {
    for (class, report) in [(true, "failed -3 refused: wrong class id"), (false, "failed -3 refused: wrong vendor id")]
    {
        let mut draft = Draft::new(2);
        let id = if class { &mut draft.identity.class } else { &mut draft.identity.vendor };
        *id = Uuid([0x77; 16]);
        refused(draft.package(), report, true);
        // The manifest is for this device, the image inside is not.
        let image = draft.image();
        refused(Draft::new(2).package_of(&image), report, false);
    }
}

#[test]
fn wrong_sizes() {
    let package = Draft::new(2).package();
    let offered = |size, report: &str, untouched| {
        let mut world = World::new(package.clone());
        let mut offer = OwnedOffer::new("2.0.0", &package);
        offer.size = Some(size);
        world.say(Say::Offer(offer));
        fails(&mut world, report, untouched);
    };
    offered(0, "failed -1 refused: announced size is 0", true);
    let len = package.len() as u32;
    offered(len + 1, "failed -2 refused: object size differs from the announced size", true);
    offered(len - 1, "failed -2 refused: object size differs from the announced size", true);
    offered(u32::MAX, "failed -2 refused: object size differs from the announced size", true);
    // The image does not fit the slot.
    let mut draft = Draft::new(2);
    draft.payload = SLOT_LEN as usize;
    refused(draft.package(), "failed -4 refused: image larger than the slot", true);
    // The object is shorter than its manifest says.
    let short = package[..package.len() - 1].to_vec();
    refused(short, "failed -3 refused: object shorter than its content", true);
    refused(vec![], "failed -1 refused: announced size is 0", true);
}

#[test]
fn an_empty_object_and_one_without_length() {
    let mut world = World::new(vec![]);
    let mut offer = OwnedOffer::new("2.0.0", b"x");
    offer.size = None;
    world.say(Say::Offer(offer.clone()));
    fails(&mut world, "failed -2 refused: the object is empty", true);
    // Short, and nobody says how long it is: tries end.
    let package = Draft::new(2).package();
    let mut world = World::new(package[..package.len() - 100].to_vec());
    world.server.no_length.set(true);
    world.say(Say::Offer(offer));
    fails(&mut world, "failed -2 download given up: the body ended early", false);
}

#[test]
fn objects_that_are_neither_package_nor_image_and_damaged_heads() {
    refused(b"<html>404 not found</html>".to_vec(), "failed -3 refused: neither package nor image", true);
    let package = Draft::new(2).package();
    let mut reserved = package.clone();
    reserved[6] = 1;
    refused(reserved, "failed -3 refused: package: later format", true);
    let mut large = package.clone();
    large[4..6].copy_from_slice(&[0xFF, 0xFF]);
    refused(large, "failed -3 refused: package: envelope too large", true);
    let mut overlong = package.clone();
    overlong[8..10].copy_from_slice(&[0xFF, 0xFF]);
    refused(overlong, "failed -3 refused: package: malformed envelope", true);
}

#[test]
fn payloads_this_device_cannot_use() {
    let draft = Draft::new(2);
    let image = draft.image();
    let with = |change: fn(&mut ota_verify::manifest::Payload)| draft.package_with(&image, change);
    let none = "failed -3 refused: package: no payload for this device";
    refused(with(|p| p.slot = ForSlot::A), none, true);
    refused(with(|p| p.encoding = Encoding::Compressed), "failed -3 refused: not a patch, or a damaged one", true);
    refused(with(|p| p.encoding = Encoding::Delta { base: [0; 32] }), none, true);
    refused(with(|p| p.offset = 10), "failed -3 refused: manifest: payload out of range", true);
    refused(with(|p| p.offset = u32::MAX), "failed -3 refused: manifest: payload out of range", true);
    refused(with(|p| p.length += 1), "failed -3 refused: manifest: raw payload is not its image", true);
}

/// A URL of this length.
fn url(len: usize) -> String {
    format!("{:u<len$}", "http://cloud/")
}

#[test]
fn offers_that_do_not_fit() {
    let package = Draft::new(2).package();
    let offered = |change: fn(&mut OwnedOffer), report: &str| {
        let mut world = World::new(package.clone());
        let mut offer = OwnedOffer::new("2.0.0", &package);
        change(&mut offer);
        world.say(Say::Offer(offer));
        fails(&mut world, report, true);
        assert_eq!(world.server.offsets()[..2], [0, 1000], "only the good one was fetched");
    };
    offered(|o| o.url = url(1601), "failed -1 refused: URL too long");
    offered(|o| o.url = url(1600), "failed -2 refused: URL longer than the read buffer");
    offered(|o| o.version = "v".repeat(65), "failed -1 refused: version text too long");
    offered(|o| o.module = "camera".into(), "failed camera -1 refused: no such component on this device");
}

#[test]
fn messages_that_are_no_offers_are_answered_and_forgotten() {
    let mut world = World::new(vec![]);
    world.say(Say::Bad(OfferError::Missing("url")));
    assert_eq!(world.until_failed(), "failed -1 offer refused: missing field url");
    world.cloud.heard.borrow_mut().clear();
    world.say(Say::Bad(OfferError::Malformed));
    assert_eq!(world.until_failed(), "failed -1 offer refused: malformed message");
    let told = "Ignored { text: \"offer refused: malformed message\", detail: \"\" }";
    assert_eq!(world.notices().iter().filter(|notice| *notice == told).count(), 1, "{:?}", world.notices());
    world.is_well(1);
}

#[test]
fn refusals_survive_a_power_cut_until_they_are_acknowledged() {
    let mut world = World::new(b"<html>".to_vec());
    world.offer("2.0.0");
    world.product.answers.borrow_mut().clear();
    // Nobody listens from the moment of the refusal on.
    world.session(|w| {
        if w.notices().iter().any(|n| n.starts_with("Failed")) {
            w.cloud.deaf.set(u32::MAX);
        }
        w.cloud.deaf.get() > 0 && w.cloud.arrived.get() > 8
    });
    assert_eq!(world.cloud.failures().len(), 0);
    world.cloud.deaf.set(0);
    assert_eq!(world.until_failed(), "failed -3 refused: neither package nor image");
    world.live(|w| ota_hal::Clock::now(&w.clock).0 > 100_000_000);
    assert_eq!(world.cloud.failures().len(), 1, "once acknowledged it is not sent again");
    world.is_well(1);
}

#[test]
fn a_checksum_that_is_not_of_the_package_only_names_it() {
    let mut world = World::new(Draft::new(2).package());
    let mut offer = OwnedOffer::new("2.0.0", b"");
    offer.size = None;
    offer.checksum = Some(Checksum::Md5([1; 16]));
    world.say(Say::Offer(offer));
    world.until_heard("version 2.0.0");
    assert_eq!(SECTOR, 4096);
}

#[test]
fn a_permanent_failure_of_the_source() {
    let mut world = World::offered();
    world.server.script.borrow_mut().push_back(Opening::Fails(ota_download::Failure::Permanent));
    fails(&mut world, "failed -2 download failed: scripted fault", true);
}
