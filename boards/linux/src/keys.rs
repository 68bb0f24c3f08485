//! The keys that are baked into this device: blobs of `ota keygen`.

use anyhow::{Context, Result, ensure};
use ota_verify::{Algorithm, KeyId, Keys, PublicKey, SignatureError};
use std::path::{Path, PathBuf};

/// A set of keys, read from blob files.
#[derive(Debug, Clone)]
pub struct KeyRing {
    blobs: Vec<Vec<u8>>,
}

impl KeyRing {
    /// Reads and checks the blobs.
    ///
    /// # Errors
    /// When there is none, or one cannot be read: a device without a key boots nothing.
    pub fn load(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let blobs = paths.into_iter().map(|path| read(&path)).collect::<Result<Vec<_>>>()?;
        ensure!(!blobs.is_empty(), "no key given; give the *.pub file of `ota keygen`");
        Ok(Self { blobs })
    }

    /// The keys, parsed.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey<'_>> {
        // `load` parsed each of them once.
        self.blobs.iter().filter_map(|blob| PublicKey::from_blob(blob).ok())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let blob = std::fs::read(path)
        .with_context(|| format!("cannot read the key {}; give the *.pub file of `ota keygen`", path.display()))?;
    ensure!(
        PublicKey::from_blob(&blob).is_ok(),
        "{} is no key blob; give the *.pub file of `ota keygen`",
        path.display()
    );
    Ok(blob)
}

impl Keys for KeyRing {
    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        for key in self.keys() {
            match key.verify(id, algorithm, digest, signature) {
                Err(SignatureError::UnknownKey) => {}
                decided => return decided,
            }
        }
        Err(SignatureError::UnknownKey)
    }
}
