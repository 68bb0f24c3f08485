//! The TLV areas: which type may be where, and what they say.

use crate::medium::{Medium, form_of};
use crate::{Algorithm, FormatError, KeyId, Uuid, VerifyError, Why};
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
    /// Where the area ends.
    end: u32,
    /// Where the last area ends.
    last: u32,
}

impl Tlvs {
    /// The protected area is `start..split` (may be empty), the unprotected one `split..end`.
    pub(super) const fn new(start: u32, split: u32, end: u32) -> Self {
        let at = if start == split { split } else { start + AREA_HEADER };
        Self { area: Area::Protected, at, end: split, last: end }
    }

    /// The next TLV; `None` after the last.
    ///
    /// # Errors
    /// [`VerifyError::Format`] or [`VerifyError::Read`].
    pub fn next<R: ReadAt>(&mut self, image: &mut R) -> Result<Option<Tlv>, VerifyError<R::Error>> {
        form_of(image, |medium| self.step(medium))
    }

    pub(super) fn step(&mut self, medium: &mut Medium<'_>) -> Result<Option<Tlv>, Why> {
        if self.at == self.end {
            // Past the last area its own end is all there is.
            let header = if self.end == self.last { 0 } else { AREA_HEADER };
            (self.area, self.at, self.end) = (Area::Unprotected, self.end + header, self.last);
        }
        // `at` never passes `end`: areas hold at least their header, and entries are checked below.
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        if left < ENTRY_HEADER {
            return Err(FormatError::TlvTrailing.into());
        }
        let word = medium.two_words(self.at)?;
        let (kind, len) = (word as u16, (word >> 16) as u16);
        if u32::from(len) > left - ENTRY_HEADER {
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
pub(super) struct Claims {
    /// The values of the first types in [`TYPES`], one behind the other.
    values: [u8; 100],
    /// Which types of [`TYPES`] are there, by bit; every signature counts as the first of them.
    seen: u8,
    /// Number of the signature's algorithm, 0 for none.
    pub(super) algorithm: u8,
    /// Where the signature is.
    pub(super) offset: u32,
    /// How long it is.
    pub(super) len: u16,
}

/// Types that are looked at, with their least and greatest length. First those with a value to keep, then the
/// signatures in the order of their [`Algorithm`] number.
const TYPES: [(u16, u16, u16); 13] = {
    let mut types = [(SHA256, 32, 32); 13];
    types[1] = (KEYHASH, 32, 32);
    types[2] = (UUID_VID, 16, 16);
    types[3] = (UUID_CID, 16, 16);
    types[4] = (SEC_CNT, 4, 4);
    let mut n = 1;
    while let Some(algorithm) = Algorithm::from_u8(n) {
        let (least, greatest) = algorithm.lengths();
        types[4 + n as usize] = (algorithm.tlv(), least, greatest);
        n += 1;
    }
    types
};
/// Place of the first signature type in [`TYPES`].
const SIGNATURE: u8 = 5;

impl Claims {
    pub(super) const NONE: Self = Self { values: [0; 100], seen: 0, algorithm: 0, offset: 0, len: 0 };

    fn value<const AT: usize, const LEN: usize>(&self) -> &[u8; LEN] {
        const { assert!(AT + LEN <= 100) };
        self.values.get(AT..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; LEN])
    }
    pub(super) fn digest(&self) -> &[u8; 32] {
        self.value::<0, 32>()
    }
    pub(super) fn key_id(&self) -> KeyId {
        KeyId(*self.value::<32, 32>())
    }
    pub(super) fn vendor(&self) -> &[u8; 16] {
        self.value::<64, 16>()
    }
    pub(super) fn class(&self) -> &[u8; 16] {
        self.value::<80, 16>()
    }
    pub(super) fn security_counter(&self) -> u32 {
        u32::from_le_bytes(*self.value::<96, 4>())
    }

    pub(super) fn facts(&self) -> Facts {
        let has = |bit: u8| self.seen & 1 << bit != 0;
        Facts {
            digest: has(0).then_some(*self.digest()),
            key_id: has(1).then_some(self.key_id()),
            vendor: has(2).then_some(Uuid(*self.vendor())),
            class: has(3).then_some(Uuid(*self.class())),
            security_counter: has(4).then_some(self.security_counter()),
            signature: Algorithm::from_u8(self.algorithm).map(|algorithm| SignatureTlv {
                algorithm,
                offset: self.offset,
                len: self.len,
            }),
        }
    }

    /// Refuses when anything is missing. Where no signature is, the first of its types is named.
    pub(super) fn require_all(&self) -> Result<(), Why> {
        match TYPES.get(self.seen.trailing_ones() as usize) {
            Some((kind, _, _)) if self.seen != (1 << (SIGNATURE + 1)) - 1 => Err(FormatError::TlvMissing(*kind).into()),
            _ => Ok(()),
        }
    }

    /// Takes in all of `tlvs`.
    pub(super) fn collect(&mut self, mut tlvs: Tlvs, medium: &mut Medium<'_>) -> Result<(), Why> {
        while let Some(tlv) = tlvs.step(medium)? {
            let value = self.place(&tlv)?;
            medium.read(tlv.offset, value)?;
        }
        Ok(())
    }

    /// Judges one TLV; returns where its value goes, which is nowhere if it is not to be read now.
    pub(super) fn place(&mut self, tlv: &Tlv) -> Result<&mut [u8], Why> {
        let kind = tlv.kind;
        match (home(kind), tlv.area) {
            // Signed, so its meaning is the vendor's business.
            (Home::Vendor, Area::Protected) => return Ok(&mut []),
            (Home::Vendor, Area::Unprotected) => return Err(FormatError::TlvUnknown(kind).into()),
            (Home::Area(home), area) if home != area => return Err(FormatError::TlvArea(kind).into()),
            _ if kind == BOOT_RECORD => return Ok(&mut []),
            _ => {}
        }
        let mut at = 0u16;
        for ((known, least, greatest), n) in TYPES.iter().zip(0..) {
            if *known != kind {
                at += *least;
                continue;
            }
            if tlv.len < *least || tlv.len > *greatest {
                return Err(FormatError::TlvLength(kind).into());
            }
            let bit = 1 << n.min(SIGNATURE);
            if self.seen & bit != 0 {
                return Err(FormatError::TlvDuplicate(kind).into());
            }
            self.seen |= bit;
            if n >= SIGNATURE {
                (self.algorithm, self.offset, self.len) = (n + 1 - SIGNATURE, tlv.offset, tlv.len);
            }
            // A signature's place is past the values.
            let (at, len) = (usize::from(at), usize::from(*least));
            return Ok(self.values.get_mut(at..at + len).unwrap_or_default());
        }
        Err(FormatError::TlvUnknown(kind).into())
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
#[inline(never)]
pub(super) fn area_len(medium: &mut Medium<'_>, at: u32, magic: u16) -> Result<u32, Why> {
    if medium.len().saturating_sub(at) < AREA_HEADER {
        return Err(FormatError::PastEnd.into());
    }
    let word = medium.two_words(at)?;
    if word as u16 != magic {
        return Err(FormatError::AreaMagic.into());
    }
    let total = word >> 16;
    if total < AREA_HEADER {
        return Err(FormatError::AreaSize.into());
    }
    Ok(total)
}
