//! Every flash operation of whole life cycles, cut in every way; then every pair of cuts.

mod common;

use common::life::{FATES, Fate, Life, survive};
use common::{Device, Sim};
use ota_hal::{Kind, SlotId};
use ota_testkit::Tear;

/// Devices that differ in where the journal's bank will be full, and in the slot they run from.
fn devices<const W: usize, const E: u8>(flash: Sim<W, E>, fillers: u8) -> Vec<(Device<W, E>, u8)> {
    let mut all = Vec::new();
    for filler in 0..fillers {
        let mut device = Device::factory(flash.clone());
        for n in 0..filler {
            device.append(Kind::Job, &[n; 20]);
        }
        all.push((device.clone(), 1));
        let slot = Life::new(&mut device, Fate::Confirm, 1, 2).run();
        assert_eq!(slot, SlotId::B);
        all.push((device, 2));
    }
    for (device, _) in &mut all {
        device.flash.get_mut().reset_counters();
    }
    all
}

/// Runs `scenario` with a cut at operation 0, 1, 2... until an operation is never reached. Returns the runs made.
fn each_operation(mut scenario: impl FnMut(u64) -> bool) {
    let mut op = 0;
    while scenario(op) {
        op += 1;
        assert!(op < 500, "the scenario never ends");
    }
    assert!(op > 0, "no operation was cut");
}

fn single_cuts<const W: usize, const E: u8>(flash: Sim<W, E>, fillers: u8) -> u32 {
    let mut runs = 0;
    for (device, old) in devices(flash, fillers) {
        for fate in FATES {
            each_operation(|op| {
                let mut cut = 0;
                for tear in Tear::ALL {
                    let mut device = device.clone();
                    device.flash.get_mut().cut_at(op, tear);
                    cut += survive(&mut device, fate, old, old + 1);
                    runs += 1;
                }
                cut > 0
            });
        }
    }
    runs
}

fn pairs_of_cuts<const W: usize, const E: u8>(flash: Sim<W, E>, fillers: u8, second: &[Tear]) -> u32 {
    let mut runs = 0;
    for (device, old) in devices(flash, fillers) {
        for fate in FATES {
            each_operation(|first| {
                let mut reached = false;
                for tear in Tear::ALL {
                    let mut cut = device.clone();
                    cut.flash.get_mut().cut_at(first, tear);
                    each_operation(|gap| {
                        let mut cuts = 0;
                        for tear in second {
                            let mut device = cut.clone();
                            device.flash.get_mut().cut_at(first + 1 + gap, *tear);
                            cuts = survive(&mut device, fate, old, old + 1);
                            reached |= cuts > 0;
                            runs += 1;
                        }
                        cuts > 1 || gap == 0
                    });
                }
                reached
            });
        }
    }
    runs
}

#[test]
fn the_life_cycles_end_well_without_cuts() {
    for fate in FATES {
        let mut device = Device::factory(Sim::<8>::new(6 * common::SECTOR as u32));
        assert_eq!(survive(&mut device, fate, 1, 2), 0);
    }
}

#[test]
fn one_cut_anywhere() {
    let runs = single_cuts(Device::<8>::blank().seeded(1), 8);
    println!("{runs} runs");
    assert!(runs > 6_000);
}

#[test]
fn one_cut_anywhere_with_ecc_and_wide_words() {
    let runs = single_cuts(Device::<32>::blank().with_ecc().seeded(2), 3);
    println!("{runs} runs");
    assert!(runs > 2_000);
}

#[test]
fn one_cut_anywhere_on_a_part_that_erases_to_zero() {
    let runs = single_cuts(Device::<4, 0x00>::blank().seeded(3), 3);
    println!("{runs} runs");
    assert!(runs > 2_000);
}

#[test]
fn two_cuts_anywhere() {
    let runs = pairs_of_cuts(Device::<8>::blank().seeded(4), 1, &Tear::ALL);
    println!("{runs} runs");
    assert!(runs > 50_000);
}

#[test]
fn two_cuts_anywhere_with_ecc() {
    let runs = pairs_of_cuts(Device::<16>::blank().with_ecc().seeded(5), 1, &[Tear::Before, Tear::Bits, Tear::After]);
    println!("{runs} runs");
    assert!(runs > 20_000);
}
