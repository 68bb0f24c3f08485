//! A key of any algorithm compiled in.

use crate::blob::{BlobError, Parts};
use crate::key::{Verifier, judge};
use crate::rsa::{Rsa2048Pkcs1, Rsa2048Pss, Rsa3072Pkcs1, Rsa3072Pss, Rsa4096Pkcs1, Rsa4096Pss};
use crate::{Algorithm, KeyId, Keys, SignatureError};

/// A public key whose algorithm is only known when the blob is read: for tools and big boards. All verifiers are
/// linked; small devices name the one they use, for example [`Rsa2048Pss`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PublicKey<'a> {
    /// RSA-2048 PSS.
    Rsa2048Pss(Rsa2048Pss<'a>),
    /// RSA-3072 PSS.
    Rsa3072Pss(Rsa3072Pss<'a>),
    /// RSA-4096 PSS.
    Rsa4096Pss(Rsa4096Pss<'a>),
    /// RSA-2048 PKCS#1 v1.5.
    Rsa2048Pkcs1(Rsa2048Pkcs1<'a>),
    /// RSA-3072 PKCS#1 v1.5.
    Rsa3072Pkcs1(Rsa3072Pkcs1<'a>),
    /// RSA-4096 PKCS#1 v1.5.
    Rsa4096Pkcs1(Rsa4096Pkcs1<'a>),
    /// ECDSA P-256.
    #[cfg(feature = "p256")]
    EcdsaP256(crate::p256::EcdsaP256),
    /// Ed25519.
    #[cfg(feature = "ed25519")]
    Ed25519(crate::ed25519::Ed25519),
}

impl<'a> PublicKey<'a> {
    /// Takes the key out of a [key blob](crate::blob).
    ///
    /// # Errors
    /// [`BlobError`]; [`BlobError::Algorithm`] when the algorithm's feature is off.
    pub fn from_blob(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let blob = Parts::cut(bytes)?;
        Ok(match blob.algorithm {
            Algorithm::Rsa2048Pss => Self::Rsa2048Pss(Rsa2048Pss::new(&blob)?),
            Algorithm::Rsa3072Pss => Self::Rsa3072Pss(Rsa3072Pss::new(&blob)?),
            Algorithm::Rsa4096Pss => Self::Rsa4096Pss(Rsa4096Pss::new(&blob)?),
            Algorithm::Rsa2048Pkcs1 => Self::Rsa2048Pkcs1(Rsa2048Pkcs1::new(&blob)?),
            Algorithm::Rsa3072Pkcs1 => Self::Rsa3072Pkcs1(Rsa3072Pkcs1::new(&blob)?),
            Algorithm::Rsa4096Pkcs1 => Self::Rsa4096Pkcs1(Rsa4096Pkcs1::new(&blob)?),
            #[cfg(feature = "p256")]
            Algorithm::EcdsaP256 => Self::EcdsaP256(crate::p256::EcdsaP256::new(&blob)?),
            #[cfg(feature = "ed25519")]
            Algorithm::Ed25519 => Self::Ed25519(crate::ed25519::Ed25519::new(&blob)?),
            #[cfg(not(all(feature = "p256", feature = "ed25519")))]
            other => return Err(BlobError::Algorithm(other as u8)),
        })
    }

    fn inner(&self) -> &dyn Verifier {
        match self {
            Self::Rsa2048Pss(k) => k,
            Self::Rsa3072Pss(k) => k,
            Self::Rsa4096Pss(k) => k,
            Self::Rsa2048Pkcs1(k) => k,
            Self::Rsa3072Pkcs1(k) => k,
            Self::Rsa4096Pkcs1(k) => k,
            #[cfg(feature = "p256")]
            Self::EcdsaP256(k) => k,
            #[cfg(feature = "ed25519")]
            Self::Ed25519(k) => k,
        }
    }
}

impl Verifier for PublicKey<'_> {
    fn algorithm(&self) -> Algorithm {
        self.inner().algorithm()
    }
    fn key_id(&self) -> KeyId {
        self.inner().key_id()
    }
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        self.inner().verify_digest(digest, signature)
    }
}

impl Keys for PublicKey<'_> {
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
