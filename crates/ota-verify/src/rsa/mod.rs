//! RSA signature verification, without a heap, for 2048, 3072 and 4096 bits.
//!
//! Verify only: every number here is public, so nothing tries to run in constant time. Never use this arithmetic
//! with a private key. The exponent is 65537. What division would be needed for (R² mod n, the Montgomery
//! constant) comes precomputed in the [key blob](crate::blob).
//!
//! # Source
//! RFC 8017 (PKCS #1 v2.2) §5.2.2, §8.1.2, §8.2.2, §9; Montgomery multiplication after Koç, Acar, Kaliski,
//! "Analyzing and Comparing Montgomery Multiplication Algorithms" (1996), the CIOS method.

mod montgomery;
mod pkcs1;
mod pss;

use crate::blob::{BlobError, Parts};
use crate::key::{Verifier, judge};
use crate::{Algorithm, KeyId, Keys, SignatureError};
use montgomery::{Modulus, Number};

/// An RSA modulus of `W` 32-bit words, ready for use.
#[derive(Debug, Clone, Copy)]
struct RsaKey<'a, const W: usize> {
    id: &'a [u8; 32],
    modulus: Modulus<'a, W>,
}

impl<'a, const W: usize> RsaKey<'a, W> {
    fn from_blob(blob: &Parts<'a>) -> Result<Self, BlobError> {
        let (words, []) = blob.material.as_chunks::<4>() else {
            return Err(BlobError::Length);
        };
        let (n, words) = words.split_first_chunk::<W>().ok_or(BlobError::Length)?;
        let (rr, words) = words.split_first_chunk::<W>().ok_or(BlobError::Length)?;
        let [n0inv] = words else {
            return Err(BlobError::Length);
        };
        let modulus = Modulus::new(n, rr, u32::from_le_bytes(*n0inv));
        if !modulus.holds() {
            return Err(BlobError::Key);
        }
        Ok(Self { id: blob.key_id, modulus })
    }

    /// Takes the encoded message out of `signature` (s^65537 mod n, big-endian) and asks `matches`.
    fn check(&self, signature: &[u8], matches: impl FnOnce(&mut [u8]) -> bool) -> Result<(), SignatureError> {
        let (s, []) = signature.as_chunks::<4>() else { return Err(SignatureError::Malformed) };
        let s: &[[u8; 4]; W] = s.try_into().map_err(|_| SignatureError::Malformed)?;
        let mut message = Number::ZERO;
        self.modulus.raise(s, &mut message).ok_or(SignatureError::Malformed)?;
        if matches(message.0.as_flattened_mut()) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// Verifies RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of exactly 32 bytes.
#[derive(Debug, Clone, Copy)]
pub struct RsaPss<'a, const W: usize>(RsaKey<'a, W>);

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, by comparing the whole encoded message.
#[derive(Debug, Clone, Copy)]
pub struct RsaPkcs1<'a, const W: usize>(RsaKey<'a, W>);

/// RSA-2048 PSS, MCUboot's most used signature.
pub type Rsa2048Pss<'a> = RsaPss<'a, 64>;
/// RSA-3072 PSS.
pub type Rsa3072Pss<'a> = RsaPss<'a, 96>;
/// RSA-4096 PSS.
pub type Rsa4096Pss<'a> = RsaPss<'a, 128>;
/// RSA-2048 PKCS#1 v1.5, the smallest verifier of this crate.
pub type Rsa2048Pkcs1<'a> = RsaPkcs1<'a, 64>;
/// RSA-3072 PKCS#1 v1.5.
pub type Rsa3072Pkcs1<'a> = RsaPkcs1<'a, 96>;
/// RSA-4096 PKCS#1 v1.5.
pub type Rsa4096Pkcs1<'a> = RsaPkcs1<'a, 128>;

/// Number of the algorithm for a modulus of `words` words; a size without a number does not compile.
const fn sized(words: usize, algorithms: [Algorithm; 3]) -> Algorithm {
    match words {
        64 => algorithms[0],
        96 => algorithms[1],
        128 => algorithms[2],
        _ => panic!("RSA moduli have 2048, 3072 or 4096 bits"),
    }
}

impl<'a, const W: usize> RsaPss<'a, W> {
    const ALGORITHM: Algorithm =
        const { sized(W, [Algorithm::Rsa2048Pss, Algorithm::Rsa3072Pss, Algorithm::Rsa4096Pss]) };

    /// Takes the key out of a [key blob](crate::blob).
    ///
    /// # Errors
    /// [`BlobError`]; also when the blob is for another algorithm or size.
    pub fn from_blob(bytes: &'a [u8]) -> Result<Self, BlobError> {
        Self::new(&Parts::cut_as(bytes, Self::ALGORITHM)?)
    }
    pub(crate) fn new(blob: &Parts<'a>) -> Result<Self, BlobError> {
        Ok(Self(RsaKey::from_blob(blob)?))
    }
}

impl<'a, const W: usize> RsaPkcs1<'a, W> {
    const ALGORITHM: Algorithm =
        const { sized(W, [Algorithm::Rsa2048Pkcs1, Algorithm::Rsa3072Pkcs1, Algorithm::Rsa4096Pkcs1]) };

    /// Takes the key out of a [key blob](crate::blob).
    ///
    /// # Errors
    /// [`BlobError`]; also when the blob is for another algorithm or size.
    pub fn from_blob(bytes: &'a [u8]) -> Result<Self, BlobError> {
        Self::new(&Parts::cut_as(bytes, Self::ALGORITHM)?)
    }
    pub(crate) fn new(blob: &Parts<'a>) -> Result<Self, BlobError> {
        Ok(Self(RsaKey::from_blob(blob)?))
    }
}

impl<const W: usize> Verifier for RsaPss<'_, W> {
    fn algorithm(&self) -> Algorithm {
        Self::ALGORITHM
    }
    fn key_id(&self) -> KeyId {
        KeyId(*self.0.id)
    }
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        self.0.check(signature, |message| pss::matches(message, digest))
    }
}

impl<const W: usize> Verifier for RsaPkcs1<'_, W> {
    fn algorithm(&self) -> Algorithm {
        Self::ALGORITHM
    }
    fn key_id(&self) -> KeyId {
        KeyId(*self.0.id)
    }
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        self.0.check(signature, |message| pkcs1::matches(message, digest))
    }
}

impl<const W: usize> Keys for RsaPss<'_, W> {
    fn longest(&self) -> usize {
        W * 4
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        judge(self, id, algorithm, digest, signature)
    }
}

impl<const W: usize> Keys for RsaPkcs1<'_, W> {
    fn longest(&self) -> usize {
        W * 4
    }

    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        judge(self, id, algorithm, digest, signature)
    }
}

/// Checks a cloud's signature over an object (`digestsign`): RSA PKCS#1 v1.5 over the object's SHA-256.
///
/// It says that the cloud meant this object. It never replaces the image's own signature.
///
/// # Errors
/// [`SignatureError`]; [`SignatureError::UnknownKey`] when `key` is not a PKCS#1 v1.5 key.
pub fn verify_cloud_signature<V: Verifier + ?Sized>(
    key: &V,
    object_sha256: &[u8; 32],
    signature: &[u8],
) -> Result<(), SignatureError> {
    match key.algorithm() {
        Algorithm::Rsa2048Pkcs1 | Algorithm::Rsa3072Pkcs1 | Algorithm::Rsa4096Pkcs1 => {
            key.verify_digest(object_sha256, signature)
        }
        _ => Err(SignatureError::UnknownKey),
    }
}
