//! The order of the sweep: every geometry and story early, every operation and kind of tear next, then pairs and new seeds.

use crate::geometry::GEOMETRIES;
use crate::story::Story;
use crate::unit::{DELTA_ROUNDS, Kind, SLICES, Unit};

/// Pasts of the device: how full its journal is, and, if odd, that it runs from slot B. They take turns.
const PASTS: [u8; 6] = [0, 1, 4, 7, 12, 17];
/// The stories of which pairs are made. The delta, with four times the operations, takes the last one's turn in every other
/// round.
const PAIRED: [Story; 9] = [
    Story::Update,
    Story::Gate,
    Story::Hang,
    Story::Foreign,
    Story::Crash,
    Story::Tampered,
    Story::Older,
    Story::Forged,
    Story::WrongClass,
];

/// Units of one pass: every geometry with every story, each with an eighth of the operations, and pairs on the small part.
const SINGLES: usize = GEOMETRIES.len() * Story::ALL.len();
const PASS: usize = SINGLES + PAIRED.len() + TROUBLED;
/// Of a pass, units with other troubles: the geometries take turns.
const TROUBLED: usize = 5;
/// Units in which every operation was cut in every way once, those of deltas in [`DELTA_ROUNDS`] rounds.
pub const ROUND: usize = PASS * SLICES;

/// Unit number `n` of the sweep with this seed; there is no last one.
#[must_use]
pub fn unit(n: usize, seed: u64) -> Unit {
    let (round, pass, place) = (n / ROUND, n / PASS % SLICES, n % PASS);
    // So that neighbouring passes cut operations far apart.
    let slice = (pass as u8).reverse_bits() as usize >> 5;
    let of = |story| if story == Story::Delta { slice + SLICES * (round % DELTA_ROUNDS) } else { slice };
    let past = |place: usize| PASTS[(round + pass + place) % PASTS.len()];
    let seed = seed.wrapping_mul(1_000_003).wrapping_add(round as u64);
    match place.checked_sub(SINGLES) {
        None => {
            let geometry = place % GEOMETRIES.len();
            let story = Story::ALL[(place / GEOMETRIES.len() + geometry) % Story::ALL.len()];
            Unit { geometry, story, past: past(place), slice: of(story), seed, kind: Kind::Cuts }
        }
        Some(place) if place < TROUBLED => {
            let geometry = (pass * TROUBLED + place) % GEOMETRIES.len();
            let story = Story::ALL[(geometry + round + pass) % Story::ALL.len()];
            Unit { geometry, story, past: past(geometry), slice: of(story), seed, kind: Kind::Troubles }
        }
        Some(place) => {
            let place = place - TROUBLED;
            let story = match PAIRED[place] {
                Story::WrongClass if round % 2 == 1 => Story::Delta,
                story => story,
            };
            Unit { geometry: 0, story, past: past(place), slice: of(story), seed, kind: Kind::Pairs }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_sweep_touches_every_geometry_and_a_round_everything_once() {
        let early: Vec<Unit> = (0..GEOMETRIES.len()).map(|n| unit(n, 1)).collect();
        assert!((0..GEOMETRIES.len()).all(|geometry| early.iter().any(|unit| unit.geometry == geometry)));
        assert!(Story::ALL.iter().all(|story| early.iter().any(|unit| unit.story == *story)));
        let round: Vec<Unit> = (0..ROUND).map(|n| unit(n, 1)).collect();
        for (n, unit) in round.iter().enumerate() {
            assert!(!round[..n].contains(unit), "twice: {unit:?}");
        }
        assert_eq!(round.iter().filter(|unit| unit.kind == Kind::Cuts).count(), SINGLES * SLICES);
        let pairs =
            (0..ROUND).map(|n| unit(n, 1)).filter(|unit| unit.kind == Kind::Pairs && unit.story == Story::Update);
        let mut slices: Vec<usize> = pairs.map(|unit| unit.slice).collect();
        slices.sort_unstable();
        assert_eq!(slices, (0..SLICES).collect::<Vec<_>>());
    }
}
