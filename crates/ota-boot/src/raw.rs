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
