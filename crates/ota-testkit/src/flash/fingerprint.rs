//! Telling states of a flash apart.

use super::SimFlash;

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize>
    SimFlash<WRITE, ERASED, SECTOR, READ>
{
    /// A number that follows from everything that reads and later operations depend on: cells, how often each was written,
    /// what reads as corrupt, is stuck or is unstable; of an unstable part also the seed. Not from counters.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Mix(0x9E37_79B9_7F4A_7C15);
        hash.bytes(&self.cells);
        hash.bytes(&self.writes);
        for flags in [&self.corrupt, &self.stuck] {
            for (n, _) in flags.iter().enumerate().filter(|(_, set)| **set) {
                hash.word(n as u64);
            }
            hash.word(u64::MAX);
        }
        if !self.unstable.is_empty() {
            for (at, mask) in self.unstable.cells() {
                hash.word(u64::from(*at) << 8 | u64::from(*mask));
            }
            hash.word(self.rng.seed());
        }
        hash.0
    }
}

/// Two words make one, by a product of twice the width. Not for secrets.
struct Mix(u64);

impl Mix {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0xD6E8_FEB8_6659_FD93_u64);
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ 0xA076_1D64_78BD_642F;
    }
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.word(u64::from(*byte)));
    }
}

#[cfg(test)]
mod tests {
    use crate::{SimFlash, Tear};
    use embedded_storage::nor_flash::NorFlash;

    type Part = SimFlash<4, 0xFF, 64>;

    #[test]
    fn what_matters_changes_it_and_what_does_not_does_not() {
        let fresh = Part::new(256);
        let mut seen = vec![fresh.fingerprint()];
        let mut differs = |change: fn(&mut Part)| {
            let mut flash = fresh.clone();
            change(&mut flash);
            let print = flash.fingerprint();
            assert!(!seen.contains(&print), "after {} changes", seen.len());
            seen.push(print);
        };
        differs(|flash| flash.write(0, &[1; 4]).unwrap());
        differs(|flash| flash.write(4, &[1; 4]).unwrap());
        differs(|flash| flash.write(0, &[0xFF; 4]).unwrap());
        differs(|flash| flash.corrupt(0..1));
        differs(|flash| flash.corrupt(4..5));
        differs(|flash| flash.stick_sector(1));
        let torn = |seed| {
            let mut flash = fresh.clone().seeded(seed);
            flash.cut_at(0, Tear::Unstable);
            flash.write(0, &[0; 64]).unwrap_err();
            flash.fingerprint()
        };
        assert_ne!(torn(1), torn(2));
        let mut same = fresh.clone();
        same.erase(0, 128).unwrap();
        same.reset_counters();
        assert_eq!(same.fingerprint(), fresh.fingerprint());
    }
}
