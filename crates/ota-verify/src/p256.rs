//! ECDSA on NIST P-256 with SHA-256, signatures in DER, by the `p256` crate.
//!
//! The digest is pinned to 32 bytes by type. Both s and n - s are accepted (no low-S rule): OpenSSL and imgtool make
//! either, and nothing here takes a signature for the name of what it signs. DER is strict: the zero padding of
//! MCUboot tools before 1.5 (`--pad-sig`) is refused.

use crate::blob::{BlobError, Parts};
use crate::key::{Verifier, judge};
use crate::{Algorithm, KeyId, Keys, SignatureError};
use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};

/// Verifies ECDSA P-256 signatures.
#[derive(Debug, Clone, Copy)]
pub struct EcdsaP256 {
    id: KeyId,
    key: VerifyingKey,
}

impl EcdsaP256 {
    /// Takes the key out of a [key blob](crate::blob).
    ///
    /// # Errors
    /// [`BlobError`]; also when the point is not on the curve.
    pub fn from_blob(bytes: &[u8]) -> Result<Self, BlobError> {
        Self::new(&Parts::cut_as(bytes, Algorithm::EcdsaP256)?)
    }
    pub(crate) fn new(blob: &Parts<'_>) -> Result<Self, BlobError> {
        let point: &[u8; 65] = blob.material.try_into().map_err(|_| BlobError::Length)?;
        let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| BlobError::Key)?;
        Ok(Self { id: KeyId(*blob.key_id), key })
    }
}

impl Verifier for EcdsaP256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EcdsaP256
    }
    fn key_id(&self) -> KeyId {
        self.id
    }
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        let signature = Signature::from_der(signature).map_err(|_| SignatureError::Malformed)?;
        self.key.verify_prehash(digest, &signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl Keys for EcdsaP256 {
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
