//! The 32-byte image header.

use crate::medium::Medium;
use crate::{FormatError, Version, Why};
use core::fmt;

/// First four bytes of an image, as a little-endian number.
pub const MAGIC: u32 = 0x96F3_B83D;
/// Length of the header's fields; the header itself may be padded.
pub const HEADER_LEN: u32 = 32;

const ENCRYPTED: u32 = 0x4 | 0x8;
const NON_BOOTABLE: u32 = 0x10;
const RAM_LOAD: u32 = 0x20;
const ROM_FIXED: u32 = 0x100;
const COMPRESSED: u32 = 0x200 | 0x400 | 0x800;

/// The fields of an image header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Flash address the image is linked for when it is ROM_FIXED; see [`Header::rom_address`].
    pub load_addr: u32,
    /// Where the payload starts.
    pub hdr_size: u16,
    /// Length of the protected TLV area with its own header, or 0.
    pub protect_tlv_size: u16,
    /// Length of the payload.
    pub img_size: u32,
    /// Flags as stored.
    pub flags: u32,
    /// Version.
    pub version: Version,
}

impl Header {
    pub(crate) const NONE: Self = Self {
        load_addr: 0,
        hdr_size: 0,
        protect_tlv_size: 0,
        img_size: 0,
        flags: 0,
        version: Version { major: 0, minor: 0, revision: 0, build: 0 },
    };

    /// Decodes the fields; checks magic, header size and payload size.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(raw: &[u8; HEADER_LEN as usize]) -> Result<Self, FormatError> {
        let [
            m0,
            m1,
            m2,
            m3,
            l0,
            l1,
            l2,
            l3,
            h0,
            h1,
            p0,
            p1,
            s0,
            s1,
            s2,
            s3,
            f0,
            f1,
            f2,
            f3,
            major,
            minor,
            r0,
            r1,
            b0,
            b1,
            b2,
            b3,
            _,
            _,
            _,
            _,
        ] = *raw;
        if u32::from_le_bytes([m0, m1, m2, m3]) != MAGIC {
            return Err(FormatError::Magic);
        }
        let header = Self {
            load_addr: u32::from_le_bytes([l0, l1, l2, l3]),
            hdr_size: u16::from_le_bytes([h0, h1]),
            protect_tlv_size: u16::from_le_bytes([p0, p1]),
            img_size: u32::from_le_bytes([s0, s1, s2, s3]),
            flags: u32::from_le_bytes([f0, f1, f2, f3]),
            version: Version {
                major,
                minor,
                revision: u16::from_le_bytes([r0, r1]),
                build: u32::from_le_bytes([b0, b1, b2, b3]),
            },
        };
        if u32::from(header.hdr_size) < HEADER_LEN {
            return Err(FormatError::HeaderSize);
        }
        if header.img_size == 0 {
            return Err(FormatError::Empty);
        }
        Ok(header)
    }

    /// The flash address the image is linked for, if it says so. Who executes in place compares it with the
    /// slot's address, see [`Verified::linked_at`](crate::Verified::linked_at).
    pub const fn rom_address(&self) -> Option<u32> {
        if self.flags & ROM_FIXED != 0 { Some(self.load_addr) } else { None }
    }

    /// Refuses every flag but ROM_FIXED: each of the others changes what the payload means.
    ///
    /// # Errors
    /// The [`FormatError`] named like the flag.
    pub const fn check_flags(&self) -> Result<(), FormatError> {
        let flags = self.flags;
        if flags & ENCRYPTED != 0 {
            Err(FormatError::Encrypted)
        } else if flags & COMPRESSED != 0 {
            Err(FormatError::Compressed)
        } else if flags & NON_BOOTABLE != 0 {
            Err(FormatError::NonBootable)
        } else if flags & RAM_LOAD != 0 {
            Err(FormatError::RamLoad)
        } else if flags & !ROM_FIXED != 0 {
            Err(FormatError::UnknownFlags(flags & !ROM_FIXED))
        } else {
            Ok(())
        }
    }
}

/// A header as it lies on the medium, taken apart only where a field is wanted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Raw([[u8; 4]; HEADER_LEN as usize / 4]);

impl Raw {
    pub(super) const NONE: Self = Self([[0; 4]; HEADER_LEN as usize / 4]);

    /// Reads the header and checks magic, header size, payload size, and that all but the last TLV area fits. Returns
    /// the length of that.
    pub(super) fn read(&mut self, medium: &mut Medium<'_>) -> Result<u32, Why> {
        if medium.len() < HEADER_LEN {
            return Err(FormatError::Truncated.into());
        }
        medium.read(0, self.0.as_flattened_mut())?;
        if self.word(0) != MAGIC {
            return Err(FormatError::Magic.into());
        }
        if self.hdr_size() < HEADER_LEN {
            return Err(FormatError::HeaderSize.into());
        }
        if self.img_size() == 0 {
            return Err(FormatError::Empty.into());
        }
        // The sum of the small ones does not overflow.
        match self.img_size().checked_add(self.hdr_size() + self.protect_tlv_size()) {
            Some(end) if end <= medium.len() => Ok(end),
            _ => Err(FormatError::PastEnd.into()),
        }
    }

    /// The fields.
    pub(super) const fn header(&self) -> Header {
        let [_, _, _, _, _, [major, minor, r0, r1], build, _] = self.0;
        Header {
            load_addr: self.word(1),
            hdr_size: self.hdr_size() as u16,
            protect_tlv_size: self.protect_tlv_size() as u16,
            img_size: self.img_size(),
            flags: self.flags(),
            version: Version { major, minor, revision: u16::from_le_bytes([r0, r1]), build: u32::from_le_bytes(build) },
        }
    }
    pub(super) const fn hdr_size(&self) -> u32 {
        self.word(2) & 0xFFFF
    }
    pub(super) const fn protect_tlv_size(&self) -> u32 {
        self.word(2) >> 16
    }
    pub(super) const fn img_size(&self) -> u32 {
        self.word(3)
    }
    pub(super) const fn flags(&self) -> u32 {
        self.word(4)
    }
    /// Refuses what [`Header::check_flags`] refuses, without saying why.
    pub(super) fn check_flags(&self) -> Result<(), Why> {
        if self.flags() & !ROM_FIXED != 0 { Err(Why::FLAGS) } else { Ok(()) }
    }
    const fn word(&self, n: usize) -> u32 {
        u32::from_le_bytes(self.0[n])
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}
