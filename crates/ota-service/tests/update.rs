//! One update from offer to confirmed, and the offers around it.

mod common;

use common::{Draft, End, Opening, OwnedOffer, SLOT_LEN, Say, World, stranger, vendor};
use ota_service::{CloudKey, Decision, Gate, Health};
use ota_testkit::Rng;
use ota_transport::{Checksum, OfferError};
use ota_verify::rsa::Rsa2048Pkcs1;

#[test]
fn happy_path_from_offer_to_the_version_report() {
    let mut world = World::offered();
    assert_eq!(world.until_heard("version 2.0.0"), 1, "one reset");
    let heard = world.cloud.heard.borrow().clone();
    assert_eq!(heard.first().unwrap(), "version 1.0.0", "the version comes first");
    assert_eq!(heard.last().unwrap(), "version 2.0.0");
    let percents: Vec<u8> = heard.iter().filter_map(|t| t.strip_prefix("progress ")?.parse().ok()).collect();
    assert!(percents.is_sorted() && percents.len() <= 23, "at most every 5 percent: {percents:?}");
    // Once when staged, once more from the image on trial.
    assert_eq!(percents.iter().filter(|p| **p == 100).count(), 2);
    let notices = world.notices();
    assert_eq!(notices, ["Accepted", "Verifying", "Staged", "Trial", "Confirmed"]);
    // Envelope, then payload; nothing twice but what one read took beyond the envelope.
    assert_eq!(world.server.offsets(), [0, 1000]);
    let image = Draft::new(2).image().len() as u32;
    assert!(world.server.served() <= image + 1000 + common::DATA as u32);
    assert!(world.server.closed.get() > 0);
    world.is_well(2);
}

#[test]
fn flash_full_of_garbage_takes_an_update() {
    for seed in 0..5 {
        let mut world = World::offered();
        let mut rng = Rng::new(seed);
        world.flash.borrow_mut().fill_garbage(&mut rng);
        common::program(&mut world.flash.borrow_mut(), 0, &Draft::new(1).image());
        world.until_heard("version 2.0.0");
        world.is_well(2);
    }
}

#[test]
fn a_duplicate_offer_changes_nothing_and_is_answered_by_the_progress() {
    let mut world = World::offered();
    world.offer("2.0.0");
    world.server.chunk.set(512);
    let offers = core::cell::Cell::new(0);
    world.live(|w| {
        // Again and again, in every state of the update.
        if offers.get() < 60 {
            offers.set(offers.get() + 1);
            w.offer("2.0.0");
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert_eq!(world.product.asked.get(), 1, "decided once");
    assert!(world.cloud.failures().is_empty());
    assert_eq!(world.server.offsets(), [0, 1000]);
    world.is_well(2);
}

#[test]
fn a_signed_url_that_changes_with_every_push_is_still_a_duplicate() {
    let mut world = World::offered();
    let mut again = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    again.url = "http://cloud/object?signature=other".into();
    world.live(|w| {
        if w.server.offsets().len() == 1 && w.product.asked.get() == 1 && *w.server.locator.borrow() != again.url {
            w.server.locator.replace(again.url.clone());
            w.say(Say::Offer(again.clone()));
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert_eq!(world.product.asked.get(), 1);
}

#[test]
fn another_offer_or_nonsense_during_an_update_is_not_answered_as_its_failure() {
    let mut world = World::offered();
    world.product.gates = vec![Gate::app("slow", 60_000)];
    world.set_health(&[Health::Pending]);
    let said = core::cell::Cell::new(0);
    world.live(|w| {
        // In every state of the update, its trial included.
        let states = ["Accepted", "Staged", "Trial"].map(|state| w.notices().iter().any(|n| n == state));
        if states.into_iter().filter(|reached| *reached).count() > said.get() {
            said.set(said.get() + 1);
            w.offer("3.0.0");
            w.say(Say::Bad(OfferError::Missing("url")));
        } else if said.get() == 3 && w.cloud.to_device.borrow().is_empty() {
            w.set_health(&[Health::Pass]);
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert_eq!(world.cloud.failures(), Vec::<String>::new());
    assert_eq!(world.product.asked.get(), 1);
    let ignored = |what: &str| world.notices().iter().filter(|n| n.starts_with("Ignored") && n.contains(what)).count();
    assert_eq!((ignored("busy"), ignored("missing field")), (3, 3));
    world.is_well(2);
}

#[test]
fn another_module_is_answered_busy_under_its_own_name() {
    let mut world = World::offered();
    let mut camera = OwnedOffer::new("3.0.0", b"camera");
    camera.module = "camera".into();
    world.say(Say::Offer(camera));
    world.until_heard("version 2.0.0");
    assert_eq!(world.cloud.failures(), ["failed camera -1 busy: another update is under way"]);
}

#[test]
fn an_answer_that_was_not_sent_yet_is_not_taken_for_the_failure_of_the_next_update() {
    let mut world = World::new(Draft::new(2).package());
    world.say(Say::Bad(OfferError::Missing("url")));
    // The answer waits for the version report, that for the broker; the download is still under way when both can go.
    world.cloud.deaf.set(2);
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Stalls(9_000)]);
    let offered = core::cell::Cell::new(false);
    world.live(|w| {
        if w.cloud.to_device.borrow().is_empty() && !offered.replace(true) {
            w.offer("2.0.0");
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert_eq!(world.cloud.failures(), Vec::<String>::new());
}

#[test]
fn the_version_that_runs_is_answered_by_the_version_report() {
    let mut world = World::new(Draft::new(2).package());
    world.offer("1.0.0");
    world.live(|w| w.cloud.heard.borrow().iter().filter(|t| *t == "version 1.0.0").count() == 2);
    assert_eq!(world.product.asked.get(), 0);
}

#[test]
fn a_deferred_offer_is_asked_again_after_the_wait_and_after_a_reset() {
    let mut world = World::offered();
    *world.product.answers.borrow_mut() =
        vec![Decision::Defer { ms: 60_000 }, Decision::Defer { ms: 60_000 }, Decision::Defer { ms: 1 }];
    let asked = world.product.asked.clone();
    let before = ota_hal::Clock::now(&world.clock);
    assert_eq!(world.session(|_| asked.get() == 2), End::Quit);
    assert!(ota_hal::Clock::now(&world.clock).since(before) >= 60_000, "not before the wait is over");
    assert_eq!(world.server.offsets(), [0; 0], "nothing fetched");
    // A power cut; the offer is not sent again.
    world.until_heard("version 2.0.0");
    assert_eq!(asked.get(), 4);
}

#[test]
fn a_rejected_offer_is_reported_with_the_applications_words() {
    let mut world = World::offered();
    *world.product.answers.borrow_mut() = vec![Decision::Reject("battery low")];
    assert_eq!(world.until_failed(), "failed -1 refused: battery low");
    world.is_well(1);
}

#[test]
fn a_deferred_offer_can_be_rejected_later() {
    let mut world = World::offered();
    *world.product.answers.borrow_mut() = vec![Decision::Defer { ms: 5 }, Decision::Reject("not wanted")];
    assert_eq!(world.until_failed(), "failed -1 refused: not wanted");
    world.is_well(1);
}

#[test]
fn the_reset_waits_until_the_application_is_ready() {
    let mut world = World::offered();
    world.product.ready.set(false);
    let asked = world.product.ready_asked.clone();
    assert_eq!(world.session(|_| asked.get() >= 5), End::Quit, "asked again and again");
    world.product.ready.set(true);
    world.until_heard("version 2.0.0");
}

#[test]
fn a_bare_image_is_a_matter_of_policy() {
    let mut world = World::new(Draft::new(2).image());
    world.offer("2.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: an image without a package is not allowed");
    world.is_well(1);

    let mut world = World::new(Draft::new(2).image());
    world.offer("2.0.0");
    world.policy.bare_image = true;
    world.until_heard("version 2.0.0");
    world.is_well(2);
}

#[test]
fn the_checksum_of_a_bare_image_is_checked_by_reading_back() {
    let mut world = World::new(Draft::new(2).image());
    world.policy.bare_image = true;
    let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    offer.checksum = Some(Checksum::Sha256([7; 32]));
    world.say(Say::Offer(offer));
    assert_eq!(world.until_failed(), "failed -3 refused: checksum differs from the offer");
    world.is_well(1);
}

#[test]
fn an_md5_is_checked_where_it_is_built_in_and_passed_over_elsewhere() {
    let mut world = World::new(Draft::new(2).image());
    world.policy.bare_image = true;
    let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    offer.checksum = Some(Checksum::Md5([7; 16]));
    world.say(Say::Offer(offer));
    if cfg!(feature = "md5") {
        assert_eq!(world.until_failed(), "failed -3 refused: checksum differs from the offer");
        world.is_well(1);
    } else {
        world.until_heard("version 2.0.0");
    }
}

#[test]
fn with_a_cloud_key_a_bare_image_needs_the_clouds_signature_too() {
    let key: &'static Rsa2048Pkcs1<'static> =
        Box::leak(Box::new(Rsa2048Pkcs1::from_blob(&stranger().pkcs1_blob).unwrap()));
    let world_with = |signature: fn(&[u8; 32]) -> Vec<u8>| {
        let mut world = World::new(Draft::new(2).image());
        world.policy.bare_image = true;
        world.policy.cloud_key = Some(CloudKey(key));
        let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
        offer.cloud_signature = signature(&common::sha256(&world.server.object.borrow()));
        world.say(Say::Offer(offer));
        world
    };
    let mut none = world_with(|_| vec![]);
    assert_eq!(none.until_failed(), "failed -3 refused: the cloud did not sign the offer");
    none.is_well(1);
    let mut wrong = world_with(|digest| vendor().pkcs1(digest));
    assert_eq!(wrong.until_failed(), "failed -3 refused: cloud signature not valid");
    assert_eq!(wrong.server.offsets(), [0; 0]);
    wrong.is_well(1);
    let mut good = world_with(|digest| stranger().pkcs1(digest));
    good.until_heard("version 2.0.0");
    good.is_well(2);
    // It never replaces the image's own signature.
    let mut draft = Draft::new(2);
    draft.signer = stranger();
    let mut foreign = world_with(|_| vec![]);
    foreign.server.put(draft.image(), "\"f\"");
    foreign.cloud.to_device.borrow_mut().clear();
    let mut offer = OwnedOffer::new("2.0.0", &foreign.server.object.borrow());
    offer.cloud_signature = stranger().pkcs1(&common::sha256(&foreign.server.object.borrow()));
    foreign.say(Say::Offer(offer));
    assert_eq!(foreign.until_failed(), "failed -3 refused: signed by an unknown key");
    foreign.is_well(1);
}

#[test]
fn a_download_goes_on_without_a_messaging_link() {
    let mut world = World::offered();
    world.server.script.borrow_mut().extend([Opening::Breaks(2000), Opening::Breaks(5000)]);
    assert_eq!(world.session(|w| w.server.served() > 3000), End::Quit);
    world.offline = true;
    assert_eq!(world.session(|_| unreachable!("no link, no poll of it")), End::Reset);
    world.offline = false;
    world.until_heard("version 2.0.0");
    world.is_well(2);
}

#[test]
fn every_component_has_its_version_informed_at_each_connect() {
    let mut world = World::new(vec![]);
    world.product.components = vec![("mcu".into(), "7".into()), ("ble".into(), "8".into())];
    world.live(|w| w.cloud.heard.borrow().len() == 3);
    assert_eq!(*world.cloud.heard.borrow(), ["version 1.0.0", "version mcu 7", "version ble 8"]);
}

#[test]
fn hold_off_delays_the_first_request() {
    let mut world = World::offered();
    world.policy.timing.hold_off_ms = 3_600_000;
    world.until_heard("version 2.0.0");
    assert!(ota_hal::Clock::now(&world.clock).0 > 10_000);
    assert_eq!(SLOT_LEN % 4096, 0);
}

#[test]
fn the_application_is_called_while_the_slot_is_read_back() {
    // A package is read twice, for the manifest's digest and for the image's own; a bare image for the offer's sum.
    for object in [Draft::new(2).package(), Draft::new(2).image()] {
        let mut world = World::new(object);
        world.policy.bare_image = true;
        world.offer("2.0.0");
        assert_eq!(world.session(|_| false), common::End::Reset);
        let (worked, len) = (world.product.worked.get(), Draft::new(2).image().len() as u32);
        assert!(worked >= 2 * len / 1024, "{worked} calls for two passes over {len} bytes");
    }
}

/// A package that forbids no other.
fn of_counter_1(version: u8) -> Vec<u8> {
    Draft { counter: 1, ..Draft::new(version) }.package()
}

#[test]
fn an_offer_that_was_installed_is_not_installed_again_whatever_it_calls_the_version() {
    let mut world = World::new(of_counter_1(2));
    world.offer("two point oh, summer release");
    world.until_heard("version 2.0.0");
    let served = world.server.served();
    // The broker keeps the offer and hands it out at each connect.
    for _ in 0..3 {
        world.cloud.heard.borrow_mut().clear();
        world.offer("two point oh, summer release");
        // Once at the connect, once as the answer.
        world.live(|w| w.cloud.heard.borrow().iter().filter(|text| *text == "version 2.0.0").count() > 1);
    }
    assert_eq!(world.server.served(), served, "nothing was fetched again");
    assert_eq!(world.notices().iter().filter(|notice| *notice == "Staged").count(), 1);
    // Another one, and then this one again, is what somebody wants.
    world.server.put(of_counter_1(3), "\"3\"");
    world.offer("3");
    world.until_heard("version 3.0.0");
    world.server.put(of_counter_1(2), "\"2\"");
    world.cloud.heard.borrow_mut().clear();
    world.offer("two point oh, summer release");
    world.until_heard("version 2.0.0");
    world.is_well(2);
}

#[test]
fn an_installed_image_that_was_given_up_later_may_come_again() {
    let mut world = World::new(of_counter_1(2));
    world.offer("two");
    world.until_heard("version 2.0.0");
    // It decays: the loader falls back to the old image.
    let slot = common::LAYOUT.slot(world.load().unwrap().1);
    world.flash.borrow_mut().decay(slot.start + 8000, 1);
    world.cloud.heard.borrow_mut().clear();
    world.until_heard("version 1.0.0");
    world.cloud.heard.borrow_mut().clear();
    world.offer("two");
    world.until_heard("version 2.0.0");
    world.is_well(2);
}
