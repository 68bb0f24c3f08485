//! The package `.ota`: a signed manifest, then the payloads it describes.
//!
//! ```text
//! 0   magic "OTA1"
//! 4   u16 envelope length
//! 6   u16 reserved, 0
//! 8   envelope: u16 manifest length, manifest
//!               u8 signature count, each: u8 algorithm, [u8; 32] key id, u16 length, signature
//!     payloads, at the offsets the manifest gives
//! ```
//! All numbers are little-endian. Head and envelope have at most [`ENVELOPE_MAX`] bytes, so a device takes them in
//! one bounded read; a signature is checked before the manifest is parsed.
//!
//! # Source
//! Own format; the manifest's terms are those of RFC 9124.

use crate::image::{MAGIC as IMAGE_MAGIC, check_identity};
use crate::sha256::sha256;
use crate::{Algorithm, KeyId, Keys, Manifest, PackageError, Refusal, Rules, SignatureError};

/// First four bytes of a package.
pub const MAGIC: [u8; 4] = *b"OTA1";
/// Length of what comes before the envelope.
pub const HEAD_LEN: usize = 8;
/// Most bytes head and envelope may have together.
pub const ENVELOPE_MAX: usize = 2048;
/// What is hashed before the manifest, so that no other signed digest can be taken for a manifest's.
pub const DOMAIN: &[u8; 14] = b"OTA1-manifest\0";

/// What an object is, by its first four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A package.
    Package,
    /// A bare MCUboot image.
    Image,
}

impl Object {
    /// Looks at the first bytes; `None` when they are neither.
    pub fn sniff(first: &[u8; 4]) -> Option<Self> {
        if *first == MAGIC {
            Some(Self::Package)
        } else if *first == IMAGE_MAGIC.to_le_bytes() {
            Some(Self::Image)
        } else {
            None
        }
    }
}

/// The digest a manifest's signatures are made over.
pub fn signed_digest(manifest: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    sha256(&[DOMAIN, manifest], &mut digest);
    digest
}

/// Head and envelope of a package, cut into its parts. Nothing is believed yet.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    manifest: &'a [u8],
    signatures: &'a [u8],
    count: u8,
    end: u32,
}

/// One signature of an envelope, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Algorithm number; [`Algorithm::from_u8`].
    pub algorithm: u8,
    /// The key it claims to be made with.
    pub key_id: KeyId,
    /// The signature.
    pub bytes: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// How many bytes of the package [`Envelope::open`] needs, told from its first eight.
    ///
    /// # Errors
    /// [`PackageError::Magic`], [`PackageError::Reserved`], [`PackageError::TooLarge`].
    pub fn len_needed(head: &[u8; HEAD_LEN]) -> Result<usize, PackageError> {
        let [m0, m1, m2, m3, l0, l1, r0, r1] = *head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(PackageError::Magic);
        }
        if [r0, r1] != [0, 0] {
            return Err(PackageError::Reserved);
        }
        let len = HEAD_LEN + usize::from(u16::from_le_bytes([l0, l1]));
        if len > ENVELOPE_MAX { Err(PackageError::TooLarge) } else { Ok(len) }
    }

    /// Cuts the envelope out of the package's first bytes (more than needed is fine) and checks its lengths.
    /// For tools; devices call [`Envelope::open`].
    ///
    /// # Errors
    /// [`PackageError`] of head and envelope.
    pub fn split(package: &'a [u8]) -> Result<Self, PackageError> {
        let head = package.first_chunk().ok_or(PackageError::Truncated)?;
        let len = Self::len_needed(head)?;
        let mut rest = package.get(HEAD_LEN..len).ok_or(PackageError::Truncated)?;
        let manifest_len = u16::from_le_bytes(*take_array(&mut rest)?);
        let manifest = take(&mut rest, manifest_len.into())?;
        let [count] = *take_array(&mut rest)?;
        let signatures = rest;
        for _ in 0..count {
            next_signature(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(PackageError::Envelope);
        }
        // `len` is at most ENVELOPE_MAX.
        Ok(Self { manifest, signatures, count, end: len as u32 })
    }

    /// Verifies a signature, then parses and validates the whole manifest.
    ///
    /// One signature by a key of `rules` is enough; signatures by other keys are passed over, so that a package can
    /// be signed for a change of keys.
    ///
    /// # Errors
    /// [`PackageError`]; before a signature was accepted, no byte of the manifest is parsed.
    pub fn open<K: Keys>(package: &'a [u8], rules: &Rules<'_, K>) -> Result<Manifest<'a>, PackageError> {
        let envelope = Self::split(package)?;
        envelope.check_signatures(rules.keys)?;
        let manifest = Manifest::parse(envelope.manifest, envelope.end, rules.floor, |head| {
            check_identity(&rules.identity, &head.vendor.0, &head.class.0)
        })?;
        Ok(manifest)
    }

    /// The manifest's bytes, unverified.
    pub const fn manifest_bytes(&self) -> &'a [u8] {
        self.manifest
    }

    /// The signatures, in stored order.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        let mut rest = self.signatures;
        (0..self.count).map_while(move |_| next_signature(&mut rest).ok())
    }

    /// Where the envelope ends and payloads may start.
    pub const fn end(&self) -> u32 {
        self.end
    }

    fn check_signatures<K: Keys>(&self, keys: &K) -> Result<(), PackageError> {
        let digest = signed_digest(self.manifest);
        let mut worst = PackageError::Unsigned;
        for signature in self.signatures() {
            let verdict = match Algorithm::from_u8(signature.algorithm) {
                Some(algorithm) => keys.verify(&signature.key_id, algorithm, &digest, signature.bytes),
                None => Err(SignatureError::UnknownKey),
            };
            match verdict {
                Ok(()) => return Ok(()),
                // A failure by a known key says more than an unknown key.
                Err(SignatureError::UnknownKey) if worst != PackageError::Unsigned => {}
                Err(e) => worst = Refusal::Signature(e).into(),
            }
        }
        Err(worst)
    }
}

fn next_signature<'a>(rest: &mut &'a [u8]) -> Result<Signature<'a>, PackageError> {
    let [algorithm] = *take_array(rest)?;
    let key_id = KeyId(*take_array(rest)?);
    let len = u16::from_le_bytes(*take_array(rest)?);
    Ok(Signature { algorithm, key_id, bytes: take(rest, len.into())? })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], PackageError> {
    let (first, after) = rest.split_at_checked(len).ok_or(PackageError::Envelope)?;
    *rest = after;
    Ok(first)
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], PackageError> {
    let (first, after) = rest.split_first_chunk().ok_or(PackageError::Envelope)?;
    *rest = after;
    Ok(first)
}
