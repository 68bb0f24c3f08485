//! The TLV areas: which type may be where, and what they say.

use crate::{Algorithm, FormatError, KeyId, Uuid, VerifyError};
use ota_hal::ReadAt;

/// First two bytes of the unprotected area.
pub const UNPROTECTED_MAGIC: u16 = 0x6907;
/// First two bytes of the protected area.
pub const PROTECTED_MAGIC: u16 = 0x6908;

/// Key id: SHA-256 of the public key's DER. Unprotected.
pub const KEYHASH: u16 = 0x01;
/// SHA-256 of header, payload and protected TLVs. Unprotected.
pub const SHA256: u16 = 0x10;
/// RSA-2048 PSS signature. Unprotected, like every signature.
pub const RSA2048_PSS: u16 = 0x20;
/// ECDSA signature, DER.
pub const ECDSA: u16 = 0x22;
/// RSA-3072 PSS signature.
pub const RSA3072_PSS: u16 = 0x23;
/// Ed25519 signature over the digest.
pub const ED25519: u16 = 0x24;
/// Names other images this one depends on. Protected; refused, because nothing here can check it.
pub const DEPENDENCY: u16 = 0x40;
/// Security counter, u32. Protected.
pub const SEC_CNT: u16 = 0x50;
/// Boot record (CBOR). Protected; not used.
pub const BOOT_RECORD: u16 = 0x60;
/// Vendor UUID. Protected.
pub const UUID_VID: u16 = 0x74;
/// Class UUID. Protected.
pub const UUID_CID: u16 = 0x75;
/// RSA-4096 PSS signature (vendor number of this project: MCUboot has none).
pub const RSA4096_PSS: u16 = 0x20A0;
/// RSA-2048 PKCS#1 v1.5 signature (vendor number of this project).
pub const RSA2048_PKCS1: u16 = 0x20A1;
/// RSA-3072 PKCS#1 v1.5 signature (vendor number of this project).
pub const RSA3072_PKCS1: u16 = 0x20A2;
/// RSA-4096 PKCS#1 v1.5 signature (vendor number of this project).
pub const RSA4096_PKCS1: u16 = 0x20A3;

const AREA_HEADER: u32 = 4;
const ENTRY_HEADER: u32 = 4;

/// Which TLV area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Covered by digest and signature.
    Protected,
    /// Not covered.
    Unprotected,
}

/// One TLV: where its value is. The value lies within its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tlv {
    /// The area it is in.
    pub area: Area,
    /// Type number.
    pub kind: u16,
    /// Where the value starts, from the start of the image.
    pub offset: u32,
    /// Length of the value.
    pub len: u16,
}

/// A walk over the TLVs of an image. Not an `Iterator`, because it borrows the medium for each step only.
#[derive(Debug, Clone)]
pub struct Tlvs {
    area: Area,
    at: u32,
    split: u32,
    end: u32,
}

impl Tlvs {
    /// The protected area is `start..split` (may be empty), the unprotected one `split..end`.
    pub(super) const fn new(start: u32, split: u32, end: u32) -> Self {
        if start == split {
            Self { area: Area::Unprotected, at: split + AREA_HEADER, split, end }
        } else {
            Self { area: Area::Protected, at: start + AREA_HEADER, split, end }
        }
    }

    /// The next TLV; `None` after the last.
    ///
    /// # Errors
    /// [`VerifyError::Format`] or [`VerifyError::Read`].
    pub fn next<R: ReadAt>(&mut self, image: &mut R) -> Result<Option<Tlv>, VerifyError<R::Error>> {
        if self.area == Area::Protected && self.at == self.split {
            self.area = Area::Unprotected;
            self.at = self.split + AREA_HEADER;
        }
        let end = match self.area {
            Area::Protected => self.split,
            Area::Unprotected => self.end,
        };
        // `at` never passes `end`: areas hold at least their header, and entries are checked below.
        let left = end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let Some(room) = left.checked_sub(ENTRY_HEADER) else {
            return Err(FormatError::TlvTrailing.into());
        };
        let (kind, len) = two_words(image, self.at)?;
        if u32::from(len) > room {
            return Err(FormatError::TlvPastEnd(kind).into());
        }
        let offset = self.at + ENTRY_HEADER;
        self.at = offset + u32::from(len);
        Ok(Some(Tlv { area: self.area, kind, offset, len }))
    }
}

/// A signature TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureTlv {
    /// Its algorithm, by the TLV's type.
    pub algorithm: Algorithm,
    /// Where the signature starts.
    pub offset: u32,
    /// How long it is.
    pub len: u16,
}

/// What the TLVs say. Claims, until [`verify_image`](super::verify_image) has passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The digest the image claims to have.
    pub digest: Option<[u8; 32]>,
    /// The key it claims to be signed with.
    pub key_id: Option<KeyId>,
    /// The signature.
    pub signature: Option<SignatureTlv>,
    /// Security counter.
    pub security_counter: Option<u32>,
    /// Vendor id.
    pub vendor: Option<Uuid>,
    /// Class id.
    pub class: Option<Uuid>,
}

impl Facts {
    pub(super) fn take<R: ReadAt>(&mut self, image: &mut R, tlv: &Tlv) -> Result<(), VerifyError<R::Error>> {
        match home(tlv.kind) {
            Some(area) if area != tlv.area => return Err(FormatError::TlvArea(tlv.kind).into()),
            Some(_) => {}
            // Signed metadata of others is theirs. Unsigned metadata nobody knows could be anybody's.
            None if tlv.area == Area::Protected => return Ok(()),
            None => return Err(FormatError::TlvUnknown(tlv.kind).into()),
        }
        match tlv.kind {
            SHA256 => set(&mut self.digest, value(image, tlv)?, tlv)?,
            KEYHASH => set(&mut self.key_id, KeyId(value(image, tlv)?), tlv)?,
            SEC_CNT => set(&mut self.security_counter, u32::from_le_bytes(value(image, tlv)?), tlv)?,
            UUID_VID => set(&mut self.vendor, Uuid(value(image, tlv)?), tlv)?,
            UUID_CID => set(&mut self.class, Uuid(value(image, tlv)?), tlv)?,
            BOOT_RECORD => {}
            kind => {
                let algorithm = Algorithm::from_tlv(kind).ok_or(FormatError::TlvUnknown(kind))?;
                if !algorithm.accepts_len(tlv.len.into()) {
                    return Err(FormatError::TlvLength(kind).into());
                }
                set(&mut self.signature, SignatureTlv { algorithm, offset: tlv.offset, len: tlv.len }, tlv)?;
            }
        }
        Ok(())
    }
}

/// The one area a known type may be in; `None` for types this reader does not know.
const fn home(kind: u16) -> Option<Area> {
    match kind {
        DEPENDENCY | SEC_CNT | BOOT_RECORD | 0x70..=0x73 | UUID_VID | UUID_CID => Some(Area::Protected),
        // Every type MCUboot keeps outside, so that none can hide among the protected ones.
        0x01..=0x02 | 0x10..=0x12 | 0x20..=0x25 | 0x30..=0x34 => Some(Area::Unprotected),
        RSA4096_PSS..=RSA4096_PKCS1 => Some(Area::Unprotected),
        _ => None,
    }
}

fn set<T>(field: &mut Option<T>, value: T, tlv: &Tlv) -> Result<(), FormatError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(FormatError::TlvDuplicate(tlv.kind)),
    }
}

fn value<R: ReadAt, const N: usize>(image: &mut R, tlv: &Tlv) -> Result<[u8; N], VerifyError<R::Error>> {
    if usize::from(tlv.len) != N {
        return Err(FormatError::TlvLength(tlv.kind).into());
    }
    let mut bytes = [0; N];
    image.read_at(tlv.offset, &mut bytes).map_err(VerifyError::Read)?;
    Ok(bytes)
}

/// Reads an area's header at `at` and returns the area's length, header included.
pub(super) fn area_len<R: ReadAt>(image: &mut R, at: u32, magic: u16) -> Result<u32, VerifyError<R::Error>> {
    if image.len().saturating_sub(at) < AREA_HEADER {
        return Err(FormatError::PastEnd.into());
    }
    let (found, total) = two_words(image, at)?;
    if found != magic {
        return Err(FormatError::AreaMagic.into());
    }
    if u32::from(total) < AREA_HEADER {
        return Err(FormatError::AreaSize.into());
    }
    Ok(total.into())
}

fn two_words<R: ReadAt>(image: &mut R, at: u32) -> Result<(u16, u16), VerifyError<R::Error>> {
    let mut raw = [0; 4];
    image.read_at(at, &mut raw).map_err(VerifyError::Read)?;
    let [a, b, c, d] = raw;
    Ok((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
}
