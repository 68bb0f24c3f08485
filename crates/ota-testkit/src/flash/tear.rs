//! What an interrupted operation leaves behind.

use crate::Rng;

/// How far a write or an erase got when it was interrupted. The random ones follow from the seed of the flash and
/// the number of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tear {
    /// Nothing was done.
    Before,
    /// A random number of bytes at the start was done.
    Prefix,
    /// A random number of bytes at the end was done.
    Suffix,
    /// All but the last byte was done.
    AllButLast,
    /// Each write unit was done or not, at random.
    Units,
    /// Each bit was done or not, at random: a half-erased sector, a half-programmed unit.
    Bits,
    /// As [`Tear::Bits`], but nearly everything was done: one bit in 32 is left.
    FewBitsLeft,
    /// Each bit was done, or not, or is left between the two: such a bit reads as one or the other, anew at each read,
    /// until it is erased or programmed.
    Unstable,
    /// As [`Tear::Unstable`], but all is done except for one bit in 32, which is left between.
    FewUnstable,
    /// All was done; only the answer was lost.
    After,
}

impl Tear {
    /// Every kind whose cells read the same twice.
    pub const ALL: [Self; 8] = [
        Self::Before,
        Self::Prefix,
        Self::Suffix,
        Self::AllButLast,
        Self::Units,
        Self::Bits,
        Self::FewBitsLeft,
        Self::After,
    ];
    /// The kinds whose cells may read differently each time.
    pub const UNSTABLE: [Self; 2] = [Self::Unstable, Self::FewUnstable];

    /// What it is called on command lines and in the lines that replay a scenario.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::AllButLast => "allbutlast",
            Self::Units => "units",
            Self::Bits => "bits",
            Self::FewBitsLeft => "fewbitsleft",
            Self::Unstable => "unstable",
            Self::FewUnstable => "fewunstable",
            Self::After => "after",
        }
    }

    /// Whether two seeds may leave different cells.
    #[must_use]
    pub const fn is_random(self) -> bool {
        !matches!(self, Self::Before | Self::AllButLast | Self::After)
    }

    /// Which of the bits that change in one byte are left between their old and their new value.
    pub(super) fn unstable(self, rng: &mut Rng) -> u8 {
        match self {
            Self::Unstable => rng.byte() & rng.byte(),
            Self::FewUnstable => (1_u64 << rng.below(32)) as u8,
            _ => 0,
        }
    }

    /// What stands in `old` after an interrupted change to `new`; `unit` is the write size.
    pub(super) fn apply(self, old: &mut [u8], new: &[u8], unit: usize, rng: &mut Rng) {
        let len = old.len();
        let (start, end) = match self {
            Self::Before => (0, 0),
            Self::Prefix => (0, rng.below(len as u32) as usize),
            Self::Suffix => (1 + rng.below(len as u32) as usize, len),
            Self::AllButLast => (0, len.saturating_sub(1)),
            Self::After | Self::FewUnstable => (0, len),
            Self::Units => return tear_units(old, new, unit, rng),
            Self::Bits | Self::Unstable => return tear_bits(old, new, || rng.byte()),
            Self::FewBitsLeft => return tear_bits(old, new, || !(1 << rng.below(32)) as u8),
        };
        if let (Some(old), Some(new)) = (old.get_mut(start..end), new.get(start..end)) {
            old.copy_from_slice(new);
        }
    }
}

fn tear_units(old: &mut [u8], new: &[u8], unit: usize, rng: &mut Rng) {
    for (old, new) in old.chunks_mut(unit).zip(new.chunks(unit)) {
        if rng.one_in(2) {
            old.copy_from_slice(new);
        }
    }
}

fn tear_bits(old: &mut [u8], new: &[u8], mut mask: impl FnMut() -> u8) {
    for (old, new) in old.iter_mut().zip(new) {
        let done = mask();
        *old = (*old & !done) | (*new & done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torn(tear: Tear, seed: u64) -> Vec<u8> {
        let mut cells = vec![0xFF; 64];
        tear.apply(&mut cells, &[0; 64], 8, &mut Rng::new(seed));
        cells
    }

    #[test]
    fn each_kind_leaves_what_it_says() {
        assert_eq!(torn(Tear::Before, 1), [0xFF; 64]);
        assert_eq!(torn(Tear::After, 1), [0; 64]);
        assert_eq!(torn(Tear::AllButLast, 1)[62..], [0, 0xFF]);
        for seed in 0..50 {
            let prefix = torn(Tear::Prefix, seed);
            assert!(prefix.is_sorted() && prefix[63] == 0xFF, "seed {seed}");
            let suffix = torn(Tear::Suffix, seed);
            assert!(suffix.iter().rev().is_sorted() && suffix[0] == 0xFF, "seed {seed}");
            assert!(torn(Tear::Units, seed).chunks(8).all(|unit| unit == [0; 8] || unit == [0xFF; 8]));
        }
    }

    #[test]
    fn bits_are_mixed() {
        let ones = |cells: Vec<u8>| cells.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!((150..362).contains(&ones(torn(Tear::Bits, 9))));
        assert!((1..60).contains(&ones(torn(Tear::FewBitsLeft, 9))));
    }
}
