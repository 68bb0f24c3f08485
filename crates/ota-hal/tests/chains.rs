//! One cut after the other: whatever the ones before left behind, each costs at most the record in flight.

mod common;

use common::{Device, Model, Step};
use ota_hal::{Kind, Partition};
use ota_testkit::{Rng, Tear};

type Board = Device<8, 0xFF, 256, 1, 64>;

fn board() -> Board {
    Board { flash: ota_testkit::SimFlash::new(512), partition: Partition::new(0, 512) }
}

/// Forty lives; in two of three the power goes at one of the first operations of an append or a removal.
fn chain(seed: u64, tears: &[Tear], unstable: bool) -> u32 {
    let (mut rng, mut board, mut model, mut cuts) = (Rng::new(seed), board(), Model::default(), 0);
    for life in 0..40 {
        let kind = [Kind::Boot, Kind::Job, Kind::Progress][rng.below(3) as usize];
        let len = 8 + rng.below(40) as usize;
        let step = if rng.one_in(6) { Step::Remove(kind) } else { Step::Append(kind, rng.bytes(len)) };
        board.flash.reset_counters();
        board.flash.set_seed(seed ^ life);
        if !rng.one_in(3) {
            let tear = tears[rng.below(tears.len() as u32) as usize];
            board.flash.cut_at(u64::from(rng.below(12)), tear);
        }
        let done = board.run(std::slice::from_ref(&step)).is_ok();
        cuts += u32::from(!board.flash.is_powered());
        board.flash.power_on();
        board.flash.reset_counters();
        let found = if unstable { board.settled() } else { board.state() };
        let after = model.after(&step);
        assert!(found == after || (!done && found == model), "seed {seed}, life {life}: {step:?} {:?}", board.flash);
        model = found;
        board.assert_lawful();
    }
    cuts
}

#[test]
fn chains_of_torn_operations_lose_nothing() {
    let cuts: u32 = (0..3_000).map(|seed| chain(seed, &Tear::ALL, false)).sum();
    println!("{cuts} cuts: chains of torn operations");
    assert!(cuts > 10_000, "{cuts}");
}

#[test]
fn chains_with_unstable_cells_lose_nothing_that_was_settled() {
    let tears = [Tear::Unstable, Tear::FewUnstable, Tear::Units, Tear::Suffix];
    let cuts: u32 = (0..2_000).map(|seed| chain(seed, &tears, true)).sum();
    println!("{cuts} cuts: chains with unstable cells");
    assert!(cuts > 10_000, "{cuts}");
}
