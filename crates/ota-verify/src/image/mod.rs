//! The MCUboot image format, read strictly.
//!
//! ```text
//! 0              header (32 bytes, padded to hdr_size)
//! hdr_size       payload (img_size bytes)
//!                protected TLV area: u16 0x6908, u16 total, entries      <- hashed up to here
//!                unprotected TLV area: u16 0x6907, u16 total, entries
//! entry          u16 type, u16 length, value
//! ```
//! All numbers are little-endian; `total` counts the area's own four bytes.
//!
//! [`ImageInfo::read`] checks the geometry, [`ImageInfo::facts`] the TLVs (which type in which area, lengths,
//! duplicates), [`verify_image`] everything, and only it makes a proof.
//!
//! # Source
//! MCUboot `docs/design.md`, "Image format", and `bootutil/image.h`; type numbers follow the header file.

mod header;
pub mod tlv;
mod verify;

pub use header::{HEADER_LEN, Header, MAGIC};
pub use tlv::{Area, Facts, SignatureTlv, Tlv, Tlvs};
pub use verify::{Candidate, verify_image, verify_image_with};
pub(crate) use verify::{check_counter, check_identity};

use crate::medium::{Medium, form_of};
use crate::{FormatError, VerifyError, Why};
use header::Raw;
use ota_hal::ReadAt;
use tlv::Claims;

/// Where the parts of one image lie. The header was checked against the length of the medium; nothing is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    raw: Raw,
    unprotected_len: u32,
}

impl ImageInfo {
    /// Reads and checks the header and the two TLV area headers.
    ///
    /// # Errors
    /// [`VerifyError::Format`] or [`VerifyError::Read`].
    pub fn read<R: ReadAt>(image: &mut R) -> Result<Self, VerifyError<R::Error>> {
        let mut info = Self::NONE;
        form_of(image, |medium| info.locate(medium))?;
        Ok(info)
    }

    pub(crate) const NONE: Self = Self { raw: Raw::NONE, unprotected_len: 0 };

    /// Returns the signed length.
    fn locate(&mut self, medium: &mut Medium<'_>) -> Result<u32, Why> {
        let end = self.raw.read(medium)?;
        let protected = self.raw.protect_tlv_size();
        if protected != 0 && tlv::area_len(medium, end - protected, tlv::PROTECTED_MAGIC)? != protected {
            return Err(FormatError::ProtectedSize.into());
        }
        self.unprotected_len = tlv::area_len(medium, end, tlv::UNPROTECTED_MAGIC)?;
        // `area_len` has seen that the area begins before the end.
        if self.unprotected_len > medium.len() - end {
            return Err(FormatError::PastEnd.into());
        }
        Ok(end)
    }

    /// The header's fields.
    pub const fn header(&self) -> Header {
        self.raw.header()
    }
    /// Where the payload starts.
    pub const fn payload_offset(&self) -> u32 {
        self.raw.hdr_size()
    }
    /// How many bytes the payload has.
    pub const fn payload_len(&self) -> u32 {
        self.raw.img_size()
    }
    /// How many bytes, from the start, the digest and the signature cover: header, payload, protected TLVs.
    pub const fn signed_len(&self) -> u32 {
        // `read` checked that this sum and the next do not overflow.
        self.raw.img_size().wrapping_add(self.raw.hdr_size() + self.raw.protect_tlv_size())
    }
    /// The length of the whole image file, from the header to the last TLV.
    pub const fn file_len(&self) -> u32 {
        self.signed_len().wrapping_add(self.unprotected_len)
    }
    /// Walks the TLVs of both areas, protected ones first.
    pub const fn tlvs(&self) -> Tlvs {
        self.tlvs_from(self.signed_len())
    }
    /// As [`ImageInfo::tlvs`], for who knows the signed length.
    const fn tlvs_from(&self, signed: u32) -> Tlvs {
        Tlvs::new(signed - self.raw.protect_tlv_size(), signed, signed.wrapping_add(self.unprotected_len))
    }
    /// Collects what the TLVs say, and checks them: type against area, lengths, duplicates.
    /// What must be present is decided by the caller: [`verify_image`] wants all.
    ///
    /// # Errors
    /// [`VerifyError::Format`] or [`VerifyError::Read`].
    pub fn facts<R: ReadAt>(&self, image: &mut R) -> Result<Facts, VerifyError<R::Error>> {
        let mut claims = Claims::NONE;
        form_of(image, |medium| claims.collect(self.tlvs(), medium))?;
        Ok(claims.facts())
    }
}
