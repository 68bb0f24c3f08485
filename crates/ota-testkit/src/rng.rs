//! Chance that can be replayed.

use ota_hal::Entropy;

/// A generator of numbers that follow from its seed. Not for secrets.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    seed: u64,
    state: u64,
}

impl Rng {
    /// The generator of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }
    /// The seed it began with: print it in every failure.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
    /// A generator for one part of a scenario, so that more draws in one part do not change another.
    #[must_use]
    pub fn part(&self, number: u64) -> Self {
        let mut mixed = Self::new(self.seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self::new(mixed.next_u64())
    }
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// A number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(limit)) >> 32) as u32
    }
    /// True once in `n` times on average; never when `n` is 0.
    pub fn one_in(&mut self, n: u32) -> bool {
        n != 0 && self.below(n) == 0
    }
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        (self.next_u64() >> 56) as u8
    }
    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.byte());
    }
    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }
}

impl Entropy for Rng {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_from_the_seed() {
        // First output of the reference implementation for seed 1234567.
        assert_eq!(Rng::new(1_234_567).next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(Rng::new(7).bytes(9), Rng::new(7).bytes(9));
        assert_ne!(Rng::new(7).part(1), Rng::new(7).part(2));
    }

    #[test]
    fn stays_below_the_limit() {
        let mut rng = Rng::new(3);
        let drawn: Vec<u32> = (0..500).map(|_| rng.below(5)).collect();
        assert!((0..5).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| *n < 5));
        assert_eq!(rng.below(0), 0);
        assert!(!rng.one_in(0) && rng.one_in(1));
    }
}
