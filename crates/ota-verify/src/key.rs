//! Keys: how a signature is tied to the key that is asked to judge it.

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

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// No key of the set has this id and algorithm. Sign with a key the device holds.
    UnknownKey,
    /// The signature has the wrong length or encoding for its algorithm.
    Malformed,
    /// The signature does not belong to this digest and key.
    Mismatch,
}

/// One key or a set of keys; the algorithms are part of the type, so that the linker drops the rest.
///
/// Implemented by every verifier of this crate, by arrays of one algorithm, and by pairs `(A, B)` of key sets.
pub trait Keys {
    /// Accepts `signature` over `digest` if a key named `id` of algorithm `algorithm` made it.
    ///
    /// # Errors
    /// [`SignatureError`]; absence of a key is an error, never a pass.
    fn verify(&self, id: &KeyId, algorithm: Algorithm, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError>;
}

impl<K: Keys + ?Sized> Keys for &K {
    fn verify(&self, id: &KeyId, algorithm: Algorithm, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        (**self).verify(id, algorithm, digest, signature)
    }
}
