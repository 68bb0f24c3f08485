//! A report that can never be sent is dropped: it neither keeps the others back nor ends the link.

mod common;

use common::{Draft, End, World, stranger};
use ota_hal::Clock;

/// A device that is offered a package it refuses.
fn refusing() -> World {
    let world = World::new(Draft { manifest_signer: stranger(), ..Draft::new(2) }.package());
    world.offer("2.0.0");
    world
}

#[test]
fn a_version_that_cannot_be_written_does_not_keep_outcomes_and_progress_back() {
    for world in [World::offered(), refusing()] {
        *world.cloud.unwritable.borrow_mut() = "version".into();
        world.product.ready.set(false);
        let until = world.clock.now().0 + 2_000_000;
        assert_eq!(world.session(|w| w.clock.now().0 > until), End::Quit);
        let good = world.cloud.has_heard("progress 100");
        let refused = world.cloud.failures().len() == 1;
        assert!(good != refused, "{:?}", world.cloud.heard.borrow());
        assert_eq!(world.cloud.lost.get(), 0, "the link was torn down");
    }
}

#[test]
fn an_outcome_that_cannot_be_written_is_dropped_for_good() {
    let mut world = refusing();
    *world.cloud.unwritable.borrow_mut() = "failed".into();
    let until = world.clock.now().0 + 50_000_000;
    assert_eq!(world.session(|w| w.clock.now().0 > until), End::Quit);
    world.cloud.unwritable.borrow_mut().clear();
    assert_eq!(world.session(|w| w.clock.now().0 > until + 50_000_000), End::Quit);
    assert_eq!(world.cloud.failures(), Vec::<String>::new(), "struck off on flash too");
    assert_eq!(world.cloud.lost.get(), 0);
    world.is_well(1);
}

#[test]
fn an_outcome_that_does_not_fit_the_message_buffer_does_not_keep_the_version_back() {
    let mut world = refusing();
    world.cloud.deaf.set(u32::MAX);
    let until = world.clock.now().0 + 50_000_000;
    assert_eq!(world.session(|w| w.clock.now().0 > until), End::Quit);
    world.cloud.deaf.set(0);
    world.cloud.lost.set(0);
    world.message = 16;
    assert_eq!(world.session(|w| w.clock.now().0 > until + 50_000_000), End::Quit);
    assert!(world.cloud.has_heard("version 1.0.0"), "{:?}", world.cloud.heard.borrow());
    assert_eq!(world.cloud.lost.get(), 0);
}

#[test]
fn what_cannot_be_sent_is_no_acknowledgement() {
    let mut world = World::offered();
    world.product.gates = vec![ota_service::Gate::acknowledged("cloud", 60_000)];
    *world.cloud.unwritable.borrow_mut() = "progress".into();
    assert!(world.until_failed().contains("health gate cloud timed out"));
    world.cloud.unwritable.borrow_mut().clear();
    world.is_well(1);
}
