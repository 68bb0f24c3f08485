//! One half of the journal region, and the header that makes it count.

use super::record::{HEAD, HEADER_KIND, Head, Mark};

/// First four bytes of a bank header's payload; the last one is the version of the format.
const MAGIC: u32 = u32::from_le_bytes(*b"OTJ2");

/// Bytes of the payload of a bank header: magic and generation.
pub(super) const NAME: usize = 8;

/// Bytes of one copy of a bank header, before padding. It is a record like the others.
pub(super) const HEADER: usize = HEAD as usize + NAME;

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
        // 0 is left out: it stands for no bank.
        Self { start, generation: self.generation.checked_add(1).unwrap_or(1) }
    }

    /// Whether this bank was opened after `other`. Generations wrap.
    pub(super) fn newer_than(self, other: Self) -> bool {
        let ahead = self.generation.wrapping_sub(other.generation);
        ahead != 0 && ahead < 1 << 31
    }

    /// The generation that the header itself is sealed with: it is not known before the header is read.
    pub(super) const UNNAMED: u32 = 0;

    /// The payload of the header.
    pub(super) fn name(self) -> [u8; NAME] {
        (u64::from(MAGIC) | u64::from(self.generation) << 32).to_le_bytes()
    }

    /// The head of the header.
    pub(super) fn header(self) -> Head {
        Head::new(HEADER_KIND, Mark::Live, NAME as u16, &self.name())
    }

    /// The bank at `start` whose header has the head `head` and the payload `name`.
    pub(super) fn from_name(start: u32, head: Head, name: [u8; NAME]) -> Option<Self> {
        let name = u64::from_le_bytes(name);
        let bank = Self { start, generation: (name >> 32) as u32 };
        let ours = head.kind() == usize::from(HEADER_KIND) && usize::from(head.len()) == NAME && name as u32 == MAGIC;
        (ours && bank.generation != 0).then_some(bank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_comes_back() {
        let bank = Bank { start: 512, generation: 0x0403_0201 };
        assert_eq!(bank.name(), *b"OTJ2\x01\x02\x03\x04");
        assert_eq!(Bank::from_name(512, bank.header(), bank.name()), Some(bank));
    }

    #[test]
    fn other_records_are_no_header() {
        let bank = Bank { start: 0, generation: 5 };
        assert_eq!(Bank::from_name(0, bank.header(), *b"OTJ1\x05\0\0\0"), None);
        assert_eq!(Bank::from_name(0, bank.header(), *b"OTJ2\0\0\0\0"), None);
        assert_eq!(Bank::from_name(0, Head::new(0, Mark::Live, 8, &bank.name()), bank.name()), None);
        assert_eq!(Bank::from_name(0, Head::new(HEADER_KIND, Mark::Live, 7, &[]), bank.name()), None);
    }

    #[test]
    fn generations_wrap() {
        let at = |generation| Bank { start: 0, generation };
        assert!(at(0).newer_than(at(u32::MAX)));
        assert!(!at(u32::MAX).newer_than(at(0)));
        assert!(at(6).newer_than(at(5)));
        assert!(!at(5).newer_than(at(5)));
        assert_eq!(at(u32::MAX).next(64), Bank { start: 64, generation: 1 });
    }
}
