//! Private keys: made, stored as PKCS#8 PEM, used to sign.

use super::{KeyType, Public, Scheme};
use crate::files;
use anyhow::{Context, Result, bail};
use ed25519_dalek::Signer;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rand::RngCore;
use rand::rngs::OsRng;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use std::path::Path;

/// A key that can sign.
#[derive(Debug, Clone)]
pub enum PrivateKey {
    /// RSA of 2048, 3072 or 4096 bits, e = 65537.
    Rsa(Box<RsaPrivateKey>),
    /// P-256.
    P256(p256::ecdsa::SigningKey),
    /// Ed25519.
    Ed25519(ed25519_dalek::SigningKey),
}

impl PrivateKey {
    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    /// When the arithmetic refuses (never seen).
    pub fn generate(kind: KeyType) -> Result<Self> {
        Ok(match kind {
            KeyType::Rsa2048 => Self::rsa(2048)?,
            KeyType::Rsa3072 => Self::rsa(3072)?,
            KeyType::Rsa4096 => Self::rsa(4096)?,
            KeyType::P256 => loop {
                let mut secret = [0; 32];
                OsRng.fill_bytes(&mut secret);
                // Zero and numbers past the group order are not keys; the chance is 2^-32.
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&secret) {
                    break Self::P256(key);
                }
            },
            KeyType::Ed25519 => {
                let mut secret = [0; 32];
                OsRng.fill_bytes(&mut secret);
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&secret))
            }
        })
    }

    fn rsa(bits: usize) -> Result<Self> {
        Ok(Self::Rsa(Box::new(RsaPrivateKey::new(&mut OsRng, bits).context("making an RSA key")?)))
    }

    /// Reads a PEM file: PKCS#8 of any kind, or PKCS#1 (`BEGIN RSA PRIVATE KEY`).
    ///
    /// # Errors
    /// When the file is not such a key; the text says what to do.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read_small(path)?;
        let pem = String::from_utf8(bytes).ok().with_context(|| {
            format!("{} is not a PEM file; give the private key that `ota keygen` wrote", path.display())
        })?;
        Self::from_pem(&pem).with_context(|| format!("reading the private key {}", path.display()))
    }

    /// Parses what [`PrivateKey::load`] reads.
    ///
    /// # Errors
    /// As [`PrivateKey::load`].
    pub fn from_pem(pem: &str) -> Result<Self> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            bail!("the key is protected by a passphrase; decrypt it first: openssl pkey -in KEY -out PLAIN");
        }
        if pem.contains("BEGIN PUBLIC KEY") {
            bail!("this is a public key; signing needs the private one");
        }
        if pem.contains("BEGIN EC PRIVATE KEY") {
            bail!("this is a SEC1 key; convert it to PKCS#8 first: openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW");
        }
        if pem.contains("BEGIN RSA PRIVATE KEY") {
            return RsaPrivateKey::from_pkcs1_pem(pem).map(Box::new).map(Self::Rsa).context("not a valid RSA key");
        }
        // The three parsers look at the algorithm identifier first, so at most one accepts.
        if let Ok(key) = <RsaPrivateKey as rsa::pkcs8::DecodePrivateKey>::from_pkcs8_pem(pem) {
            return Ok(Self::Rsa(Box::new(key)));
        }
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::Ed25519(key));
        }
        bail!("not a private key of a supported kind (RSA, P-256, Ed25519 in PKCS#8 PEM); make one with `ota keygen`")
    }

    /// The key as PKCS#8 PEM, unencrypted.
    ///
    /// # Errors
    /// When encoding fails (never seen).
    pub fn to_pem(&self) -> Result<String> {
        Ok(match self {
            Self::Rsa(key) => {
                rsa::pkcs8::EncodePrivateKey::to_pkcs8_pem(&**key, rsa::pkcs8::LineEnding::LF)?.to_string()
            }
            Self::P256(key) => key.to_pkcs8_pem(LineEnding::LF)?.to_string(),
            // Version 1, without the public key: OpenSSL and imgtool do not read version 2.
            Self::Ed25519(key) => ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None }
                .to_pkcs8_pem(LineEnding::LF)?
                .to_string(),
        })
    }

    /// The public half.
    ///
    /// # Errors
    /// When an RSA key has a size or exponent the device cannot use.
    pub fn public(&self) -> Result<Public> {
        match self {
            Self::Rsa(key) => Public::rsa(key.to_public_key()),
            Self::P256(key) => Ok(Public::P256(p256::PublicKey::from(key.verifying_key()))),
            Self::Ed25519(key) => Ok(Public::Ed25519(key.verifying_key())),
        }
    }

    /// Signs a SHA-256 digest.
    ///
    /// # Errors
    /// When the arithmetic refuses (never seen with a key that loaded).
    pub fn sign(&self, scheme: Scheme, digest: &[u8; 32]) -> Result<Vec<u8>> {
        Ok(match (self, scheme) {
            (Self::Rsa(key), Scheme::Pss) => {
                key.sign_with_rng(&mut OsRng, Pss::new_with_salt::<rsa::sha2::Sha256>(32), digest)?
            }
            (Self::Rsa(key), Scheme::Pkcs1) => {
                key.sign_with_rng(&mut OsRng, Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), digest)?
            }
            (Self::P256(key), _) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest)?;
                signature.to_der().as_bytes().to_vec()
            }
            (Self::Ed25519(key), _) => key.sign(digest).to_bytes().to_vec(),
        })
    }
}
