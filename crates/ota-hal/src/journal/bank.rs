//! One half of the journal region, and the header that makes it count.

use super::crc;

/// First four bytes of a bank; the last one is the version of the format.
const MAGIC: [u8; 4] = *b"OTJ1";

/// Bytes of the header, before padding.
pub(super) const HEADER: usize = 12;

/// A bank: where it starts in the region, and how often the journal had moved when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bank {
    pub(super) start: u32,
    pub(super) generation: u32,
}

impl Bank {
    /// Stands for the absent current bank of an empty journal: the first rotation opens the first bank.
    pub(super) const fn none(half: u32) -> Self {
        Self { start: half, generation: 0 }
    }

    /// The bank that a rotation opens.
    pub(super) fn next(self, half: u32) -> Self {
        let start = if self.start == 0 { half } else { 0 };
        Self { start, generation: self.generation.wrapping_add(1) }
    }

    /// Whether this bank was opened after `other`. Generations wrap.
    pub(super) fn newer_than(self, other: Self) -> bool {
        let ahead = self.generation.wrapping_sub(other.generation);
        ahead != 0 && ahead < 1 << 31
    }

    /// The header as stored.
    pub(super) fn encode(self) -> [u8; HEADER] {
        let [m0, m1, m2, m3] = MAGIC;
        let [g0, g1, g2, g3] = self.generation.to_le_bytes();
        let [s0, s1, s2, s3] = Self::seal(&[m0, m1, m2, m3, g0, g1, g2, g3]);
        [m0, m1, m2, m3, g0, g1, g2, g3, s0, s1, s2, s3]
    }

    /// The bank at `start` whose header begins `bytes`, if it is whole.
    pub(super) fn decode(start: u32, bytes: &[u8]) -> Option<Self> {
        let (covered, rest) = bytes.split_first_chunk::<8>()?;
        let [m0, m1, m2, m3, g0, g1, g2, g3] = *covered;
        let whole = [m0, m1, m2, m3] == MAGIC && rest.starts_with(&Self::seal(covered));
        whole.then_some(Self { start, generation: u32::from_le_bytes([g0, g1, g2, g3]) })
    }

    fn seal(covered: &[u8; 8]) -> [u8; 4] {
        (!crc::update(crc::INIT, covered)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_comes_back() {
        let bank = Bank { start: 512, generation: 0x0403_0201 };
        let bytes = bank.encode();
        assert_eq!(bytes[..8], *b"OTJ1\x01\x02\x03\x04");
        assert_eq!(Bank::decode(512, &bytes), Some(bank));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = Bank { start: 0, generation: 5 }.encode();
        for bit in 0..HEADER * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Bank::decode(0, &bad), None, "bit {bit}");
        }
        assert_eq!(Bank::decode(0, &bytes[..11]), None);
    }

    #[test]
    fn generations_wrap() {
        let at = |generation| Bank { start: 0, generation };
        assert!(at(0).newer_than(at(u32::MAX)));
        assert!(!at(u32::MAX).newer_than(at(0)));
        assert!(at(6).newer_than(at(5)));
        assert!(!at(5).newer_than(at(5)));
        assert_eq!(at(u32::MAX).next(64), Bank { start: 64, generation: 0 });
    }
}
