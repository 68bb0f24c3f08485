//! Keys: how a signature is tied to the key that is asked to judge it.

use crate::image::tlv;

/// Names a public key: SHA-256 of its standard DER encoding, as in MCUboot's KEYHASH TLV
/// (RSA: PKCS#1 `RSAPublicKey`; EC and Ed25519: `SubjectPublicKeyInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 32]);

/// A signature scheme over a SHA-256 digest. The number is stored in packages and key blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// RSA-2048, PSS with SHA-256, MGF1-SHA-256 and a 32-byte salt (RFC 8017 §8.1).
    Rsa2048Pss = 1,
    /// RSA-3072 PSS.
    Rsa3072Pss = 2,
    /// RSA-4096 PSS.
    Rsa4096Pss = 3,
    /// RSA-2048, PKCS#1 v1.5 with SHA-256 (RFC 8017 §8.2).
    Rsa2048Pkcs1 = 4,
    /// RSA-3072 PKCS#1 v1.5.
    Rsa3072Pkcs1 = 5,
    /// RSA-4096 PKCS#1 v1.5.
    Rsa4096Pkcs1 = 6,
    /// ECDSA on P-256 (FIPS 186-5), signature in DER.
    EcdsaP256 = 7,
    /// Ed25519 (RFC 8032) over the 32-byte digest as message.
    Ed25519 = 8,
}

impl Algorithm {
    /// The algorithm of a stored number.
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            1 => Self::Rsa2048Pss,
            2 => Self::Rsa3072Pss,
            3 => Self::Rsa4096Pss,
            4 => Self::Rsa2048Pkcs1,
            5 => Self::Rsa3072Pkcs1,
            6 => Self::Rsa4096Pkcs1,
            7 => Self::EcdsaP256,
            8 => Self::Ed25519,
            _ => return None,
        })
    }
    /// The algorithm of a signature TLV's type.
    pub const fn from_tlv(kind: u16) -> Option<Self> {
        Some(match kind {
            tlv::RSA2048_PSS => Self::Rsa2048Pss,
            tlv::RSA3072_PSS => Self::Rsa3072Pss,
            tlv::RSA4096_PSS => Self::Rsa4096Pss,
            tlv::RSA2048_PKCS1 => Self::Rsa2048Pkcs1,
            tlv::RSA3072_PKCS1 => Self::Rsa3072Pkcs1,
            tlv::RSA4096_PKCS1 => Self::Rsa4096Pkcs1,
            tlv::ECDSA => Self::EcdsaP256,
            tlv::ED25519 => Self::Ed25519,
            _ => return None,
        })
    }
    /// The type of the TLV that holds a signature of this algorithm.
    pub const fn tlv(self) -> u16 {
        match self {
            Self::Rsa2048Pss => tlv::RSA2048_PSS,
            Self::Rsa3072Pss => tlv::RSA3072_PSS,
            Self::Rsa4096Pss => tlv::RSA4096_PSS,
            Self::Rsa2048Pkcs1 => tlv::RSA2048_PKCS1,
            Self::Rsa3072Pkcs1 => tlv::RSA3072_PKCS1,
            Self::Rsa4096Pkcs1 => tlv::RSA4096_PKCS1,
            Self::EcdsaP256 => tlv::ECDSA,
            Self::Ed25519 => tlv::ED25519,
        }
    }
    /// Whether a signature can have this many bytes.
    pub const fn accepts_len(self, len: usize) -> bool {
        let (least, greatest) = self.lengths();
        len >= least as usize && len <= greatest as usize
    }
    /// Least and greatest length of a signature.
    pub(crate) const fn lengths(self) -> (u16, u16) {
        match self {
            Self::Rsa2048Pss | Self::Rsa2048Pkcs1 => (256, 256),
            Self::Rsa3072Pss | Self::Rsa3072Pkcs1 => (384, 384),
            Self::Rsa4096Pss | Self::Rsa4096Pkcs1 => (512, 512),
            // DER: SEQUENCE of two INTEGERs of 1 to 33 bytes.
            Self::EcdsaP256 => (8, 72),
            Self::Ed25519 => (64, 64),
        }
    }
}

/// The longest signature of any algorithm.
pub const SIGNATURE_MAX: usize = 512;

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum SignatureError {
    /// No key of the set has this id and algorithm. Sign with a key the device holds.
    UnknownKey,
    /// The signature has the wrong length or encoding for its algorithm.
    Malformed,
    /// The signature does not belong to this digest and key.
    Mismatch,
}

impl SignatureError {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::UnknownKey => "signed by an unknown key",
            Self::Malformed => "malformed signature",
            Self::Mismatch => "signature mismatch",
        }
    }
    /// A stable number, 32 to 39.
    pub const fn code(&self) -> u8 {
        match self {
            Self::UnknownKey => 32,
            Self::Malformed => 33,
            Self::Mismatch => 34,
        }
    }
}

/// One key of one algorithm, without regard to names.
pub trait Verifier {
    /// The algorithm.
    fn algorithm(&self) -> Algorithm;
    /// The key's name.
    fn key_id(&self) -> KeyId;
    /// Accepts `signature` if this key made it over `digest`.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`], [`SignatureError::Mismatch`].
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError>;
}

/// [`Keys::verify`] for a set of one.
pub(crate) fn judge<V: Verifier>(
    key: &V,
    id: &KeyId,
    algorithm: Algorithm,
    digest: &[u8; 32],
    signature: &[u8],
) -> Result<(), SignatureError> {
    if algorithm != key.algorithm() || *id != key.key_id() {
        return Err(SignatureError::UnknownKey);
    }
    key.verify_digest(digest, signature)
}

/// One key or a set of keys; the algorithms are part of the type, so that the linker drops the rest.
///
/// Implemented by every verifier of this crate, by arrays of one algorithm, and by pairs `(A, B)` of key sets.
pub trait Keys {
    /// Accepts `signature` over `digest` if a key named `id` of algorithm `algorithm` made it.
    ///
    /// # Errors
    /// [`SignatureError`]; absence of a key is an error, never a pass.
    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError>;

    /// Length of the longest signature that a key of the set can accept. Where it is a constant of 256 at most, half
    /// the stack is reserved for a signature.
    fn longest(&self) -> usize {
        SIGNATURE_MAX
    }
}

impl<K: Keys + ?Sized> Keys for &K {
    fn longest(&self) -> usize {
        (**self).longest()
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        (**self).verify(id, algorithm, digest, signature)
    }
}

/// A set of keys: the first that knows the id and algorithm decides.
impl<K: Keys> Keys for [K] {
    fn longest(&self) -> usize {
        self.iter().map(K::longest).max().unwrap_or(0)
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        for key in self {
            match key.verify(id, algorithm, digest, signature) {
                Err(SignatureError::UnknownKey) => {}
                decided => return decided,
            }
        }
        Err(SignatureError::UnknownKey)
    }
}

impl<K: Keys, const N: usize> Keys for [K; N] {
    fn longest(&self) -> usize {
        self.as_slice().longest()
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.as_slice().verify(id, algorithm, digest, signature)
    }
}

/// Two sets, of different algorithms perhaps: asked in order.
impl<A: Keys, B: Keys> Keys for (A, B) {
    fn longest(&self) -> usize {
        self.0.longest().max(self.1.longest())
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match self.0.verify(id, algorithm, digest, signature) {
            Err(SignatureError::UnknownKey) => self.1.verify(id, algorithm, digest, signature),
            decided => decided,
        }
    }
}
