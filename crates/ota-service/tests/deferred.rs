//! A deferred offer is kept across resets, whatever became of an earlier try.

mod common;

use common::World;
use core::cell::Cell;
use ota_hal::Clock;
use ota_service::Decision;

const LATER: Decision = Decision::Defer { ms: 3_000_000_000 };

#[test]
fn an_unsent_outcome_of_an_earlier_try_does_not_end_a_deferred_offer() {
    let world = World::new(b"<html>".to_vec());
    world.offer("2.0.0");
    let again = Cell::new(false);
    *world.product.answers.borrow_mut() = vec![Decision::Accept, LATER, LATER];
    world.session(|w| {
        if !again.get() && w.notices().iter().any(|n| n.starts_with("Failed")) {
            w.cloud.deaf.set(u32::MAX);
            w.offer("2.0.0");
            again.set(true);
        }
        w.notices().iter().any(|n| n == "Deferred")
    });
    assert_eq!(world.product.asked.get(), 2);
    assert_eq!(world.cloud.failures().len(), 0, "the outcome is still to be told");
    world.cloud.deaf.set(0);
    let until = world.clock.now().0 + 50_000_000;
    world.session(|w| w.clock.now().0 > until);
    assert_eq!(world.product.asked.get(), 3, "asked again after the reset");
    assert_eq!(world.cloud.failures(), ["failed -3 refused: neither package nor image"]);
}
