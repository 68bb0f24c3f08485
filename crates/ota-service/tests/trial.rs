//! The image on trial: gates, confirm, rollback, and the reason that reaches the cloud.

mod common;

use common::{End, World};
use ota_hal::ResetCause;
use ota_service::{Gate, Health};

fn staged() -> World {
    let mut world = World::offered();
    assert_eq!(world.session(|_| false), End::Reset);
    world.cause = ResetCause::Software;
    world
}

#[test]
fn an_image_is_confirmed_only_when_all_gates_passed() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 60_000), Gate::acknowledged("cloud", 60_000)];
    world.set_health(&[Health::Pending, Health::Fail]);
    world.cloud.deaf.set(2);
    let looks = core::cell::Cell::new(0);
    world.session(|w| {
        looks.set(looks.get() + 1);
        if looks.get() == 20 {
            assert!(!w.notices().contains(&"Confirmed".into()));
            w.set_health(&[Health::Pass]);
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert!(looks.get() >= 20, "the second gate is the agent's own: the application was not asked");
    world.product.gates.clear();
    world.is_well(2);
}

/// Fails the trial as `world` is set up to; the reason must arrive, exactly once, and the old image run.
fn rolls_back(mut world: World, reason: &str) {
    world.live(|w| !w.cloud.failures().is_empty());
    assert_eq!(world.cloud.failures(), [reason]);
    assert!(!world.cloud.has_heard("version 2.0.0"), "the version of a failed image was never informed");
    // Not told again: neither in this session nor after further starts.
    for _ in 0..3 {
        let until = ota_hal::Clock::now(&world.clock).0 + 100_000_000;
        world.session(|w| ota_hal::Clock::now(&w.clock).0 > until);
    }
    assert_eq!(world.cloud.failures().len(), 1);
    world.product.gates.clear();
    world.is_well(1);
}

#[test]
fn a_failed_gate_rolls_back_with_its_name() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("net", 5_000), Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Pass, Health::Fail]);
    rolls_back(world, "failed -1 rolled back: health gate sensor failed (reset: software)");
}

#[test]
fn a_gate_that_does_not_pass_in_time_rolls_back() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Pending]);
    rolls_back(world, "failed -1 rolled back: health gate sensor timed out (reset: software)");
}

#[test]
fn a_cloud_that_does_not_hear_the_image_on_trial_gets_the_old_one_back() {
    let mut world = staged();
    world.product.gates = vec![Gate::acknowledged("cloud", 30_000)];
    world.cloud.deaf.set(u32::MAX);
    assert_eq!(world.session(|_| false), End::Reset, "given up, the reset is due");
    world.cloud.deaf.set(0);
    rolls_back(world, "failed -1 rolled back: health gate cloud timed out (reset: software)");
}

#[test]
fn an_image_that_hangs_uses_its_starts_up() {
    let mut world = staged();
    world.cause = ResetCause::Watchdog;
    for _ in 0..3 {
        // It starts, and its agent never runs.
        assert_eq!(world.load().unwrap().0, 2);
    }
    rolls_back(world, "failed -1 rolled back: all trial starts used up (reset: watchdog)");
}

#[test]
fn an_image_that_crashes_in_its_trial_uses_its_starts_up() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 60_000)];
    world.set_health(&[Health::Pending]);
    world.cause = ResetCause::Fault;
    for _ in 0..3 {
        let heard = world.cloud.arrived.get();
        assert_eq!(world.session(|w| w.cloud.arrived.get() > heard), End::Quit);
    }
    rolls_back(world, "failed -1 rolled back: all trial starts used up (reset: fault)");
}

#[test]
fn an_image_that_decayed_after_staging_is_not_tried() {
    let world = staged();
    world.flash.borrow_mut().decay(common::SLOT_LEN + 8000, 1);
    rolls_back(world, "failed -1 rolled back: image not valid at boot (reset: software)");
}

#[test]
fn the_rollback_is_told_until_it_is_acknowledged_over_any_number_of_starts() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    assert_eq!(world.session(|_| false), End::Reset);
    let reason = "failed -1 rolled back: health gate sensor failed (reset: software)";
    // Starts in which nothing can be delivered.
    for _ in 0..4 {
        let arrived = world.cloud.arrived.get();
        world.cloud.deaf.set(u32::MAX);
        world.session(|w| w.cloud.arrived.get() > arrived + 3);
        assert_eq!(world.cloud.failures().len(), 0);
    }
    let told = world.cloud.heard.borrow().len();
    world.cloud.deaf.set(0);
    world.live(|w| w.cloud.heard.borrow().len() > told + 1);
    // Before the version: a cloud that still takes the job for running would offer the same image at once.
    assert_eq!(world.cloud.heard.borrow()[told..], [reason, "version 1.0.0"]);
    rolls_back(world, reason);
}

#[test]
fn the_same_offer_may_be_tried_again_after_a_rollback_and_each_failure_is_told() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    world.live(|w| w.cloud.failures().len() == 1);
    world.offer("2.0.0");
    world.live(|w| w.cloud.failures().len() == 2);
    let failures = world.cloud.failures();
    assert_eq!(failures[0], failures[1]);
    // And the third time it is good.
    world.set_health(&[Health::Pass]);
    world.offer("2.0.0");
    world.until_heard("version 2.0.0");
    world.product.gates.clear();
    world.is_well(2);
}

#[test]
fn offers_are_refused_while_an_image_is_on_trial() {
    let mut world = staged();
    world.product.gates = vec![Gate::app("sensor", 60_000)];
    world.set_health(&[Health::Pending]);
    world.offer("3.0.0");
    world.session(|w| w.notices().iter().any(|n| n.starts_with("Ignored { text: \"busy")));
    assert!(world.cloud.failures().is_empty(), "the cloud would take it for the end of the update on trial");
    world.set_health(&[Health::Pass]);
    world.cloud.to_device.borrow_mut().clear();
    world.until_heard("version 2.0.0");
    assert_eq!(world.product.asked.get(), 1);
}

#[test]
fn no_gates_means_confirmed_as_soon_as_the_agent_runs() {
    let mut world = staged();
    world.cloud.deaf.set(u32::MAX);
    world.session(|w| w.notices().contains(&"Confirmed".into()));
    world.cloud.deaf.set(0);
    world.is_well(2);
}
