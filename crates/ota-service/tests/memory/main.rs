//! The agent allocates nothing between start and confirmed, and is small.

#[path = "../common/mod.rs"]
mod common;

use common::{Draft, End, OwnedOffer, World};
use ota_hal::ResetCause;
use ota_service::{Agent, SlotTarget};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

mod quiet;
use quiet::QuietApp;

/// One test only: the counters are the whole process's.
#[test]
fn nothing_is_allocated_between_start_and_confirmed_and_the_agent_is_small() {
    the_detector_sees_an_allocation();
    let world = World::new(Draft::new(2).package());
    let object = world.server.object.borrow().clone();
    let offer = OwnedOffer::new("2.0.0", &object);
    let flash = quiet::QuietFlash::copy_of(&world);
    for (version, wanted) in [(1, End::Reset), (2, End::Quit)] {
        let (loaded, slot, _) = common::load(&flash, ResetCause::Software).unwrap();
        assert_eq!(loaded, version);
        let allocations = quiet::session(&flash, &world.clock, &object, &offer, slot, wanted, || Region::new(GLOBAL));
        assert_eq!(allocations, (0, 0, 0), "in the session of version {version}");
    }
    let loaded = common::load(&flash, ResetCause::Software);
    assert_eq!(loaded.map(|(version, _, trial)| (version, trial)), Some((2, false)), "and it was confirmed");
    the_agent_fits_two_kib_beside_the_buffers_it_is_lent();
}

fn the_detector_sees_an_allocation() {
    let region = Region::new(GLOBAL);
    let kept = std::hint::black_box(vec![1u8; 10]);
    assert!(region.change().allocations >= 1);
    drop(kept);
}

fn the_agent_fits_two_kib_beside_the_buffers_it_is_lent() {
    type Key = ota_verify::rsa::Rsa2048Pss<'static>;
    // A driver without state, as on a chip.
    type Flash = ota_hal::Shared<'static, common::Part>;
    type Target = SlotTarget<'static, Flash, Key>;
    type Whole<'a> = Agent<'a, ota_boot::Boot<'a, Flash>, Target, Flash, Key, QuietApp, ota_testkit::Rng>;
    let (whole, target) = (size_of::<Whole<'_>>(), size_of::<Target>());
    println!("agent {whole} bytes, of these target {target}");
    assert!(whole <= 2048, "{whole} bytes");
}
