//! A set of public keys, judged by the device's own verifiers.

use super::{Public, Scheme};
use crate::files;
use anyhow::{Context, Result, anyhow};
use ota_verify::{PublicKey, blob};
use std::path::Path;

/// Key blobs. [`KeyRing::keys`] lends them in the form `ota-verify` takes.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    blobs: Vec<Vec<u8>>,
}

impl KeyRing {
    /// An empty set, which accepts nothing.
    pub const fn new() -> Self {
        Self { blobs: Vec::new() }
    }

    /// Adds a key with one scheme.
    ///
    /// # Errors
    /// When the device's reader refuses the blob.
    pub fn add(&mut self, key: &Public, scheme: Scheme) -> Result<()> {
        self.add_blob(key.blob(scheme)?)
    }

    /// Adds a blob.
    ///
    /// # Errors
    /// When the device's reader refuses it.
    pub fn add_blob(&mut self, blob: Vec<u8>) -> Result<()> {
        PublicKey::from_blob(&blob).map_err(|e| anyhow!("{e}"))?;
        self.blobs.push(blob);
        Ok(())
    }

    /// Adds the key in a file: a blob, or a PEM (public or private). An RSA key from a PEM counts for both schemes.
    ///
    /// # Errors
    /// When the file is no key.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let bytes = files::read_small(path)?;
        self.add_bytes(bytes)
            .with_context(|| format!("{} is not a usable key (a .pub blob of `ota keygen`, or a PEM)", path.display()))
    }

    fn add_bytes(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.starts_with(&blob::MAGIC) {
            return self.add_blob(bytes);
        }
        let key = Public::from_pem(std::str::from_utf8(&bytes).context("neither a key blob nor text")?)?;
        self.add(&key, Scheme::Pss)?;
        if key.is_rsa() {
            self.add(&key, Scheme::Pkcs1)?;
        }
        Ok(())
    }

    /// Adds every file.
    ///
    /// # Errors
    /// The first that is no key.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let mut ring = Self::new();
        paths.iter().try_for_each(|path| ring.add_file(path.as_ref()))?;
        Ok(ring)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// The keys, ready to judge.
    pub fn keys(&self) -> Vec<PublicKey<'_>> {
        // `add_blob` has parsed each.
        self.blobs.iter().filter_map(|blob| PublicKey::from_blob(blob).ok()).collect()
    }
}
