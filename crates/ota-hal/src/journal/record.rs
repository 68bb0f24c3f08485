//! A record on flash: eight bytes of head, the payload, padding to the write size.

use super::Kind;
use crate::crc;

/// How many kinds this format keeps apart; more than [`Kind::COUNT`], so that kinds of newer programs survive.
pub(super) const KINDS: usize = 8;
const _: () = assert!(Kind::COUNT <= KINDS);

/// The kind of a bank header. Not one of the kinds that are kept.
pub(super) const HEADER_KIND: u8 = 0x4A;

/// The kind of the record that says: all before it is settled. It has no payload, and is not kept either.
pub(super) const SETTLED: u8 = KINDS as u8;

/// Bytes of the head.
pub(super) const HEAD: u32 = 8;

/// What the record says of its kind. Neither number is 0x00 or 0xFF, so that no record looks erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mark {
    /// This is the kind's value now.
    Live = 0xA5,
    /// The kind has no value now.
    Removed = 0x5A,
}

/// The head of a record whose payload was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// As stored, little-endian: length, kind, mark. In one word, because everything else costs more code.
    word: u32,
    /// CRC register after the payload. It does not depend on the place, so a move needs no second look.
    pub(super) sum: u32,
}

impl Head {
    /// Of no record, and of no kind.
    pub(super) const NONE: Self = Self { word: 0x00FF_0000, sum: crc::INIT };

    pub(super) fn new(kind: u8, mark: Mark, len: u16, payload: &[u8]) -> Self {
        let word = u32::from(len) | u32::from(kind) << 16 | (mark as u32) << 24;
        Self { word, sum: crc::update(crc::INIT, payload) }
    }

    /// Bytes of the payload.
    pub(super) const fn len(self) -> u16 {
        self.word as u16
    }

    pub(super) const fn kind(self) -> usize {
        (self.word >> 16 & 0xFF) as usize
    }

    fn is(self, mark: Mark) -> bool {
        self.word >> 24 == mark as u32
    }

    /// Bytes of head and payload.
    pub(super) fn total(self) -> u32 {
        HEAD + u32::from(self.len())
    }

    /// Where the kind's value is once this record stands at `at`.
    pub(super) fn live_at(self, at: u32) -> u32 {
        if self.is(Mark::Live) { at } else { 0 }
    }

    /// The stored CRC: payload, the four bytes of the head, the place, the generation. A record is only valid where
    /// and when it was written, so neither leftovers of an erase nor a payload that looks like a record count.
    pub(super) fn seal(self, at: u32, generation: u32) -> u32 {
        !crc::update(self.sum, [self.word, at, generation].map(u32::to_le_bytes).as_flattened())
    }

    /// The head as stored at `at`.
    pub(super) fn encode(self, at: u32, generation: u32) -> [u8; 8] {
        // Both halves little-endian, the word first.
        (u64::from(self.word) | u64::from(self.seal(at, generation)) << 32).to_le_bytes()
    }

    /// The head stored in `bytes` and its CRC; `sum` is still to be computed. `None` if no record begins like this.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let (&[h0, h1, h2, h3, s0, s1, s2, s3], _) = bytes.split_first_chunk()?;
        let head = Self { word: u32::from_le_bytes([h0, h1, h2, h3]), ..Self::NONE };
        let known = head.is(Mark::Live) || head.is(Mark::Removed);
        known.then_some((head, u32::from_le_bytes([s0, s1, s2, s3])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_comes_back() {
        let head = Head::new(Kind::Outbox as u8, Mark::Live, 0x0102, b"x");
        let bytes = head.encode(0x40, 7);
        assert_eq!(bytes[..4], [0x02, 0x01, 3, 0xA5]);
        let (back, seal) = Head::decode(&bytes).unwrap();
        assert_eq!((back.len(), back.kind(), back.is(Mark::Live)), (0x0102, 3, true));
        assert_eq!(seal, head.seal(0x40, 7));
    }

    #[test]
    fn seal_depends_on_everything() {
        let head = Head::new(1, Mark::Live, 1, b"x");
        let all = [
            head.seal(64, 7),
            head.seal(65, 7),
            head.seal(64, 8),
            Head { sum: head.sum, ..Head::new(2, Mark::Live, 1, b"x") }.seal(64, 7),
            Head { sum: head.sum, ..Head::new(1, Mark::Live, 2, b"x") }.seal(64, 7),
            Head { sum: head.sum, ..Head::new(1, Mark::Removed, 1, b"x") }.seal(64, 7),
            Head::new(1, Mark::Live, 1, b"y").seal(64, 7),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "seal {i} is not its own");
        }
    }

    #[test]
    fn erased_cells_and_unknown_marks_are_no_record() {
        assert!(Head::decode(&[0xFF; 8]).is_none());
        assert!(Head::decode(&[0x00; 8]).is_none());
        assert!(Head::decode(&[0, 0, 0, 0xA4, 0, 0, 0, 0]).is_none());
        assert!(Head::decode(&[0; 7]).is_none());
    }
}
