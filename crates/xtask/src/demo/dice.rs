//! Random choices that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*, seeded by the user or by the time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The generator and its seed.
    pub(crate) fn new(seed: Option<u64>) -> (Self, u64) {
        let time = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| u64::from(now.subsec_nanos()));
        let seed = seed.unwrap_or_else(time);
        // The golden ratio spreads small seeds; the state must not be zero.
        (Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), seed)
    }
    /// A number of `from..to`.
    pub(crate) fn roll(&mut self, from: u64, to: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        from + drawn % to.saturating_sub(from).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_repeats_its_numbers_and_the_range_holds() {
        let draw = |seed| {
            let mut dice = Dice::new(Some(seed)).0;
            (0..100).map(|_| dice.roll(15, 30)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(9));
        assert!(draw(0).iter().all(|n| (15..30).contains(n)));
    }
}
