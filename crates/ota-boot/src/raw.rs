//! The boot record as the loader handles it: the stored bytes themselves, see [`record`](crate::record).
//!
//! A loader that takes a [`Record`](crate::Record) apart and puts it together again spends 700 bytes of code on it.

use crate::record::{CONFIRMED, FORMAT, GIVEN_UP, PENDING, RECORD_LEN, RECORD_MAX, ROLLED_BACK, TESTING};
use ota_hal::{ResetCause, SlotId};

/// Code and detail of a [`RollbackReason`](crate::RollbackReason), as stored.
pub(crate) type Reason = [u8; 2];
pub(crate) const ATTEMPTS_USED_UP: Reason = [1, 0];
pub(crate) const IMAGE_INVALID: Reason = [2, 0];
const ACTIVE_INVALID: Reason = [3, 0];

const STATE: usize = 1;
const HOME: usize = 2;
const ATTEMPTS: usize = 3;
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

    /// The bytes to store.
    pub(crate) fn bytes(&self) -> &[u8; RECORD_LEN] {
        self.0.first_chunk().unwrap_or(&[0; RECORD_LEN])
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

    /// Why the trial is over without another start, if it is.
    pub(crate) fn gave_up(&self) -> Option<Reason> {
        let [_, state, _, attempts, _, _, _, _, code, detail, ..] = self.0;
        match (state, attempts) {
            (TESTING, 0) => Some(ATTEMPTS_USED_UP),
            // Only gates have a detail.
            (GIVEN_UP, _) => Some([code, if matches!(code, 4 | 5) { detail } else { 0 }]),
            _ => None,
        }
    }

    /// The image was started on trial.
    pub(crate) fn try_staged(&mut self, attempts_left: u8, cause: ResetCause) {
        self.set(TESTING, attempts_left, [0, 0], cause);
    }

    /// The loader returned to `home`.
    pub(crate) fn roll_back(&mut self, reason: Reason, cause: ResetCause) {
        self.set(ROLLED_BACK, 0, reason, cause);
    }

    /// The loader took the slot that is not `home`, because `home` no longer verifies.
    pub(crate) fn fall_back(&mut self, cause: ResetCause) {
        // The image on record is that of `home` only when nothing came after.
        if self.0[STATE] != CONFIRMED {
            self.forget_image();
        }
        self.0[HOME] ^= 1;
        self.roll_back(ACTIVE_INVALID, cause);
    }

    fn forget_image(&mut self) {
        self.0[BOUND..].fill(0);
    }

    fn set(&mut self, state: u8, attempts: u8, [code, detail]: Reason, cause: ResetCause) {
        self.0[STATE] = state;
        self.0[ATTEMPTS] = attempts;
        self.0[8..11].copy_from_slice(&[code, detail, cause as u8]);
    }
}
