//! The key blob: a public key as a device holds it.
//!
//! ```text
//! 0    magic "OTAK"
//! 4    u8 version, 1
//! 5    u8 algorithm (the number of `Algorithm`)
//! 6    u16 length of the key material
//! 8    [u8; 32] key id
//! 40   key material
//!      RSA:     n, R² mod n (little-endian, as long as the modulus), u32 -n⁻¹ mod 2³²; R = 2^bits, e = 65537
//!      P-256:   65 bytes, SEC1 uncompressed point
//!      Ed25519: 32 bytes
//! end  u32 CRC-32 (ISO-HDLC) of everything before it
//! ```
//! All numbers are little-endian. The CRC finds damage only: a blob must lie where nobody but the vendor can write
//! (in the firmware, or in protected flash), because whoever changes it decides what is believed.

use crate::{Algorithm, KeyId};

/// First four bytes.
pub const MAGIC: [u8; 4] = *b"OTAK";
/// The only version so far.
pub const VERSION: u8 = 1;
/// Where the key material starts.
pub const MATERIAL: usize = 40;
/// Length of the CRC at the end.
pub const CRC_LEN: usize = 4;
/// Length of the longest blob (RSA-4096).
pub const LEN_MAX: usize = MATERIAL + 2 * 512 + 4 + CRC_LEN;

/// Why a key blob was refused. The build that holds it must be corrected; there is no default key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum BlobError {
    /// The first four bytes are not the magic.
    Magic,
    /// A version this reader does not know; its number.
    Version(u8),
    /// Too short, or bytes are left over.
    Length,
    /// The CRC does not match: damaged.
    Crc,
    /// An algorithm that is unknown, not compiled in, or not the wanted one; its number.
    Algorithm(u8),
    /// The key material is not a key of the algorithm (an even modulus, a point off the curve, ...).
    Key,
}

impl BlobError {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Magic => "key blob: no magic",
            Self::Version(_) => "key blob: unknown version",
            Self::Length => "key blob: wrong length",
            Self::Crc => "key blob: damaged",
            Self::Algorithm(_) => "key blob: algorithm not supported here",
            Self::Key => "key blob: not a valid key",
        }
    }
    /// A stable number, 96 to 111.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Magic => 96,
            Self::Version(_) => 97,
            Self::Length => 98,
            Self::Crc => 99,
            Self::Algorithm(_) => 100,
            Self::Key => 101,
        }
    }
}

/// A blob cut into its parts; the CRC matched, the key material was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blob<'a> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key's name.
    pub key_id: KeyId,
    /// The key material.
    pub material: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Cuts `bytes`, which must be exactly one blob.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let Parts { algorithm, key_id, material } = Parts::cut(bytes)?;
        Ok(Self { algorithm, key_id: KeyId(*key_id), material })
    }
}

/// A [`Blob`] that copies nothing.
pub(crate) struct Parts<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: &'a [u8; 32],
    pub(crate) material: &'a [u8],
}

impl<'a> Parts<'a> {
    /// As [`Blob::parse`].
    pub(crate) fn cut(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let (body, crc) = bytes.split_last_chunk::<CRC_LEN>().ok_or(BlobError::Length)?;
        let (head, material) = body.split_first_chunk::<MATERIAL>().ok_or(BlobError::Length)?;
        let ([m0, m1, m2, m3, version, algorithm, l0, l1], key_id) =
            head.split_first_chunk().ok_or(BlobError::Length)?;
        let key_id = key_id.first_chunk().ok_or(BlobError::Length)?;
        if [*m0, *m1, *m2, *m3] != MAGIC {
            return Err(BlobError::Magic);
        }
        if *version != VERSION {
            return Err(BlobError::Version(*version));
        }
        if material.len() != usize::from(u16::from_le_bytes([*l0, *l1])) {
            return Err(BlobError::Length);
        }
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(BlobError::Crc);
        }
        let algorithm = Algorithm::from_u8(*algorithm).ok_or(BlobError::Algorithm(*algorithm))?;
        Ok(Self { algorithm, key_id, material })
    }

    /// As [`Blob::parse`], for a build that knows which algorithm it wants.
    pub(crate) fn cut_as(bytes: &'a [u8], wanted: Algorithm) -> Result<Self, BlobError> {
        let parts = Self::cut(bytes)?;
        if parts.algorithm == wanted { Ok(parts) } else { Err(BlobError::Algorithm(parts.algorithm as u8)) }
    }
}

/// The CRC at the end of a blob, over everything before it.
pub fn crc32(bytes: &[u8]) -> u32 {
    !ota_hal::crc::update(ota_hal::crc::INIT, bytes)
}
