//! The object is not what it was, or does not arrive as it is: from the start again, and not for ever.

mod common;

use common::{Draft, End, Opening, OwnedOffer, Say, World};
use core::cell::Cell;

/// Another package than `Draft::new(2)`, `more` bytes longer.
fn other(more: usize) -> Vec<u8> {
    Draft { payload: Draft::new(2).payload + more, ..Draft::new(3) }.package()
}

/// A device that is offered version 2; the offer states no size.
fn offered_without_size() -> World {
    let world = World::new(Draft::new(2).package());
    let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    offer.size = None;
    world.say(Say::Offer(offer));
    world
}

fn restarts(world: &World) -> usize {
    world.notices().iter().filter(|n| *n == "Restarted").count()
}

#[test]
fn an_object_of_another_size_is_fetched_anew_when_the_offer_stated_none() {
    for (etag, more) in [("\"2\"", 500), ("", 500), ("", 0)] {
        let mut world = offered_without_size();
        world.server.etag.replace(if etag.is_empty() { "" } else { "\"1\"" }.into());
        let replaced = Opening::Replaced(other(more), etag);
        world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(9_000), replaced]);
        world.until_heard("version 3.0.0");
        assert_eq!(restarts(&world), 1);
        assert!(world.cloud.failures().is_empty());
        world.is_well(3);
    }
}

#[test]
fn it_may_change_its_size_while_the_device_is_off() {
    for etag in ["\"2\"", ""] {
        let mut world = offered_without_size();
        world.server.etag.replace(if etag.is_empty() { "" } else { "\"1\"" }.into());
        assert_eq!(world.session(|w| w.server.served() > 15_000), End::Quit);
        world.server.put(other(500), etag);
        // And it goes off once more right after the restart.
        assert_eq!(world.session(|w| restarts(w) == 1), End::Quit);
        world.server.put(other(900), etag);
        world.until_heard("version 3.0.0");
        assert_eq!(restarts(&world), 1);
        world.is_well(3);
    }
}

#[test]
fn a_size_that_never_stays_the_same_is_given_up() {
    let mut world = offered_without_size();
    for n in 0..20 {
        let replaced = Opening::Replaced(other(100 + n), "");
        world.server.script.borrow_mut().extend([Opening::Breaks(9_000), replaced]);
    }
    world.server.etag.replace(String::new());
    assert_eq!(world.until_failed(), "failed -2 download given up: the object cannot be continued");
    assert_eq!(restarts(&world), 5);
    world.is_well(1);
}

#[test]
fn an_object_of_another_size_than_the_offer_stated_is_refused() {
    for etag in ["\"2\"", ""] {
        let mut world = World::offered();
        world.server.etag.replace(if etag.is_empty() { "" } else { "\"1\"" }.into());
        let replaced = Opening::Replaced(other(500), etag);
        world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(9_000), replaced]);
        assert_eq!(world.until_failed(), "failed -2 refused: object size differs from the announced size");
        world.is_well(1);
    }
}

/// Version 2, of which `bytes` come damaged: same length, and no validator to tell.
fn damaged(bytes: usize) -> Vec<u8> {
    let mut package = Draft::new(2).package();
    package[6000..6000 + bytes].iter_mut().for_each(|byte| *byte ^= 1);
    package
}

#[test]
fn damaged_bytes_are_fetched_once_more() {
    let mut world = World::offered();
    world.server.put(damaged(1), "");
    let good = Opening::Replaced(Draft::new(2).package(), "");
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(40_000), good]);
    world.until_heard("version 2.0.0");
    assert_eq!(restarts(&world), 1);
    assert_eq!(world.server.offsets(), [0, 1000, 0, 1000]);
    world.is_well(2);
}

#[test]
fn damage_that_stays_is_refused_after_the_second_time_whatever_is_cut() {
    let mut world = World::offered();
    world.server.put(damaged(5), "");
    assert_eq!(world.until_failed(), "failed -3 refused: image digest differs from the manifest");
    assert_eq!(world.server.offsets(), [0, 1000, 0, 1000]);
    world.is_well(1);
    // The device remembers over a reset that it was the second time.
    let mut world = World::offered();
    world.server.put(damaged(5), "");
    assert_eq!(world.session(|w| restarts(w) == 1 && w.server.offsets().len() == 4), End::Quit);
    assert_eq!(world.until_failed(), "failed -3 refused: image digest differs from the manifest");
    assert_eq!(restarts(&world), 1);
    world.is_well(1);
}

#[test]
fn without_restarts_damage_is_refused_with_its_reason() {
    let mut world = World::offered();
    world.policy.restarts = 0;
    world.server.put(damaged(5), "");
    assert_eq!(world.until_failed(), "failed -3 refused: image digest differs from the manifest");
    assert_eq!(world.server.offsets(), [0, 1000]);
}

#[test]
fn a_bare_image_is_fetched_once_more_too() {
    for checksum in [true, false] {
        let image = Draft::new(2).image();
        let mut world = World::new(image.clone());
        world.policy.bare_image = true;
        let mut offer = OwnedOffer::new("2.0.0", &image);
        offer.checksum = offer.checksum.filter(|_| checksum);
        let mut bad = image.clone();
        bad[5000] ^= 1;
        world.server.put(bad, "");
        world.say(Say::Offer(offer));
        let healed = Cell::new(false);
        world.live(|w| {
            if restarts(w) == 1 && !healed.replace(true) {
                w.server.put(image.clone(), "");
            }
            w.cloud.has_heard("version 2.0.0")
        });
        assert!(healed.get());
        world.is_well(2);
    }
}

#[test]
fn bytes_that_are_what_the_vendor_signed_are_not_fetched_again() {
    let mut image = Draft::new(2).image();
    image[5000] ^= 1;
    let mut world = World::new(Draft::new(2).package_of(&image));
    world.offer("2.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: digest mismatch");
    let draft = Draft { signer: common::stranger(), ..Draft::new(2) };
    world.cloud.heard.borrow_mut().clear();
    world.server.put(draft.package(), "\"3\"");
    world.offer("2.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: signed by an unknown key");
    assert_eq!(world.server.offsets(), [0, 1000, 0, 1000], "each once");
    world.is_well(1);
}
