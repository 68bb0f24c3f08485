//! A cancel of a staged image holds, whatever is cut.

mod common;

use common::{End, Say, World};
use core::cell::Cell;
use ota_hal::{Clock, ResetCause};
use ota_testkit::Tear;

/// Stages an update and calls it off; `cut` counts from the cancel.
fn cancelled(cut: Option<(u64, Tear)>) -> World {
    let world = World::offered();
    world.product.ready.set(false);
    let said = Cell::new(false);
    let asked = world.product.ready_asked.clone();
    world.session(|w| {
        if asked.get() >= 2 && !said.replace(true) {
            w.flash.borrow_mut().reset_counters();
            if let Some((op, tear)) = cut {
                w.flash.borrow_mut().cut_at(op, tear);
            }
            w.say(Say::Cancel);
        }
        !w.cloud.failures().is_empty()
    });
    world
}

#[test]
fn a_cut_after_the_cancel_was_stored_does_not_install_the_image() {
    let ops = cancelled(None).flash.borrow().ops();
    let mut lost = 0;
    for op in 0..ops {
        for tear in [Tear::ALL[0], Tear::ALL[7]] {
            let mut world = cancelled(Some((op, tear)));
            world.flash.borrow_mut().power_on();
            world.product.ready.set(true);
            for _ in 0..4 {
                let until = world.clock.now().0 + 50_000_000;
                if world.session(|w| w.clock.now().0 > until) == End::Reset {
                    world.cause = ResetCause::Software;
                }
            }
            if world.cloud.has_heard("version 2.0.0") {
                // Only a cut in the first record loses the cancel itself: then nobody was told that it was followed.
                assert_eq!(world.cloud.failures(), Vec::<String>::new(), "op {op}, {tear:?}");
                assert_eq!(lost, op, "op {op}, {tear:?}: installed although an earlier cut was survived");
                lost = op + u64::from(tear == Tear::ALL[7]);
                continue;
            }
            assert!(world.cloud.failures().contains(&"failed -1 cancelled".into()), "op {op}, {tear:?}");
            assert_eq!(world.load().unwrap().0, 1);
        }
    }
    assert!(lost <= 3, "{lost} of {ops} operations lose the cancel: more than one record");
}
