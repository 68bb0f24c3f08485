//! A cancel of a staged image holds, whatever is cut.

mod common;

use common::{End, Part, Say, World};
use core::cell::Cell;
use ota_hal::{Clock, ResetCause};
use ota_testkit::Tear;

/// Stages an update and calls it off; `cut` counts from the cancel.
fn cancelled(cut: Option<(u64, Tear)>) -> World {
    cancelled_with(|flash| {
        if let Some((op, tear)) = cut {
            flash.cut_at(op, tear);
        }
    })
}

/// Stages an update and calls it off, with this flash from the cancel on.
fn cancelled_with(fault: impl Fn(&mut Part)) -> World {
    let world = World::offered();
    world.product.ready.set(false);
    let said = Cell::new(false);
    let asked = world.product.ready_asked.clone();
    world.session(|w| {
        if asked.get() >= 2 && !said.replace(true) {
            w.flash.borrow_mut().reset_counters();
            fault(&mut w.flash.borrow_mut());
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
            // One outcome, even where the loader got in first; twice only when the note that it was told is lost.
            let failures = world.cloud.failures();
            assert!((1..=2).contains(&failures.len()), "op {op}, {tear:?}: {failures:?}");
            assert!(failures.iter().all(|text| text == "failed -1 cancelled"), "op {op}, {tear:?}: {failures:?}");
            assert_eq!(world.load().unwrap().0, 1);
        }
    }
    assert!(lost <= 3, "{lost} of {ops} operations lose the cancel: more than one record");
}

#[test]
fn a_cancel_that_cannot_be_stored_is_not_told_for_done() {
    let ops = cancelled(None).flash.borrow().ops();
    let mut failed = 0;
    // So many writes fail: of the withdrawal alone, of what follows too, all.
    for (op, n) in (0..ops).flat_map(|op| [1, 2, 3, 4, 6, 8, 500].map(|n| (op, n))) {
        let mut world = cancelled_with(|flash| (op..op + n).for_each(|op| flash.fail_at(op, Tear::ALL[0])));
        world.flash.borrow_mut().reset_counters();
        let said: Vec<String> = world.cloud.failures();
        assert!(!said.is_empty(), "op {op}, {n}: not answered");
        failed += u32::from(said.iter().any(|text| text.contains("cancel failed")));
        world.product.ready.set(true);
        for _ in 0..4 {
            let until = world.clock.now().0 + 50_000_000;
            if world.session(|w| w.clock.now().0 > until) == End::Reset {
                world.cause = ResetCause::Software;
            }
        }
        let (all, version) = (world.cloud.failures(), world.load().unwrap().0);
        let cancelled = all.iter().any(|text| text == "failed -1 cancelled");
        assert_eq!(cancelled, version == 1, "op {op}, {n}: {all:?}, version {version}");
    }
    assert!(failed > 0, "no write of the withdrawal was hit");
}
