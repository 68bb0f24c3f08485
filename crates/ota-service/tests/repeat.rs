//! What must not be tried again by itself: an image that was rolled back.

mod common;

use common::{Draft, End, World};
use ota_hal::{Clock, ResetCause};
use ota_service::{Gate, Health};
use ota_testkit::Tear;

fn count(world: &World, what: &str) -> usize {
    world.notices().iter().filter(|notice| *notice == what).count()
}

/// One start, for a while.
fn start(world: &mut World) {
    let until = world.clock.now().0 + 50_000_000;
    match world.session(|w| w.clock.now().0 > until) {
        End::NoPower => world.flash.borrow_mut().power_on(),
        End::Reset => world.cause = ResetCause::Software,
        End::Quit => {}
    }
}

/// A device that has rolled back and told of version 2, and is offered version 3, which fails as well.
fn rolled_back_once() -> World {
    let mut world = World::offered();
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    world.live(|w| !w.cloud.failures().is_empty());
    world.session(|w| w.clock.now().0 > 100_000_000);
    world.cloud.heard.borrow_mut().clear();
    world.product.notices.borrow_mut().clear();
    world.server.put(Draft::new(3).package(), "\"3\"");
    world.offer("3.0.0");
    world.flash.borrow_mut().reset_counters();
    world.cause = ResetCause::PowerOn;
    world
}

#[test]
fn a_second_rollback_is_told_and_its_image_not_tried_again_whatever_is_cut() {
    let mut world = rolled_back_once();
    world.live(|w| !w.cloud.failures().is_empty());
    let ops = world.flash.borrow().ops();
    assert_eq!(count(&world, "Trial"), 1);
    for op in (ops - 60)..ops {
        let mut world = rolled_back_once();
        world.seed = op;
        world.flash.borrow_mut().cut_at(op, Tear::ALL[(op % 8) as usize]);
        for _ in 0..12 {
            start(&mut world);
        }
        assert!(!world.cloud.failures().is_empty(), "op {op}: not told");
        assert!(count(&world, "Staged") <= 2 && count(&world, "Trial") <= 3, "op {op}: {:?}", world.notices());
        // Staged again only where the cut came before the boot record.
        let again = count(&world, "Staged") == 2 && count(&world, "Trial") > 2;
        assert!(!again, "op {op}: tried again without an offer: {:?}", world.notices());
    }
}
