//! The boot record as the loader handles it: the stored bytes themselves, see [`record`](crate::record).
//!
//! A loader that takes a [`Record`](crate::Record) apart and puts it together again spends 700 bytes of code on it.

use crate::record::{CONFIRMED, FORMAT, GIVEN_UP, PENDING, RECORD_LEN, RECORD_MAX, ROLLED_BACK, TESTING};
use ota_hal::{ResetCause, SlotId};

// Codes of a [`RollbackReason`](crate::RollbackReason), as stored.
const ATTEMPTS_USED_UP: u8 = 1;
pub(crate) const IMAGE_INVALID: u8 = 2;
const ACTIVE_INVALID: u8 = 3;

const STATE: usize = 1;
const HOME: usize = 2;
const ATTEMPTS: usize = 3;
const REASON: usize = 8;
const CAUSE: usize = 10;
const BOUND: usize = 11;
const DIGEST: usize = 24;

/// A record that `Record::decode` and `Record::encode` would make the same decisions from.
pub(crate) struct Raw([u8; RECORD_MAX]);

impl Raw {
    /// Decides as nothing stored does: see [`Raw::settle`].
    pub(crate) const EMPTY: Self = Self([0; RECORD_MAX]);

    /// Where the stored bytes go.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Gives `len` stored bytes their meaning. Total, like `Record::decode`.
    #[inline(never)]
    pub(crate) fn settle(&mut self, len: usize) {
        let bytes = &mut self.0;
        if len < 8 {
            *bytes = [0; RECORD_MAX];
        }
        let bound = bytes[BOUND] == 1;
        let known = match bytes[STATE] {
            CONFIRMED | ROLLED_BACK => true,
            PENDING | TESTING | GIVEN_UP => bound,
            _ => false,
        };
        let known = known && len == RECORD_LEN && bytes[0] == FORMAT;
        bytes[0] = FORMAT;
        if !known {
            bytes[STATE] = CONFIRMED;
        }
        if !known || !bound {
            self.forget_image();
        }
        self.0[HOME] = u8::from(self.0[HOME] == 1);
    }

    pub(crate) fn home(&self) -> SlotId {
        if self.0[HOME] == 1 { SlotId::B } else { SlotId::A }
    }

    pub(crate) fn floor(&self) -> u32 {
        let [_, _, _, _, f0, f1, f2, f3, ..] = self.0;
        u32::from_le_bytes([f0, f1, f2, f3])
    }

    /// Digest of the only image that may be tried.
    pub(crate) fn digest(&self) -> &[u8] {
        &self.0[DIGEST..RECORD_LEN]
    }

    /// Starts left for the image on trial, `attempts` at most; 0 as well when nothing is on trial.
    pub(crate) fn attempts(&self, attempts: u8) -> u8 {
        match self.0[STATE] {
            PENDING => attempts,
            TESTING => self.0[ATTEMPTS].min(attempts),
            _ => 0,
        }
    }

    /// Whether the trial is over without another start; the record then holds the reason.
    pub(crate) fn gave_up(&mut self) -> bool {
        let [_, state, _, attempts, _, _, _, _, code, ..] = self.0;
        match (state, attempts) {
            (TESTING, 0) => self.blame(ATTEMPTS_USED_UP),
            // Only gates have a detail.
            (GIVEN_UP, _) if !matches!(code, 4 | 5) => self.blame(code),
            (GIVEN_UP, _) => {}
            _ => return false,
        }
        true
    }

    /// Sets the reason.
    pub(crate) fn blame(&mut self, code: u8) {
        self.0[REASON] = code;
        self.0[REASON + 1] = 0;
    }

    /// The image was started on trial.
    pub(crate) fn try_staged(&mut self, attempts_left: u8) {
        self.blame(0);
        self.set(TESTING, attempts_left);
    }

    /// The loader returned to `home`, for the reason the record holds.
    pub(crate) fn roll_back(&mut self) {
        self.set(ROLLED_BACK, 0);
    }

    /// The loader took the slot that is not `home`, because `home` no longer verifies.
    pub(crate) fn fall_back(&mut self) {
        // The image on record is that of `home` only when nothing came after.
        if self.0[STATE] != CONFIRMED {
            self.forget_image();
        }
        self.0[HOME] ^= 1;
        self.blame(ACTIVE_INVALID);
        self.roll_back();
    }

    /// The bytes to store after this reset.
    pub(crate) fn because_of(&mut self, cause: ResetCause) -> &[u8; RECORD_LEN] {
        self.0[CAUSE] = cause as u8;
        self.0.first_chunk().unwrap_or(&[0; RECORD_LEN])
    }

    fn forget_image(&mut self) {
        self.0[BOUND..].fill(0);
    }

    fn set(&mut self, state: u8, attempts: u8) {
        self.0[STATE] = state;
        self.0[ATTEMPTS] = attempts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use crate::record::Phase;

    const NOW: ResetCause = ResetCause::Watchdog;

    fn raw(stored: &[u8]) -> Raw {
        let mut raw = Raw::EMPTY;
        raw.buffer()[..stored.len()].copy_from_slice(stored);
        raw.settle(stored.len());
        raw
    }

    /// Everything the loader does with bytes, against the same done with the record they mean.
    fn agree(stored: &[u8]) {
        let record = Record::decode(stored);
        let fresh = raw(stored);
        assert_eq!((fresh.home(), fresh.floor()), (record.home, record.floor), "{stored:?}");

        let gave_up = raw(stored).gave_up();
        assert_eq!(gave_up, record.gave_up().is_some(), "{stored:?}");
        if let Some(reason) = record.gave_up() {
            let mut raw = raw(stored);
            raw.gave_up();
            raw.roll_back();
            assert_eq!(*raw.because_of(NOW), record.rolled_back(reason, NOW).encode(), "{stored:?}");
        }

        for attempts in [1, 3] {
            let left = fresh.attempts(attempts);
            let spent = record.spend_attempt(attempts, NOW);
            assert_eq!(left != 0, spent.is_some(), "{stored:?}");
            if let Some(phase @ Phase::Testing { attempts_left, .. }) = spent {
                assert_eq!(left, attempts_left + 1);
                assert_eq!(fresh.digest(), record.image.unwrap().digest);
                let mut raw = raw(stored);
                raw.try_staged(attempts_left);
                assert_eq!(*raw.because_of(NOW), Record { phase, ..record }.encode(), "{stored:?}");
            }
        }

        let mut fallen = raw(stored);
        fallen.fall_back();
        assert_eq!(*fallen.because_of(NOW), record.fallen_back(NOW).encode(), "{stored:?}");
    }

    #[test]
    fn bytes_mean_what_their_record_means() {
        let mut bytes: [u8; RECORD_MAX] = core::array::from_fn(|n| n as u8);
        for format in [FORMAT, 2] {
            for state in 0..=6 {
                for home in 0..=2 {
                    for attempts in [0, 1, 2, 255] {
                        for code in 0..=8 {
                            for bound in 0..=2 {
                                bytes[..4].copy_from_slice(&[format, state, home, attempts]);
                                (bytes[REASON], bytes[BOUND]) = (code, bound);
                                for len in [0, 7, 8, 55, 56, 57, 64] {
                                    agree(&bytes[..len]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
