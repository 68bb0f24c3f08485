//! A record on flash: eight bytes of head, the payload, padding to the write size.

use super::Kind;
use crate::crc;

/// How many kinds this format keeps apart; more than [`Kind::COUNT`], so that kinds of newer programs survive.
pub(super) const KINDS: usize = 8;
const _: () = assert!(Kind::COUNT <= KINDS);

/// The kind of a bank header. Not one of the kinds that are kept.
pub(super) const HEADER_KIND: u8 = 0x4A;

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
    pub(super) len: u16,
    pub(super) kind: u8,
    mark: Mark,
    /// CRC register after the payload. It does not depend on the place, so a move needs no second look.
    pub(super) sum: u32,
}

impl Head {
    pub(super) fn new(kind: u8, mark: Mark, len: u16, payload: &[u8]) -> Self {
        Self { len, kind, mark, sum: crc::update(crc::INIT, payload) }
    }

    /// Bytes of head and payload.
    pub(super) fn total(self) -> u32 {
        HEAD + u32::from(self.len)
    }

    /// Where the kind's value is once this record stands at `at`.
    pub(super) fn live_at(self, at: u32) -> u32 {
        if self.mark == Mark::Live { at } else { 0 }
    }

    /// The stored CRC: payload, the four bytes of the head, the place, the generation. A record is only valid where
    /// and when it was written, so neither leftovers of an erase nor a payload that looks like a record count.
    pub(super) fn seal(self, at: u32, generation: u32) -> u32 {
        !crc::update(self.sum, [self.word(), at, generation].map(u32::to_le_bytes).as_flattened())
    }

    /// The head as stored at `at`.
    pub(super) fn encode(self, at: u32, generation: u32) -> [u8; 8] {
        // Both halves little-endian, the word first.
        (u64::from(self.word()) | u64::from(self.seal(at, generation)) << 32).to_le_bytes()
    }

    /// The head stored in `bytes` and its CRC; `sum` is still to be computed. `None` if no record begins like this.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let (&[len_low, len_high, kind, mark, s0, s1, s2, s3], _) = bytes.split_first_chunk()?;
        let mark = match mark {
            m if m == Mark::Live as u8 => Mark::Live,
            m if m == Mark::Removed as u8 => Mark::Removed,
            _ => return None,
        };
        let head = Self { len: u16::from_le_bytes([len_low, len_high]), kind, mark, sum: crc::INIT };
        Some((head, u32::from_le_bytes([s0, s1, s2, s3])))
    }

    fn word(self) -> u32 {
        u32::from(self.len) | u32::from(self.kind) << 16 | (self.mark as u32) << 24
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
        assert_eq!((back.len, back.kind, back.mark), (0x0102, 3, Mark::Live));
        assert_eq!(seal, head.seal(0x40, 7));
    }

    #[test]
    fn seal_depends_on_everything() {
        let head = Head::new(1, Mark::Live, 1, b"x");
        let all = [
            head.seal(64, 7),
            head.seal(65, 7),
            head.seal(64, 8),
            Head { kind: 2, ..head }.seal(64, 7),
            Head { len: 2, ..head }.seal(64, 7),
            Head { mark: Mark::Removed, ..head }.seal(64, 7),
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
