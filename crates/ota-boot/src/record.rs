//! The boot record: what is stored, byte by byte, and what it means.
//!
//! One journal record of [`Kind::Boot`](ota_hal::Kind::Boot), little-endian; the journal adds length and CRC.
//!
//! ```text
//! offset size field
//! 0      1    format: 1
//! 1      1    state: 1 confirmed, 2 pending, 3 testing, 4 given up, 5 rolled back
//! 2      1    home: slot of the last accepted image, 0 A, 1 B
//! 3      1    attempts left (testing)
//! 4      4    security floor
//! 8      1    reason code (given up, rolled back), see the table below
//! 9      1    reason detail: number of the health gate
//! 10     1    reset cause at the last start of the trial, `ResetCause` number
//! 11     1    1: the rest describes an image; else the rest is zero
//! 12     4    security counter of the image
//! 16     8    version of the image: major, minor, revision u16, build u32
//! 24     32   digest of the image
//! 56
//!
//! reason: 1 attempts used up, 2 image invalid, 3 active invalid, 4 gate failed, 5 gate timeout, 6 requested
//! image:  pending, testing, given up: the staged one; confirmed: the accepted one; rolled back: the one that failed
//! ```
//!
//! # Stability
//! Offsets 0, 2 and 4..8 keep their meaning in every format to come, and no format will be longer than
//! [`RECORD_MAX`]. A reader that meets a format or a state it does not know therefore still knows which image
//! was last accepted and how low the counter may go: it takes the record as "confirmed, home".

use crate::RollbackReason;
use ota_hal::{ResetCause, SlotId};
use ota_verify::{Verified, Version};

/// Length of a record of this format.
pub const RECORD_LEN: usize = 56;
/// Longest record of any format, present or future: the size of a reader's buffer.
pub const RECORD_MAX: usize = 64;

pub(crate) const FORMAT: u8 = 1;
pub(crate) const CONFIRMED: u8 = 1;
pub(crate) const PENDING: u8 = 2;
pub(crate) const TESTING: u8 = 3;
pub(crate) const GIVEN_UP: u8 = 4;
pub(crate) const ROLLED_BACK: u8 = 5;

/// What the record remembers of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// SHA-256 over header, payload and protected TLVs.
    pub digest: [u8; 32],
    /// Its security counter.
    pub security_counter: u32,
    /// Its version.
    pub version: Version,
}

impl Image {
    /// What a proof says.
    pub fn of(proof: &Verified) -> Self {
        Self { digest: *proof.digest(), security_counter: proof.security_counter(), version: proof.version() }
    }
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `home` is accepted, nothing is under way.
    Confirmed,
    /// The slot that is not `home` is to be tried.
    Pending,
    /// The slot that is not `home` was started on trial.
    Testing {
        /// Further starts it will be given.
        attempts_left: u8,
        /// Why the processor restarted before the last start.
        last_reset: ResetCause,
    },
    /// The application gave up on the image on trial; the loader returns to `home` at the next reset.
    GivenUp {
        /// Why.
        reason: RollbackReason,
        /// Why the processor restarted before the last start.
        last_reset: ResetCause,
    },
    /// `home` was returned to.
    RolledBack {
        /// Why.
        reason: RollbackReason,
        /// Why the processor restarted before the loader gave up.
        last_reset: ResetCause,
    },
}

/// The meaning of a boot record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The slot of the last accepted image. A staged image is always in the other slot.
    pub home: SlotId,
    /// Lowest security counter that may be installed or started.
    pub floor: u32,
    /// How far an update is.
    pub phase: Phase,
    /// The image the phase is about: the only one that may be tried, the one that was accepted, or the one that
    /// failed. A trial always has one: [`Record::decode`] takes one without for "confirmed".
    pub image: Option<Image>,
}

impl Record {
    /// A device fresh from the factory: slot A is accepted, any counter is.
    pub const FACTORY: Self = Self { home: SlotId::A, floor: 0, phase: Phase::Confirmed, image: None };

    /// What `bytes` mean. Total: whatever is not understood is "confirmed, home", see the module's stability note.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let Some(&[format, _, home, _, f0, f1, f2, f3]) = bytes.first_chunk() else {
            return Self::FACTORY;
        };
        let home = if home == 1 { SlotId::B } else { SlotId::A };
        let mut record = Self { home, floor: u32::from_le_bytes([f0, f1, f2, f3]), ..Self::FACTORY };
        if format == FORMAT
            && let Ok(all) = bytes.try_into()
            && let Some(phase) = decode_phase(all)
        {
            record.phase = phase;
            record.image = decode_image(all);
        }
        record
    }

    /// The bytes to store.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        let (state, attempts, (code, detail), cause) = match self.phase {
            Phase::Confirmed => (CONFIRMED, 0, (0, 0), ResetCause::Unknown),
            Phase::Pending => (PENDING, 0, (0, 0), ResetCause::Unknown),
            Phase::Testing { attempts_left, last_reset } => (TESTING, attempts_left, (0, 0), last_reset),
            Phase::GivenUp { reason, last_reset } => (GIVEN_UP, 0, encode_reason(reason), last_reset),
            Phase::RolledBack { reason, last_reset } => (ROLLED_BACK, 0, encode_reason(reason), last_reset),
        };
        let home = if self.home == SlotId::B { 1 } else { 0 };
        bytes[..4].copy_from_slice(&[FORMAT, state, home, attempts]);
        bytes[4..8].copy_from_slice(&self.floor.to_le_bytes());
        bytes[8..12].copy_from_slice(&[code, detail, cause as u8, u8::from(self.image.is_some())]);
        if let Some(image) = &self.image {
            bytes[12..16].copy_from_slice(&image.security_counter.to_le_bytes());
            bytes[16..18].copy_from_slice(&[image.version.major, image.version.minor]);
            bytes[18..20].copy_from_slice(&image.version.revision.to_le_bytes());
            bytes[20..24].copy_from_slice(&image.version.build.to_le_bytes());
            bytes[24..].copy_from_slice(&image.digest);
        }
        bytes
    }
}

/// `None` for a state nobody knows, and for a trial without the digest it is bound to.
fn decode_phase(b: &[u8; RECORD_LEN]) -> Option<Phase> {
    let last_reset = ResetCause::from_u8(b[10]);
    let bound = b[11] == 1;
    Some(match b[1] {
        CONFIRMED => Phase::Confirmed,
        PENDING if bound => Phase::Pending,
        TESTING if bound => Phase::Testing { attempts_left: b[3], last_reset },
        GIVEN_UP if bound => Phase::GivenUp { reason: decode_reason(b[8], b[9]), last_reset },
        ROLLED_BACK => Phase::RolledBack { reason: decode_reason(b[8], b[9]), last_reset },
        _ => return None,
    })
}

fn decode_image(b: &[u8; RECORD_LEN]) -> Option<Image> {
    if b[11] != 1 {
        return None;
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(&b[24..]);
    let version = Version {
        major: b[16],
        minor: b[17],
        revision: u16::from_le_bytes([b[18], b[19]]),
        build: u32::from_le_bytes([b[20], b[21], b[22], b[23]]),
    };
    Some(Image { digest, security_counter: u32::from_le_bytes([b[12], b[13], b[14], b[15]]), version })
}

const fn encode_reason(reason: RollbackReason) -> (u8, u8) {
    match reason {
        RollbackReason::AttemptsUsedUp => (1, 0),
        RollbackReason::ImageInvalid => (2, 0),
        RollbackReason::ActiveInvalid => (3, 0),
        RollbackReason::GateFailed(gate) => (4, gate),
        RollbackReason::GateTimeout(gate) => (5, gate),
        RollbackReason::Requested => (6, 0),
        // A caller's "unknown" must not turn into one of the known reasons.
        RollbackReason::Unknown(1..=6) => (u8::MAX, 0),
        RollbackReason::Unknown(n) => (n, 0),
    }
}

const fn decode_reason(code: u8, detail: u8) -> RollbackReason {
    match code {
        1 => RollbackReason::AttemptsUsedUp,
        2 => RollbackReason::ImageInvalid,
        3 => RollbackReason::ActiveInvalid,
        4 => RollbackReason::GateFailed(detail),
        5 => RollbackReason::GateTimeout(detail),
        6 => RollbackReason::Requested,
        n => RollbackReason::Unknown(n),
    }
}

#[cfg(test)]
mod tests;
