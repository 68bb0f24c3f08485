//! Random calls against a map, and journals made of garbage.

mod common;

use common::{Device, Model, Step, read_all};
use ota_hal::{Journal, JournalError, Kind, Partition, Region};
use ota_testkit::{Rng, SimFlash};
use proptest::prelude::*;
use std::collections::HashSet;

type Board = Device<4, 0xFF, 256, 1, 64>;

fn board() -> Board {
    Board { flash: SimFlash::new(512), partition: Partition::new(0, 512) }
}

fn kind() -> impl Strategy<Value = Kind> {
    (0..Kind::COUNT).prop_map(|n| Kind::ALL[n])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (kind(), prop::collection::vec(any::<u8>(), 0..50)).prop_map(|(kind, bytes)| Step::Append(kind, bytes)),
        2 => (kind(), prop::collection::vec(any::<u8>(), 50..300)).prop_map(|(kind, bytes)| Step::Append(kind, bytes)),
        2 => kind().prop_map(Step::Remove),
        1 => Just(Step::Remount),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// After every call the journal equals the map, and it refuses exactly what cannot fit.
    #[test]
    fn equals_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let (mut board, mut model) = (board(), Model::default());
        for step in steps {
            let result = board.run(std::slice::from_ref(&step)).map_err(|(_, fault)| fault);
            let next = model.after(&step);
            if next.size(4) <= 256 - 32 {
                prop_assert_eq!(result, Ok(()));
                model = next;
            } else {
                prop_assert_eq!(result, Err(JournalError::TooLarge));
            }
            prop_assert_eq!(board.state(), model.clone());
        }
        board.assert_lawful();
    }

    /// The same without a mount between the calls.
    #[test]
    fn equals_a_map_in_one_session(steps in prop::collection::vec(step(), 1..60)) {
        let (mut board, mut model) = (board(), Model::default());
        let mut journal = board.mount().unwrap();
        for step in steps {
            let result = match &step {
                Step::Append(kind, payload) => journal.append(*kind, payload),
                Step::Remove(kind) => journal.remove(*kind),
                Step::Remount => Ok(()),
            };
            if result.is_ok() {
                model.apply(&step);
            }
            prop_assert_eq!(read_all(&mut journal), model.clone());
        }
        prop_assert_eq!(board.state(), model);
        board.assert_lawful();
    }
}

/// Point 6: random bytes are no record, and no obstacle.
#[test]
fn garbage_is_empty_and_usable() {
    for seed in 0..2_000 {
        let mut board = board();
        board.flash = board.flash.seeded(seed);
        let mut rng = Rng::new(seed);
        board.flash.fill_garbage(&mut rng);
        assert_eq!(board.state(), Model::default(), "seed {seed}");
        let steps = Step::script(&mut rng, 10, 20);
        board.run(&steps).unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
        let mut model = Model::default();
        steps.iter().for_each(|step| model.apply(step));
        assert_eq!(board.state(), model, "seed {seed}");
        board.assert_lawful();
    }
}

/// A journal with random damage: only records that were once written come back, and it can be written again.
#[test]
fn damage_never_invents_a_record() {
    for seed in 0..4_000 {
        let mut rng = Rng::new(seed);
        let mut board = board();
        let steps = Step::script(&mut rng, 30, 30);
        board.run(&steps).unwrap();
        let written: HashSet<(u8, &[u8])> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Append(kind, payload) => Some((*kind as u8, &payload[..])),
                _ => None,
            })
            .collect();
        for _ in 0..=rng.below(6) {
            let at = rng.below(512);
            match rng.below(3) {
                0 => board.flash.corrupt(at..at + 1),
                1 => board.flash.decay(at, 1 << rng.below(8)),
                _ => (at..(at + 40).min(512)).for_each(|at| board.flash.decay(at, rng.byte())),
            }
        }
        let found = board.state();
        for kind in Kind::ALL {
            let record = found.of(kind);
            assert!(
                record.is_none_or(|record| written.contains(&(kind as u8, record))),
                "seed {seed}: {kind:?} {record:?}"
            );
        }
        board.run(&[Step::Append(Kind::Boot, b"still usable".to_vec())]).unwrap();
        assert_eq!(board.state(), found.after(&Step::Append(Kind::Boot, b"still usable".to_vec())), "seed {seed}");
    }
}

/// A payload that looks like a record, left over by a torn write, does not become one.
#[test]
fn a_record_inside_a_payload_is_not_found() {
    let mut board = board();
    board.run(&[Step::Append(Kind::Boot, b"true".to_vec())]).unwrap();
    let forged = board.flash.cells()[32..48].to_vec();
    let mut journal = board.mount().unwrap();
    // If the one inside counted, the kind would go back to its old value.
    journal.append(Kind::Boot, b"newer").unwrap();
    journal.append(Kind::App, &forged.repeat(6)).unwrap();
    // The head of the outer record decays: what is inside would be next in line.
    let at = board.flash.cells().windows(16).rposition(|window| window == forged).unwrap() as u32 - 5 * 16 - 8;
    board.flash.decay(at + 3, 0xFF);
    let state = board.state();
    assert_eq!((state.of(Kind::Boot), state.of(Kind::App)), (Some(&b"newer"[..]), None));
}

#[test]
fn the_region_need_not_begin_at_zero() {
    let mut flash = SimFlash::<4, 0xFF, 256>::new(2048);
    let mut low = Journal::mount(Region::new(&mut flash, Partition::new(0, 512))).unwrap();
    low.append(Kind::Boot, b"low").unwrap();
    let mut high = Journal::mount(Region::new(&mut flash, Partition::new(1024, 1024))).unwrap();
    high.append(Kind::Boot, b"high").unwrap();
    let mut low = Journal::mount(Region::new(&mut flash, Partition::new(0, 512))).unwrap();
    assert_eq!(low.read(Kind::Boot, &mut [0; 8]).unwrap(), Some(&b"low"[..]));
}
