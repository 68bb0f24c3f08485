//! A journal that takes no more writes: the device stays usable, and does not reset for ever.

mod common;

use common::{End, LAYOUT, SECTOR, World};
use ota_hal::{Clock, ResetCause};
use ota_service::{Gate, Health};

const TEXT: &str = "failed -1 staged image was not started";

/// A device that is about to restart into the staged image.
fn staged() -> World {
    let mut world = World::offered();
    assert_eq!(world.session(|_| false), End::Reset);
    world.cause = ResetCause::Software;
    world.cloud.heard.borrow_mut().clear();
    world
}

fn stick_journal(world: &World) {
    let journal = LAYOUT.journal();
    for sector in journal.start / SECTOR..(journal.start + journal.len) / SECTOR {
        world.flash.borrow_mut().stick_sector(sector as usize);
    }
}

/// So many starts; how many of them ended in a reset that the agent asked for.
fn resets(world: &mut World, starts: u32) -> u32 {
    let mut resets = 0;
    for _ in 0..starts {
        let until = world.clock.now().0 + 5_000_000;
        if world.session(|w| w.clock.now().0 > until) == End::Reset {
            world.cause = ResetCause::Software;
            resets += 1;
        }
    }
    resets
}

#[test]
fn a_journal_that_fails_after_staging_does_not_reset_the_device_for_ever() {
    let mut world = staged();
    stick_journal(&world);
    assert_eq!(resets(&mut world, 6), 0, "the loader could not count a start, and never will");
    assert!(world.cloud.has_heard(TEXT), "{:?}", world.cloud.heard.borrow());
    assert_eq!(world.load().map(|(version, _, trial)| (version, trial)), Some((1, false)));
    // It still answers.
    world.offer("3.0.0");
    resets(&mut world, 1);
    let heard = world.cloud.heard.borrow();
    assert!(heard.iter().any(|text| text.contains("an image is pending")), "{heard:?}");
}

#[test]
fn a_loader_that_failed_once_is_asked_once_more() {
    let mut world = staged();
    // The loader's only write fails; the application's do not.
    world.flash.borrow_mut().reset_counters();
    for op in 0..2 {
        world.flash.borrow_mut().fail_at(op, ota_testkit::Tear::ALL[0]);
    }
    world.until_heard("version 2.0.0");
    assert_eq!(world.cloud.failures(), Vec::<String>::new());
}

#[test]
fn a_loader_that_never_starts_the_image_is_asked_once_and_then_told_of() {
    // This loader cannot write; the application can.
    let mut world = staged();
    let mut resets = 0;
    for _ in 0..8 {
        let until = world.clock.now().0 + 5_000_000;
        let slot = ota_hal::SlotId::A;
        resets += u32::from(world.run(1, slot, |w| w.clock.now().0 > until) == End::Reset);
    }
    assert_eq!(resets, 1);
    assert_eq!(world.cloud.failures(), [TEXT], "told once");
    // The note of this staging says nothing of the next one.
    world.is_well(1);
}

/// The staged image runs on trial, with a gate that is not through yet; these reads of the application fail.
fn tried(reads: core::ops::Range<u64>) -> World {
    let mut world = staged();
    world.product.gates = vec![Gate::app("self-test", 60_000)];
    world.set_health(&[Health::Pending]);
    let (version, slot, trial) = world.load().unwrap();
    assert!(trial);
    world.flash.borrow_mut().reset_counters();
    world.flash.borrow_mut().fail_reads(reads);
    let until = world.clock.now().0 + 1_000;
    world.run(version, slot, |w| w.clock.now().0 > until);
    world
}

#[test]
fn an_image_on_trial_is_not_reported_because_the_store_was_hard_to_read() {
    let reads = tried(0..0).flash.borrow().reads();
    assert!(reads > 10);
    for read in 0..reads {
        for bad in [2, 4] {
            let world = tried(read..read + bad);
            assert!(!world.cloud.has_heard("version 2.0.0"), "{bad} reads from {read} on");
        }
    }
}
