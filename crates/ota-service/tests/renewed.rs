//! The offer under way comes again with a fresh URL, because signed URLs expire: the download goes on with it.

mod common;

use common::{DATA, Draft, End, Opening, OwnedOffer, Say, World};
use core::cell::Cell;
use ota_download::Failure;
use ota_service::Decision;

const FRESH: &str = "http://cloud/object?signature=fresh";
const AGAIN: Failure = Failure::Retry { after_ms: 0 };

/// The same offer with another URL, which is the only good one from now on.
fn renew(world: &World, url: &str) {
    push(world, url);
    world.server.locator.replace(url.into());
}

fn push(world: &World, url: &str) {
    let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    offer.url = url.into();
    world.say(Say::Offer(offer));
}

/// Renews when `when` first holds; the update must come to its good end.
fn renewed(mut world: World, when: impl Fn(&World) -> bool) -> World {
    let done = Cell::new(false);
    world.live(|w| {
        if !done.get() && when(w) {
            done.set(true);
            renew(w, FRESH);
        }
        assert!(w.cloud.failures().is_empty(), "{:?}", w.cloud.failures());
        w.cloud.has_heard("version 2.0.0")
    });
    assert!(done.get());
    assert_eq!(world.product.asked.get(), 1, "it is no new offer");
    world
}

fn noticed(world: &World, what: &str) -> bool {
    world.notices().iter().any(|n| n.starts_with(what))
}

#[test]
fn the_next_connection_uses_it_and_goes_on_where_the_last_one_broke() {
    let world = World::offered();
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(15_000)]);
    let mut world = renewed(world, |w| w.server.served() > 9_000);
    let image = Draft::new(2).image().len() as u32;
    assert!(world.server.served() <= image + 1000 + DATA as u32, "{} bytes", world.server.served());
    assert!(!noticed(&world, "Restarted"));
    world.is_well(2);
}

#[test]
fn it_is_used_after_a_reset() {
    let mut world = World::offered();
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Stalls(15_000)]);
    let done = Cell::new(false);
    let end = world.session(|w| {
        if !done.get() && w.server.served() > 9_000 {
            done.set(true);
            renew(w, FRESH);
        }
        w.server.served() > 14_000
    });
    assert_eq!(end, End::Quit);
    world.until_heard("version 2.0.0");
    assert!(world.server.offsets()[2] > 8_000, "{:?}", world.server.offsets());
    world.is_well(2);
}

#[test]
fn it_may_come_in_any_state_before_the_proof() {
    let mut world = World::offered();
    *world.product.answers.borrow_mut() = vec![Decision::Defer { ms: 60_000 }];
    let done = Cell::new(false);
    world.live(|w| {
        if noticed(w, "Deferred") && !done.replace(true) {
            renew(w, FRESH);
        }
        w.cloud.has_heard("version 2.0.0")
    });
    world.is_well(2);

    let envelope = World::offered();
    envelope.server.chunk.set(50);
    let mut world = renewed(envelope, |w| w.server.served() > 20);
    assert_eq!(world.server.offsets(), [0, 0, 1000], "the envelope once more");
    world.is_well(2);

    let waiting = World::offered();
    waiting.server.script.borrow_mut().extend((0..5).map(|_| Opening::Fails(AGAIN)));
    renewed(waiting, |w| noticed(w, "Waiting")).is_well(2);
}

#[test]
fn an_expired_url_that_was_being_opened_does_not_end_the_job() {
    let world = World::offered();
    let script = [Opening::Breaks(40_000), Opening::Breaks(9_000), Opening::FailsLate(Failure::Permanent)];
    world.server.script.borrow_mut().extend(script);
    let mut world = renewed(world, |w| w.server.served() > 9_500 && w.server.script.borrow().is_empty());
    assert!(!noticed(&world, "Restarted"));
    world.is_well(2);
    // The fresh one has no such credit.
    let mut world = World::offered();
    world.server.script.borrow_mut().extend([
        Opening::Breaks(40_000),
        Opening::Breaks(9_000),
        Opening::Fails(Failure::Permanent),
    ]);
    let done = Cell::new(false);
    world.live(|w| {
        if w.server.served() > 5_000 && !done.replace(true) {
            renew(w, FRESH);
        }
        !w.cloud.failures().is_empty()
    });
    assert_eq!(world.cloud.failures(), ["failed -2 download failed: scripted fault"]);
    world.is_well(1);
}

#[test]
fn the_same_url_again_is_not_stored_again_and_one_that_does_not_fit_not_at_all() {
    let ops = |urls: &[String]| {
        let mut world = World::offered();
        world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(9_000)]);
        let done = Cell::new(false);
        world.live(|w| {
            if w.server.served() > 5_000 && !done.replace(true) {
                urls.iter().for_each(|url| push(w, url));
            }
            w.cloud.has_heard("version 2.0.0")
        });
        world.flash.borrow().ops()
    };
    let none = ops(&[]);
    assert_eq!(ops(&[common::peers::LOCATOR.into(), String::new(), "u".repeat(1601)]), none);
    assert_ne!(ops(&[FRESH.into(), common::peers::LOCATOR.into()]), none);
}
