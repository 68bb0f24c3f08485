//! Offers are answered at once, also while a silent server is being opened, and those that can never be served too.

mod common;

use common::{Draft, End, Opening, OwnedOffer, Say, World};
use core::cell::Cell;
use ota_hal::Clock;

const BUSY: &str = "failed radio -1 busy: another update is under way";

fn offer_for(world: &World, module: &str, url: &str) -> Say {
    let mut offer = OwnedOffer::new("2.0.0", &world.server.object.borrow());
    offer.module = module.into();
    offer.url = url.into();
    Say::Offer(offer)
}

/// Offers something for another component once the first update is accepted, and again when that was answered.
/// Returns when the answers came, counted from the first offer.
fn answered(world: &mut World) -> Vec<u64> {
    let begin = Cell::new(None);
    let mut at = Vec::new();
    let end = world.session(|w| {
        let answers = w.cloud.failures().iter().filter(|text| *text == BUSY).count();
        let (now, accepted) = (w.clock.now(), w.notices().contains(&"Accepted".into()));
        if begin.get().is_none() && accepted || answers > at.len() {
            w.say(offer_for(w, "radio", common::peers::LOCATOR));
        }
        if begin.get().is_none() && accepted {
            begin.set(Some(now));
        }
        if answers > at.len() {
            at.push(now.since(begin.get().unwrap()));
        }
        at.len() == 2
    });
    assert_eq!(end, End::Quit);
    at
}

#[test]
fn a_silent_server_that_is_being_opened_holds_no_answer_back_and_is_broken_off_for_one_only() {
    let mut world = World::offered();
    let script = &world.server.script;
    script.borrow_mut().extend((0..10).map(|_| Opening::Hangs));
    let at = answered(&mut world);
    assert!(at[0] < 1_000, "answered after {} ms", at[0]);
    assert!(
        (29_000..32_000).contains(&at[1]),
        "an opening was broken off twice, or its end did not free the answers: {at:?}"
    );
    assert_eq!(world.server.script.borrow().len(), 8, "first try, and the same once more");
    world.server.script.borrow_mut().clear();
    world.until_heard("version 2.0.0");
    world.is_well(2);
}

#[test]
fn what_the_source_can_never_open_is_refused_before_anything_is_asked() {
    for url in ["ftp://cloud/object", "https://cloud/object", ""] {
        let mut world = World::new(Draft::new(2).package());
        world.say(offer_for(&world, "", url));
        assert_eq!(world.until_failed(), "failed -1 refused: not served here");
        assert_eq!((world.product.asked.get(), world.server.offsets().len()), (0, 0), "{url}");
        world.is_well(1);
    }
}

#[test]
fn the_good_url_of_an_update_under_way_does_not_give_way_to_one_that_cannot_be_opened() {
    let mut world = World::offered();
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(9_000)]);
    let done = Cell::new(false);
    world.live(|w| {
        if w.server.served() > 5_000 && !done.replace(true) {
            w.say(offer_for(w, "", "ftp://cloud/object"));
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert!(done.get() && world.cloud.failures().is_empty(), "{:?}", world.cloud.failures());
    assert!(world.notices().iter().any(|n| n.contains("not served here")), "{:?}", world.notices());
    world.is_well(2);
}
