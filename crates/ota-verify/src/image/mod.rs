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
pub(crate) use verify::{check_counter, check_identity};
pub use verify::{verify_image, verify_image_with};

use crate::medium::{Medium, Refused, form_of};
use crate::{FormatError, VerifyError};
use ota_hal::ReadAt;
use tlv::Claims;

/// Where the parts of one image lie. The header was checked against the length of the medium; nothing is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    header: Header,
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

    pub(crate) const NONE: Self = Self { header: Header::NONE, unprotected_len: 0 };

    fn locate(&mut self, medium: &mut Medium<'_>) -> Result<(), Refused> {
        self.header.read(medium)?;
        let end = self.header.signed_len().ok_or_else(|| medium.refuse(FormatError::PastEnd))?;
        let protected = u32::from(self.header.protect_tlv_size);
        if protected != 0 && tlv::area_len(medium, end - protected, tlv::PROTECTED_MAGIC)? != protected {
            return Err(medium.refuse(FormatError::ProtectedSize));
        }
        self.unprotected_len = tlv::area_len(medium, end, tlv::UNPROTECTED_MAGIC)?;
        match end.checked_add(self.unprotected_len) {
            Some(total) if total <= medium.len() => Ok(()),
            _ => Err(medium.refuse(FormatError::PastEnd)),
        }
    }

    /// The header's fields.
    pub const fn header(&self) -> &Header {
        &self.header
    }
    /// Where the payload starts.
    pub const fn payload_offset(&self) -> u32 {
        self.header.hdr_size as u32
    }
    /// How many bytes the payload has.
    pub const fn payload_len(&self) -> u32 {
        self.header.img_size
    }
    /// How many bytes, from the start, the digest and the signature cover: header, payload, protected TLVs.
    pub const fn signed_len(&self) -> u32 {
        // `read` checked that this sum and the next do not overflow.
        self.header.hdr_size as u32 + self.header.img_size + self.header.protect_tlv_size as u32
    }
    /// The length of the whole image file, from the header to the last TLV.
    pub const fn file_len(&self) -> u32 {
        self.signed_len() + self.unprotected_len
    }
    /// Walks the TLVs of both areas, protected ones first.
    pub const fn tlvs(&self) -> Tlvs {
        let split = self.signed_len();
        Tlvs::new(split - self.header.protect_tlv_size as u32, split, self.file_len())
    }
    /// Collects what the TLVs say, and checks them: type against area, lengths, duplicates.
    /// What must be present is decided by the caller: [`verify_image`] wants all.
    ///
    /// # Errors
    /// [`VerifyError::Format`] or [`VerifyError::Read`].
    pub fn facts<R: ReadAt>(&self, image: &mut R) -> Result<Facts, VerifyError<R::Error>> {
        let mut claims = Claims::NONE;
        form_of(image, |medium| self.collect(medium, &mut claims))?;
        Ok(claims.facts())
    }

    fn collect(&self, medium: &mut Medium<'_>, claims: &mut Claims) -> Result<(), Refused> {
        let mut tlvs = self.tlvs();
        while let Some(tlv) = tlvs.step(medium)? {
            let value = claims.place(&tlv).map_err(|why| medium.refuse(why))?;
            if !medium.read(tlv.offset, value) {
                return Err(Refused);
            }
        }
        Ok(())
    }
}
