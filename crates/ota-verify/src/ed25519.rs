//! Ed25519 over the 32-byte digest as message, by the `ed25519-dalek` crate.
//!
//! Strict verification: s must be below the group order, and neither the key nor R may be of small order, so that
//! there is one signature per key and message that everybody agrees on.

use crate::blob::{BlobError, Parts};
use crate::key::{Verifier, judge};
use crate::{Algorithm, KeyId, Keys, SignatureError};
use ed25519_dalek::{Signature, VerifyingKey};

/// Verifies Ed25519 signatures.
#[derive(Debug, Clone, Copy)]
pub struct Ed25519 {
    id: KeyId,
    key: VerifyingKey,
}

impl Ed25519 {
    /// Takes the key out of a [key blob](crate::blob).
    ///
    /// # Errors
    /// [`BlobError`]; also when the key is no point or one of small order.
    pub fn from_blob(bytes: &[u8]) -> Result<Self, BlobError> {
        Self::new(&Parts::cut_as(bytes, Algorithm::Ed25519)?)
    }
    pub(crate) fn new(blob: &Parts<'_>) -> Result<Self, BlobError> {
        let point: &[u8; 32] = blob.material.try_into().map_err(|_| BlobError::Length)?;
        let key = VerifyingKey::from_bytes(point).map_err(|_| BlobError::Key)?;
        if key.is_weak() {
            return Err(BlobError::Key);
        }
        Ok(Self { id: KeyId(*blob.key_id), key })
    }
}

impl Verifier for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }
    fn key_id(&self) -> KeyId {
        self.id
    }
    fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError::Malformed)?;
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(digest, &signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl Keys for Ed25519 {
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
