//! The fixed-size head of a patch.

use crate::{Arch, PatchError, ProfileId};

/// Bytes of the header: the patch's stream follows.
pub const HEADER_LEN: usize = 36;
/// Bytes of a digest that the header keeps: the first of a SHA-256.
///
/// They tell images apart; they do not authenticate. That is the business of whoever signs the release.
pub const DIGEST_LEN: usize = 8;

const MAGIC: [u8; 3] = *b"ODP";
const VERSION: u8 = 1;

/// What a patch says about itself before its stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub(crate) profile: ProfileId,
    pub(crate) arch: Arch,
    pub(crate) patch_len: u32,
    pub(crate) old_size: u32,
    pub(crate) new_size: u32,
    pub(crate) base: [u8; DIGEST_LEN],
    pub(crate) target: [u8; DIGEST_LEN],
}

impl Header {
    /// Reads the header at the start of a patch.
    ///
    /// # Errors
    /// When the bytes are too few, are no patch's, or have been damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatchError> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(PatchError::Short)?;
        if bytes[..3] != MAGIC {
            return Err(PatchError::Magic);
        }
        if bytes[3] != VERSION {
            return Err(PatchError::Version(bytes[3]));
        }
        if crc16(&bytes[..HEADER_LEN - 2]) != u16::from_le_bytes([bytes[34], bytes[35]]) {
            return Err(PatchError::Checksum);
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut header = Self {
            profile: ProfileId::from_code(bytes[4] & 15).ok_or(PatchError::Header)?,
            arch: Arch::from_code(bytes[4] >> 4).ok_or(PatchError::Header)?,
            patch_len: word(6),
            old_size: word(10),
            new_size: word(14),
            base: [0; DIGEST_LEN],
            target: [0; DIGEST_LEN],
        };
        header.base.copy_from_slice(&bytes[18..26]);
        header.target.copy_from_slice(&bytes[26..34]);
        let sizes = header.old_size <= MAX_SIZE && header.new_size <= MAX_SIZE;
        if bytes[5] != 0 || !sizes || (header.patch_len as usize) < HEADER_LEN {
            return Err(PatchError::Header);
        }
        Ok(header)
    }

    /// The decoder that is needed.
    #[must_use]
    pub const fn profile(&self) -> ProfileId {
        self.profile
    }

    /// The instruction set that the stream's model knows.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// Bytes of the whole patch, this header included.
    #[must_use]
    pub const fn patch_len(&self) -> u32 {
        self.patch_len
    }

    /// Bytes of the image that the patch is applied to; 0 for a compressed full image.
    #[must_use]
    pub const fn old_size(&self) -> u32 {
        self.old_size
    }

    /// Bytes of the image that comes out.
    #[must_use]
    pub const fn new_size(&self) -> u32 {
        self.new_size
    }

    /// The first bytes of the SHA-256 of the image that the patch is applied to.
    #[must_use]
    pub const fn base_digest(&self) -> &[u8; DIGEST_LEN] {
        &self.base
    }

    /// The first bytes of the SHA-256 of the image that comes out.
    #[must_use]
    pub const fn target_digest(&self) -> &[u8; DIGEST_LEN] {
        &self.target
    }

    /// Whether the image with this SHA-256 is the one the patch is applied to.
    #[must_use]
    pub fn is_base(&self, sha256: &[u8; 32]) -> bool {
        sha256.starts_with(&self.base)
    }

    /// Whether the image with this SHA-256 is the one that must come out.
    #[must_use]
    pub fn is_target(&self, sha256: &[u8; 32]) -> bool {
        sha256.starts_with(&self.target)
    }

    #[cfg(feature = "std")]
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = VERSION;
        bytes[4] = self.arch.code() << 4 | self.profile.code();
        bytes[6..10].copy_from_slice(&self.patch_len.to_le_bytes());
        bytes[10..14].copy_from_slice(&self.old_size.to_le_bytes());
        bytes[14..18].copy_from_slice(&self.new_size.to_le_bytes());
        bytes[18..26].copy_from_slice(&self.base);
        bytes[26..34].copy_from_slice(&self.target);
        let crc = crc16(&bytes[..34]);
        bytes[34..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Larger images are not encoded and not decoded: distances fit 30 bits.
pub(crate) const MAX_SIZE: u32 = 1 << 28;

/// CRC-16/CCITT-FALSE, bit by bit: 34 bytes per patch do not earn a table.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_the_catalogued_one() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }
}
