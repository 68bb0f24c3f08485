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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// [`Facts`] in the form that costs a loader least.
pub(super) struct Collected {
    seen: u8,
    pub(super) digest: [u8; 32],
    pub(super) key_id: [u8; 32],
    pub(super) vendor: [u8; 16],
    pub(super) class: [u8; 16],
    pub(super) security_counter: [u8; 4],
    pub(super) signature: SignatureTlv,
}

/// Which fields of [`Collected`] are there, by bit.
const KINDS: [u16; 6] = [SHA256, KEYHASH, UUID_VID, UUID_CID, SEC_CNT, RSA2048_PSS];

impl Collected {
    pub(super) const fn new() -> Self {
        Self {
            seen: 0,
            digest: [0; 32],
            key_id: [0; 32],
            vendor: [0; 16],
            class: [0; 16],
            security_counter: [0; 4],
            signature: SignatureTlv { algorithm: Algorithm::Rsa2048Pss, offset: 0, len: 0 },
        }
    }

    fn has(&self, bit: u8) -> bool {
        self.seen & 1 << bit != 0
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            digest: self.has(0).then_some(self.digest),
            key_id: self.has(1).then_some(KeyId(self.key_id)),
            vendor: self.has(2).then_some(Uuid(self.vendor)),
            class: self.has(3).then_some(Uuid(self.class)),
            security_counter: self.has(4).then_some(u32::from_le_bytes(self.security_counter)),
            signature: self.has(5).then_some(self.signature),
        }
    }

    /// Refuses when anything is missing. Where no signature is, the first of its types is named.
    pub(super) fn require_all(&self) -> Result<(), FormatError> {
        match KINDS.iter().zip(0..).find(|(_, bit)| !self.has(*bit)) {
            Some((kind, _)) => Err(FormatError::TlvMissing(*kind)),
            None => Ok(()),
        }
    }

    /// Judges one TLV; returns where its value goes, if it is to be read now.
    pub(super) fn place(&mut self, tlv: &Tlv) -> Result<Option<&mut [u8]>, FormatError> {
        let kind = tlv.kind;
        match (home(kind), tlv.area) {
            // Signed, so its meaning is the vendor's business.
            (Home::Vendor, Area::Protected) => return Ok(None),
            (Home::Vendor, Area::Unprotected) => return Err(FormatError::TlvUnknown(kind)),
            (Home::Area(home), area) if home != area => return Err(FormatError::TlvArea(kind)),
            _ => {}
        }
        let (bit, value): (u8, &mut [u8]) = match kind {
            SHA256 => (0, &mut self.digest),
            KEYHASH => (1, &mut self.key_id),
            UUID_VID => (2, &mut self.vendor),
            UUID_CID => (3, &mut self.class),
            SEC_CNT => (4, &mut self.security_counter),
            BOOT_RECORD => return Ok(None),
            _ => (5, &mut []),
        };
        if bit == 5 {
            let algorithm = Algorithm::from_tlv(kind).ok_or(FormatError::TlvUnknown(kind))?;
            if !algorithm.accepts_len(tlv.len.into()) {
                return Err(FormatError::TlvLength(kind));
            }
            self.signature = SignatureTlv { algorithm, offset: tlv.offset, len: tlv.len };
        } else if usize::from(tlv.len) != value.len() {
            return Err(FormatError::TlvLength(kind));
        }
        if self.seen & 1 << bit != 0 {
            return Err(FormatError::TlvDuplicate(kind));
        }
        self.seen |= 1 << bit;
        Ok(Some(value))
    }
}

/// Where a type belongs.
enum Home {
    /// One of MCUboot's numbers or of ours. Protected: counters, ids, dependencies. Unprotected: digests, keys,
    /// signatures.
    Area(Area),
    /// Of MCUboot's vendor range: allowed where it is signed, because unsigned it could be anybody's.
    Vendor,
}

const fn home(kind: u16) -> Home {
    match kind {
        RSA4096_PSS..=RSA4096_PKCS1 => Home::Area(Area::Unprotected),
        // 0xFFFF is MCUboot's wildcard, never a type.
        _ if kind & 0xFF >= 0xA0 && kind != 0xFFFF => Home::Vendor,
        _ if kind >= DEPENDENCY => Home::Area(Area::Protected),
        _ => Home::Area(Area::Unprotected),
    }
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
