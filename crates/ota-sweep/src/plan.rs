//! The order of the sweep: every geometry and story early, every operation and kind of tear next, then pairs and new seeds.

use crate::geometry::GEOMETRIES;
use crate::story::Story;
use crate::unit::{DELTA_ROUNDS, Kind, SLICES, Unit};

/// Pasts of the device: how full its journal is, and, if odd, that it runs from slot B. They take turns.
const PASTS: [u8; 6] = [0, 1, 4, 7, 12, 17];
/// The stories of which pairs are made: so many of the ring in each round.
const RING: [Story; 10] = [
    Story::Update,
    Story::Gate,
    Story::Hang,
    Story::Foreign,
    Story::Crash,
    Story::Tampered,
    Story::Older,
    Story::Forged,
    Story::WrongClass,
    Story::Delta,
];
const PAIRED: usize = 7;

/// Units of one pass: every geometry with every story, each with an eighth of the operations; pairs on the first part; other
/// troubles; and those between cuts.
const SINGLES: usize = GEOMETRIES.len() * Story::ALL.len();
const TROUBLED: usize = 6;
const MIXED: usize = 1;
const PASS: usize = SINGLES + TROUBLED + MIXED + PAIRED;
/// Units in which every operation was cut in every way once, those of deltas in [`DELTA_ROUNDS`] rounds.
pub const ROUND: usize = PASS * SLICES;
/// Units with every other trouble on the first part.
const FIRST: usize = (Story::ALL.len() - 1 + DELTA_ROUNDS) * SLICES;

/// Where a unit stands in the list.
struct Turn {
    round: usize,
    pass: usize,
    seed: u64,
}

impl Turn {
    /// Slice and past of a story that comes for the time number `visit`, its first past being that of `place`.
    fn unit(&self, geometry: usize, story: Story, visit: usize, place: usize, kind: Kind) -> Unit {
        // So that neighbouring passes cut operations far apart.
        let slice = (self.pass as u8).reverse_bits() as usize >> 5;
        let (slice, visit) = match story {
            Story::Delta => (slice + SLICES * (visit % DELTA_ROUNDS), visit / DELTA_ROUNDS),
            _ => (slice, visit),
        };
        Unit { geometry, story, past: PASTS[(visit + place) % PASTS.len()], slice, seed: self.seed, kind }
    }

    fn single(&self, place: usize) -> Unit {
        let geometry = place % GEOMETRIES.len();
        let story = Story::ALL[(place / GEOMETRIES.len() + geometry) % Story::ALL.len()];
        self.unit(geometry, story, self.round, place, Kind::Cuts)
    }

    fn pair(&self, place: usize) -> Unit {
        let turn = self.round * PAIRED + place;
        let story = turn % RING.len();
        self.unit(0, RING[story], turn / RING.len(), story, Kind::Pairs)
    }

    /// Every other one on the first part, every other pair of them a delta.
    fn mixed(&self) -> Unit {
        let turn = self.round * SLICES + self.pass;
        let geometry = if turn.is_multiple_of(2) { 0 } else { turn % GEOMETRIES.len() };
        let story = if (turn / 2).is_multiple_of(2) { Story::Delta } else { RING[turn / 4 % RING.len()] };
        self.unit(geometry, story, self.round, turn / 2, Kind::Mixed)
    }

    /// All of them on the first part, then some on each.
    fn trouble(&self, place: usize) -> Unit {
        let turn = (self.round * SLICES + self.pass) * TROUBLED + place;
        if turn >= FIRST {
            let geometry = turn % GEOMETRIES.len();
            let story = Story::ALL[(geometry + turn / GEOMETRIES.len()) % Story::ALL.len()];
            return self.unit(geometry, story, self.round, geometry, Kind::Troubles);
        }
        let deltas = DELTA_ROUNDS * SLICES;
        let (story, slice) = match turn.checked_sub(deltas) {
            None => (Story::Delta, turn),
            Some(turn) => (RING[turn / SLICES], turn % SLICES),
        };
        Unit { geometry: 0, story, past: PASTS[0], slice, seed: self.seed, kind: Kind::Troubles }
    }
}

/// Unit number `n` of the sweep with this seed; there is no last one.
#[must_use]
pub fn unit(n: usize, seed: u64) -> Unit {
    let (round, pass, place) = (n / ROUND, n / PASS % SLICES, n % PASS);
    let turn = Turn { round, pass, seed: seed.wrapping_mul(1_000_003).wrapping_add(round as u64) };
    match place.checked_sub(SINGLES) {
        None => turn.single(place),
        Some(place) if place < TROUBLED => turn.trouble(place),
        Some(place) if place < TROUBLED + MIXED => turn.mixed(),
        Some(place) => turn.pair(place - TROUBLED - MIXED),
    }
}

/// How many stories were gone through completely in the units of this kind: every operation, at least in one past. Each
/// geometry counts anew.
#[must_use]
pub fn complete(units: &[Unit], kind: Kind) -> usize {
    let stories = (0..GEOMETRIES.len()).flat_map(|geometry| Story::ALL.map(|story| (geometry, story)));
    let whole = |(geometry, story): (usize, Story)| {
        let slices = if story == Story::Delta { SLICES * DELTA_ROUNDS } else { SLICES };
        PASTS.iter().any(|past| {
            let of = |unit: &&Unit| (unit.kind, unit.geometry, unit.story, unit.past) == (kind, geometry, story, *past);
            let mut seen = units.iter().filter(of).map(|unit| unit.slice).collect::<Vec<_>>();
            seen.sort_unstable();
            seen.dedup();
            seen.len() == slices
        })
    };
    stories.filter(|story| whole(*story)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_sweep_touches_every_geometry_and_every_story() {
        let early: Vec<Unit> = (0..GEOMETRIES.len()).map(|n| unit(n, 1)).collect();
        assert!((0..GEOMETRIES.len()).all(|geometry| early.iter().any(|unit| unit.geometry == geometry)));
        assert!(Story::ALL.iter().all(|story| early.iter().any(|unit| unit.story == *story)));
    }

    #[test]
    fn no_unit_comes_twice_and_two_rounds_are_complete_but_for_pairs_of_a_delta() {
        let rounds: Vec<Unit> = (0..2 * ROUND).map(|n| unit(n, 1)).collect();
        for (n, unit) in rounds.iter().enumerate() {
            assert!(!rounds[..n].contains(unit), "twice: {unit:?}");
        }
        assert_eq!(complete(&rounds, Kind::Cuts), SINGLES);
        assert_eq!(complete(&rounds, Kind::Pairs), RING.len() - 1);
        assert!(complete(&rounds, Kind::Troubles) >= RING.len());
        assert!(complete(&rounds[..ROUND], Kind::Cuts) < SINGLES);
    }
}
