//! Faults of the links: tries, waits, restarts, and calling off.

mod common;

use common::{DATA, Draft, End, Opening, SECTOR, World};
use ota_download::Failure;
use ota_hal::Clock;
use ota_service::Health;

const AGAIN: Failure = Failure::Retry { after_ms: 0 };

/// Everything was fetched at most once, but for what follows the envelope in its last read.
fn nothing_twice(world: &World) {
    let image = Draft::new(2).image().len() as u32;
    let served = world.server.served();
    assert!(served <= image + 1000 + DATA as u32, "{served} bytes for an image of {image}");
}

#[test]
fn a_link_that_breaks_again_and_again_costs_no_byte_twice() {
    let mut world = World::offered();
    world.server.script.borrow_mut().push_back(Opening::Breaks(40_000));
    world.server.script.borrow_mut().extend((0..20).map(|n| Opening::Breaks(1 + n * 97)));
    world.until_heard("version 2.0.0");
    nothing_twice(&world);
    assert!(world.server.offsets().len() > 15);
    world.is_well(2);
}

#[test]
fn silence_is_a_fault_like_any_other() {
    let mut world = World::offered();
    let script = [Opening::Hangs, Opening::Stalls(3), Opening::Hangs, Opening::Stalls(20_000), Opening::Ends(700)];
    world.server.script.borrow_mut().extend(script);
    world.until_heard("version 2.0.0");
    let waits = world.notices().iter().filter(|n| n.contains("no answer in time")).count();
    assert_eq!(waits, 3, "{:?}", world.notices());
    world.is_well(2);
}

#[test]
fn tries_end_without_progress_and_the_device_is_well() {
    let mut world = World::offered();
    world.server.script.borrow_mut().extend((0..99).map(|_| Opening::Fails(AGAIN)));
    assert_eq!(world.until_failed(), "failed -2 download given up: scripted fault");
    assert_eq!(world.server.script.borrow().len(), 99 - 13, "one try and twelve more");
    world.is_well(1);
}

#[test]
fn progress_gives_the_tries_back() {
    let mut world = World::offered();
    // Each opening brings a little more than a sector: never twelve faults without a checkpoint.
    world.server.script.borrow_mut().push_back(Opening::Stalls(40_000));
    for _ in 0..6 {
        world.server.script.borrow_mut().extend((0..11).map(|_| Opening::Fails(AGAIN)));
        world.server.script.borrow_mut().push_back(Opening::Breaks(SECTOR + 10));
    }
    world.until_heard("version 2.0.0");
    nothing_twice(&world);
}

#[test]
fn the_servers_wish_to_wait_is_respected() {
    let mut world = World::offered();
    world.server.script.borrow_mut().push_back(Opening::Fails(Failure::Retry { after_ms: 7_200_000 }));
    world.until_heard("version 2.0.0");
    assert!(world.clock.now().0 > 7_200_000);
}

#[test]
fn a_changed_object_restarts_cleanly_and_only_the_new_one_is_installed() {
    let mut world = World::offered();
    world.server.script.borrow_mut().extend([
        Opening::Breaks(40_000),
        Opening::Breaks(9_000),
        Opening::Replaced(Draft { payload: Draft::new(2).payload, ..Draft::new(3) }.package(), "\"2\""),
    ]);
    world.until_heard("version 3.0.0");
    assert!(world.notices().contains(&"Restarted".into()));
    world.is_well(3);
}

#[test]
fn an_object_that_changes_for_ever_is_given_up() {
    let mut world = World::offered();
    let packages = [2, 3].map(|n| Draft { payload: 20_000, ..Draft::new(n) }.package());
    for round in 0..20 {
        let n = round % 2;
        world.server.script.borrow_mut().push_back(Opening::Breaks(40_000));
        let etag = if n == 0 { "\"even\"" } else { "\"odd\"" };
        world.server.script.borrow_mut().push_back(Opening::Replaced(packages[n].clone(), etag));
    }
    world.server.put(packages[0].clone(), "\"first\"");
    world.cloud.to_device.borrow_mut().clear();
    world.offer("2.0.0");
    assert_eq!(world.until_failed(), "failed -2 download given up: the object cannot be continued");
    world.is_well(1);
}

#[test]
fn a_server_without_ranges_works_and_the_bytes_already_there_are_passed_over() {
    let mut world = World::offered();
    world.server.no_ranges.set(true);
    world.server.script.borrow_mut().extend([
        Opening::Breaks(40_000),
        Opening::Breaks(15_000),
        Opening::Breaks(25_000),
    ]);
    world.until_heard("version 2.0.0");
    assert!(!world.notices().contains(&"Restarted".into()), "same validator: same object");
    world.is_well(2);
    // Without a validator nothing says that the bytes match: from the start.
    let mut world = World::offered();
    world.server.no_ranges.set(true);
    world.server.put(Draft::new(2).package(), "");
    world.server.script.borrow_mut().extend([Opening::Breaks(40_000), Opening::Breaks(15_000)]);
    world.until_heard("version 2.0.0");
    assert!(world.notices().contains(&"Restarted".into()));
    world.is_well(2);
}

#[test]
fn an_endless_body_is_taken_as_far_as_it_is_wanted() {
    let mut world = World::offered();
    world.server.endless.set(true);
    world.until_heard("version 2.0.0");
    nothing_twice(&world);
    world.is_well(2);
}

#[test]
fn the_source_that_wants_a_restart_gets_one() {
    let mut world = World::offered();
    let script = [Opening::Breaks(40_000), Opening::Breaks(5_000), Opening::Fails(Failure::Restart)];
    world.server.script.borrow_mut().extend(script);
    world.until_heard("version 2.0.0");
    assert!(world.notices().contains(&"Restarted".into()));
    world.is_well(2);
}

#[test]
fn reports_are_sent_again_until_they_arrive() {
    let mut world = World::offered();
    world.cloud.deaf.set(25);
    world.until_heard("version 2.0.0");
    assert!(world.cloud.arrived.get() > 25);
    world.is_well(2);
}

/// Cancels when `when` first holds. The outcome must be reported, and the device well.
fn cancelled(mut world: World, when: impl Fn(&World) -> bool) {
    let done = core::cell::Cell::new(false);
    world.live(|w| {
        if !done.get() && when(w) {
            done.set(true);
            w.say(common::Say::Cancel);
        }
        !w.cloud.failures().is_empty()
    });
    assert!(done.get());
    assert_eq!(world.cloud.failures(), ["failed -1 cancelled"]);
    world.is_well(1);
}

fn noticed(world: &World, what: &str) -> bool {
    world.notices().iter().any(|n| n.starts_with(what))
}

#[test]
fn cancel_in_every_state() {
    let deferred = World::offered();
    *deferred.product.answers.borrow_mut() = vec![ota_service::Decision::Defer { ms: 1_000_000 }];
    cancelled(deferred, |w| noticed(w, "Deferred"));

    let opening = World::offered();
    opening.server.script.borrow_mut().push_back(Opening::Hangs);
    cancelled(opening, |w| noticed(w, "Accepted"));

    let envelope = World::offered();
    envelope.server.chunk.set(1);
    cancelled(envelope, |w| w.server.served() > 20);

    let opening_payload = World::offered();
    opening_payload.server.script.borrow_mut().extend([Opening::Stalls(40_000), Opening::Hangs]);
    cancelled(opening_payload, |w| w.server.served() > 300 && w.server.script.borrow().is_empty());

    cancelled(World::offered(), |w| w.server.served() > 15_000);

    let waiting = World::offered();
    waiting.server.script.borrow_mut().extend((0..9).map(|_| Opening::Fails(AGAIN)));
    cancelled(waiting, |w| noticed(w, "Waiting"));

    let staged = World::offered();
    staged.product.ready.set(false);
    cancelled(staged, |w| noticed(w, "Staged"));
}

#[test]
fn cancel_when_idle_or_on_trial_does_no_harm() {
    let mut world = World::new(vec![]);
    world.say(common::Say::Cancel);
    assert_eq!(world.session(|w| w.clock.now().0 > 10_000_000), End::Quit);
    assert!(world.cloud.failures().is_empty());
    world.is_well(1);

    let mut world = World::offered();
    world.product.gates = vec![ota_service::Gate::app("slow", 60_000)];
    world.set_health(&[Health::Pending]);
    let trial = core::cell::Cell::new(false);
    world.live(|w| {
        if noticed(w, "Trial") && !trial.replace(true) {
            w.say(common::Say::Cancel);
        }
        if w.clock.now().0 % 3 == 0 && trial.get() && w.cloud.to_device.borrow().is_empty() {
            w.set_health(&[Health::Pass]);
        }
        w.cloud.has_heard("version 2.0.0")
    });
    assert!(world.cloud.failures().is_empty());
}
