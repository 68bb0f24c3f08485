//! Power cuts: at every checkpoint, at every flash operation, in pairs, and records that are torn or foreign.

mod common;

use common::{DATA, Draft, End, LAYOUT, Part, SECTOR, World};
use ota_hal::{Clock, Journal, Kind, Region, ResetCause, Shared};
use ota_service::{Gate, Health};
use ota_testkit::{Rng, Tear};
use std::cell::RefCell;

/// How many bytes of the object were delivered more than once.
fn twice(world: &World) -> u32 {
    let mut seen = vec![0u32; world.server.object.borrow().len()];
    for (at, n) in world.server.log.borrow().iter() {
        for byte in &mut seen[*at as usize..(*at + *n) as usize] {
            *byte += 1;
        }
    }
    seen.iter().map(|n| n.saturating_sub(1)).sum()
}

/// Lives through the cuts that the flash has in store; returns how many there were. At most one sector and one read
/// buffer may have been fetched twice for each.
fn survives(world: &mut World) -> u32 {
    let mut cuts = 0;
    loop {
        match world.session(|w| w.cloud.has_heard("version 2.0.0")) {
            End::Quit => break,
            End::Reset => world.cause = ResetCause::Software,
            End::NoPower => {
                cuts += 1;
                world.flash.borrow_mut().power_on();
                world.cause = ResetCause::PowerOn;
                // The cloud pushes what is not done yet at each connect.
                world.cloud.to_device.borrow_mut().clear();
                world.offer("2.0.0");
            }
        }
        assert!(cuts < 9, "seed {}: cuts without end", world.seed);
    }
    let (again, allowed) = (twice(world), cuts * (SECTOR + DATA as u32));
    assert!(again <= allowed, "seed {}: {again} bytes twice after {cuts} cuts", world.seed);
    assert!(world.cloud.failures().is_empty(), "seed {}: {:?}", world.seed, world.cloud.failures());
    assert_eq!(world.flash.borrow().violation(), None, "seed {}", world.seed);
    cuts
}

fn operations() -> u64 {
    let mut world = World::offered();
    world.flash.borrow_mut().reset_counters();
    assert_eq!(survives(&mut world), 0);
    assert_eq!(twice(&world), 0);
    world.flash.borrow().ops()
}

#[test]
fn a_cut_at_every_flash_operation_of_an_update() {
    let ops = operations();
    assert!((60..2000).contains(&ops), "{ops} operations");
    for op in 0..ops {
        let mut world = World::offered();
        world.seed = op;
        let tear = Tear::ALL[(op % 8) as usize];
        world.flash.borrow_mut().reset_counters();
        world.flash.borrow_mut().cut_at(op, tear);
        assert_eq!(survives(&mut world), 1, "op {op}, {tear:?}");
        if op % 16 == 0 {
            world.is_well(2);
        }
    }
    println!("{ops} operations cut");
}

#[test]
fn pairs_of_random_cuts_with_random_tears() {
    let ops = operations() as u32;
    for seed in 0..80 {
        let mut rng = Rng::new(seed);
        let mut world = World::offered();
        world.seed = seed;
        let mut flash = core::mem::replace(&mut *world.flash.borrow_mut(), Part::new(0)).seeded(seed);
        flash.reset_counters();
        let first = rng.below(ops);
        for op in [first, first + 1 + rng.below(30)] {
            flash.cut_at(op.into(), Tear::ALL[rng.below(8) as usize]);
        }
        if seed % 2 == 0 {
            flash = flash.with_ecc();
        }
        *world.flash.borrow_mut() = flash;
        let cuts = survives(&mut world);
        assert!((1..=2).contains(&cuts), "seed {seed}: {cuts} cuts");
        if seed % 8 == 0 {
            world.flash.borrow_mut().reset_counters();
            world.is_well(2);
        }
    }
}

#[test]
fn a_cut_after_every_checkpoint_continues_at_it() {
    let sectors = Draft::new(2).image().len() as u32 / SECTOR;
    for sector in 1..=sectors {
        let mut world = World::offered();
        let wanted = 1000 + sector * SECTOR;
        world.session(|w| w.server.log.borrow().last().is_some_and(|(at, n)| at + n > wanted));
        let fetched = world.server.log.borrow().last().map(|(at, n)| at + n).unwrap();
        // Nobody offers again: the job record knows.
        world.cloud.to_device.borrow_mut().clear();
        world.until_heard("version 2.0.0");
        let continued = world.server.offsets()[2];
        assert_eq!((continued - 1000) % SECTOR, 0, "continued at {continued}");
        assert!(fetched - continued <= SECTOR + DATA as u32, "{fetched} fetched, continued at {continued}");
        assert!(twice(&world) <= SECTOR + DATA as u32);
    }
}

#[test]
fn a_rollback_is_told_exactly_once_whatever_is_cut() {
    let failing = || {
        let mut world = World::offered();
        world.product.gates = vec![Gate::app("sensor", 5_000)];
        world.set_health(&[Health::Fail]);
        world.flash.borrow_mut().reset_counters();
        world
    };
    let mut world = failing();
    world.live(|w| !w.cloud.failures().is_empty());
    let ops = world.flash.borrow().ops();
    for op in (ops - 45)..ops {
        let mut world = failing();
        world.seed = op;
        world.flash.borrow_mut().cut_at(op, Tear::ALL[(op % 8) as usize]);
        for _ in 0..12 {
            let until = ota_hal::Clock::now(&world.clock).0 + 50_000_000;
            match world.session(|w| ota_hal::Clock::now(&w.clock).0 > until) {
                End::NoPower => world.flash.borrow_mut().power_on(),
                End::Reset => world.cause = ResetCause::Software,
                End::Quit => {}
            }
        }
        let failures = world.cloud.failures();
        // At least once; twice only when the cut lost the note that it was acknowledged.
        assert!((1..=2).contains(&failures.len()), "op {op}: {failures:?}");
        assert!(failures.iter().all(|text| text == &failures[0] && text.contains("rolled back: ")), "{failures:?}");
        assert_eq!(world.load().unwrap().0, 1);
    }
}

#[test]
fn a_refusal_is_told_and_the_job_over_whatever_is_cut() {
    let tampered = || {
        let world = World::new(b"OTA0 is not a package".to_vec());
        world.offer("2.0.0");
        world.flash.borrow_mut().reset_counters();
        world
    };
    let world = tampered();
    // The operations before the job is on flash.
    let lost = std::cell::Cell::new(u64::MAX);
    world.session(|w| {
        if lost.get() == u64::MAX && holds(w, Kind::Job) {
            lost.set(w.flash.borrow().ops());
        }
        !w.cloud.failures().is_empty()
    });
    world.session(|w| ota_hal::Clock::now(&w.clock).0 > 50_000_000);
    let ops = world.flash.borrow().ops();
    for op in 0..ops {
        for tear in Tear::ALL {
            let mut world = tampered();
            world.flash.borrow_mut().cut_at(op, tear);
            for _ in 0..4 {
                let until = ota_hal::Clock::now(&world.clock).0 + 50_000_000;
                world.session(|w| ota_hal::Clock::now(&w.clock).0 > until);
                world.flash.borrow_mut().power_on();
            }
            let failures = world.cloud.failures();
            // A cut before the job was stored loses the offer, which the cloud then makes again.
            assert!(failures.len() <= 2, "op {op}, {tear:?}: {failures:?}");
            assert!(op < lost.get() || !failures.is_empty(), "op {op}, {tear:?}: nothing was told");
            assert!(failures.iter().all(|text| text == "failed -3 refused: neither package nor image"), "{failures:?}");
            world.is_well(1);
        }
    }
}

/// Whether the journal holds a record of this kind.
fn holds(world: &World, kind: Kind) -> bool {
    let mut journal = Journal::<_, 64>::mount(Region::new(Shared::new(&world.flash), LAYOUT.journal())).unwrap();
    journal.read(kind, &mut [0; 2048]).unwrap().is_some()
}

/// Puts a record into the journal behind the agent's back.
fn plant(world: &World, kind: Kind, record: &[u8]) {
    let flash = Shared::new(&world.flash);
    Journal::mount(Region::new(flash, LAYOUT.journal())).unwrap().append(kind, record).unwrap();
}

#[test]
fn a_checkpoint_of_another_job_is_not_continued() {
    let mut world = World::offered();
    let wanted = 1000 + 3 * SECTOR;
    world.session(|w| w.server.log.borrow().last().is_some_and(|(at, n)| at + n > wanted));
    // Format 1, what is durable, a job that nobody has, four sectors.
    let foreign = [&[1, 1][..], &0x0123_4567_89AB_CDEF_u64.to_le_bytes(), &(4 * SECTOR).to_le_bytes()].concat();
    plant(&world, Kind::Progress, &foreign);
    world.cloud.to_device.borrow_mut().clear();
    world.until_heard("version 2.0.0");
    // The envelope, the payload, and after the reset the payload from its first byte.
    assert_eq!(world.server.offsets(), [0, 1000, 1000]);
}

/// Found by the fuzz target `records`: the percentage of it overflowed.
#[test]
fn a_checkpoint_behind_the_end_is_none() {
    let mut world = World::offered();
    let wanted = 1000 + 3 * SECTOR;
    world.session(|w| w.server.log.borrow().last().is_some_and(|(at, n)| at + n > wanted));
    let flash = Shared::new(&world.flash);
    let mut journal = Journal::<_, 64>::mount(Region::new(flash, LAYOUT.journal())).unwrap();
    let mut buf = [0; 2048];
    let id = journal.read(Kind::Job, &mut buf).unwrap().unwrap()[4..12].to_vec();
    plant(&world, Kind::Progress, &[&[1, 1][..], &id, &u32::MAX.to_le_bytes()].concat());
    world.cloud.to_device.borrow_mut().clear();
    world.until_heard("version 2.0.0");
    assert_eq!(world.server.offsets(), [0, 1000, 1000], "from the first byte again");
}

#[test]
fn foreign_and_torn_records_are_dropped_with_a_report() {
    let mut rng = Rng::new(3);
    for len in [0, 1, 2, 60, 200, 2040] {
        let mut world = World::new(vec![]);
        plant(&world, Kind::Job, &rng.bytes(len));
        plant(&world, Kind::Progress, &rng.bytes(len.min(20)));
        assert_eq!(world.until_failed(), "failed -1 job record unreadable, update dropped");
        world.session(|w| ota_hal::Clock::now(&w.clock).0 > 100_000_000);
        assert_eq!(world.cloud.failures().len(), 1);
        world.is_well(1);
    }
    let mut world = World::new(vec![]);
    plant(&world, Kind::Outbox, &rng.bytes(40));
    world.is_well(1);
}

#[test]
fn a_journal_full_of_garbage_is_an_empty_one() {
    for seed in 0..10 {
        let mut world = World::new(vec![]);
        let image = Draft::new(1).image();
        world.flash.borrow_mut().fill_garbage(&mut Rng::new(seed));
        common::program(&mut world.flash.borrow_mut(), 0, &image);
        world.is_well(1);
    }
}

#[test]
fn a_flash_that_fails_ends_the_job_with_a_report() {
    let ops = operations();
    let failed = RefCell::new(0);
    for op in (0..ops).step_by(7) {
        let mut world = World::offered();
        world.seed = op;
        world.flash.borrow_mut().reset_counters();
        world.flash.borrow_mut().fail_at(op, Tear::Prefix);
        world.live(|w| w.cloud.has_heard("version 2.0.0") || !w.cloud.failures().is_empty());
        *failed.borrow_mut() += world.cloud.failures().len();
        // What could not be stored, as far as the driver said, may be there all the same: then the job goes on.
        let hours = world.clock.now().after(50_000_000);
        world.live(|w| w.clock.now() > hours);
        let version = world.load().unwrap().0;
        world.is_well(version);
    }
    assert!(*failed.borrow() > 5, "a write error must not pass for success");
}
