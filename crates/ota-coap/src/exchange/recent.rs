//! The last confirmable messages that were acknowledged, so that a repeated one is acknowledged again and not taken twice.

use ota_hal::Millis;

/// The server sends on while its acknowledgement is lost; more messages than this between two copies are not expected of
/// one server that we have one request open at.
const KEPT: usize = 4;
/// EXCHANGE_LIFETIME (247 s, RFC 7252 §4.8.2) in units of 1,024 ms.
const LIFETIME: u32 = 242;

#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u16,
    /// In units of 1,024 ms, plus one; 0 for an entry that holds nothing.
    at: u32,
}

#[derive(Debug)]
pub(super) struct Recent {
    /// The latest first.
    seen: [Seen; KEPT],
}

impl Recent {
    pub(super) const NONE: Self = Self { seen: [Seen { id: 0, at: 0 }; KEPT] };

    pub(super) fn add(&mut self, now: Millis, id: u16) {
        let [a, b, c, _] = self.seen;
        self.seen = [Seen { id, at: units(now) }, a, b, c];
    }

    pub(super) fn holds(&self, now: Millis, id: u16) -> bool {
        let now = units(now);
        self.seen.iter().any(|seen| seen.id == id && seen.at != 0 && now.wrapping_sub(seen.at) < LIFETIME)
    }
}

fn units(now: Millis) -> u32 {
    ((now.0 >> 10) as u32).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_four_for_their_lifetime() {
        let mut recent = Recent::NONE;
        assert!(!recent.holds(Millis(0), 0));
        for id in 0..5 {
            recent.add(Millis(5_000), id);
        }
        assert_eq!([0, 1, 2, 3, 4].map(|id| recent.holds(Millis(5_001), id)), [false, true, true, true, true]);
        assert!(recent.holds(Millis(5_000 + 246_000), 4));
        assert!(!recent.holds(Millis(5_000 + 249_000), 4));
    }
}
