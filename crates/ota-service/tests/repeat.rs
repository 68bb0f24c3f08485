//! What must not be tried again by itself: an image that was rolled back.

mod common;

use common::{DATA, Draft, End, LAYOUT, SECTOR, World};
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

#[test]
fn an_image_that_hangs_is_told_of_wherever_its_staging_was_cut() {
    let world = rolled_back_once();
    assert_eq!(world.session(|_| false), End::Reset);
    let ops = world.flash.borrow().ops();
    let mut hung = 0;
    for op in (ops - 12)..ops {
        let mut world = rolled_back_once();
        world.flash.borrow_mut().cut_at(op, Tear::ALL[7]);
        assert_eq!(world.session(|_| false), End::NoPower);
        world.flash.borrow_mut().power_on();
        world.product.notices.borrow_mut().clear();
        world.cause = ResetCause::Watchdog;
        let mut starts = 0;
        while world.load().is_some_and(|(_, _, trial)| trial) {
            starts += 1;
        }
        if starts == 0 {
            continue; // The cut came before the boot record.
        }
        hung += 1;
        start(&mut world);
        let failures = world.cloud.failures();
        assert_eq!(failures, ["failed -1 rolled back: all trial starts used up (reset: watchdog)"], "op {op}");
        assert_eq!(count(&world, "Staged"), 0, "op {op}: staged again");
    }
    assert!(hung > 0, "no cut fell between staging and its note");
}

/// Lives until the offer of version `n` was answered by a failure; the answer.
fn answer(world: &mut World, n: u8) -> String {
    world.cloud.heard.borrow_mut().clear();
    world.server.put(Draft::new(n).package(), &format!("\"{n}\""));
    world.offer(&format!("{n}.0.0"));
    world.until_failed()
}

#[test]
fn a_bad_image_is_tried_three_times_at_most_until_another_one_is_chosen() {
    let mut world = World::new(vec![]);
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    for _ in 0..3 {
        assert!(answer(&mut world, 2).contains("rolled back: health gate sensor failed"));
    }
    let refused = "failed -1 refused: image was rolled back 3 times";
    let served = world.server.served();
    for _ in 0..5 {
        assert_eq!(answer(&mut world, 2), refused);
    }
    assert_eq!(world.server.served(), served, "refused without a download");
    // The same image under another name: known by its digest, once the manifest is there.
    world.cloud.heard.borrow_mut().clear();
    world.offer("2.0.1");
    assert_eq!(world.until_failed(), refused);
    assert!(world.server.served() - served <= 2048 + DATA as u32, "no payload was fetched");
    assert_eq!(count(&world, "Staged"), 3);
    // Another image gives it further tries.
    assert!(answer(&mut world, 3).contains("rolled back: "));
    assert!(answer(&mut world, 2).contains("rolled back: "));
    world.product.gates.clear();
    world.is_well(1);
}

#[test]
fn another_image_that_was_chosen_counts_even_if_it_never_ran() {
    let mut world = World::new(vec![]);
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    for _ in 0..3 {
        answer(&mut world, 2);
    }
    assert_eq!(answer(&mut world, 2), "failed -1 refused: image was rolled back 3 times");
    world.cloud.heard.borrow_mut().clear();
    let mut spoilt = Draft::new(3).package();
    spoilt[6_000] ^= 1;
    world.server.put(spoilt, "\"3\"");
    world.offer("3.0.0");
    assert_eq!(world.until_failed(), "failed -3 refused: image digest differs from the manifest");
    assert!(answer(&mut world, 2).contains("rolled back: "));
}

#[test]
fn a_thousand_offers_of_a_refused_image_hardly_wear_the_journal() {
    let mut world = World::new(vec![]);
    world.product.gates = vec![Gate::app("sensor", 5_000)];
    world.set_health(&[Health::Fail]);
    for _ in 0..3 {
        answer(&mut world, 2);
    }
    let refused = |w: &World| w.cloud.failures().len();
    answer(&mut world, 2);
    let (told, before) = (refused(&world), erases(&world));
    for n in 1..=1_000 {
        world.offer("2.0.0");
        world.session(|w| refused(w) == told + n);
    }
    let worn = erases(&world) - before;
    println!("{worn} erases for 1,000 refused offers");
    assert_eq!(worn, 0, "an answer that is sent at once needs no flash");
}

/// Erases of the journal's sectors.
fn erases(world: &World) -> u32 {
    let journal = LAYOUT.journal();
    let sectors = journal.start / SECTOR..(journal.start + journal.len) / SECTOR;
    sectors.map(|sector| world.flash.borrow().wear(sector as usize)).sum()
}
