//! Public keys: PEM for people and other tools, blob for devices.

use super::{PrivateKey, Scheme};
use anyhow::{Context, Result, bail, ensure};
use ota_verify::blob::{self, crc32};
use ota_verify::{Algorithm, KeyId};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPublicKey};
use sha2::{Digest, Sha256};

/// A key that can verify.
#[derive(Debug, Clone)]
pub enum Public {
    /// RSA of 2048, 3072 or 4096 bits, e = 65537.
    Rsa(RsaPublicKey),
    /// P-256.
    P256(p256::PublicKey),
    /// Ed25519.
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Public {
    /// Checks that a device can use the key.
    pub(super) fn rsa(key: RsaPublicKey) -> Result<Self> {
        let bits = key.n().bits();
        ensure!(matches!(bits, 2048 | 3072 | 4096), "the RSA key has {bits} bits; devices verify 2048, 3072 or 4096");
        ensure!(
            *key.e() == BigUint::from(65537_u32),
            "the RSA key's exponent is {}; devices verify 65537 only",
            key.e()
        );
        Ok(Self::Rsa(key))
    }

    /// Takes the public key out of a public or private PEM.
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_pem(pem: &str) -> Result<Self> {
        if !pem.contains("BEGIN PUBLIC KEY") {
            return PrivateKey::from_pem(pem)?.public();
        }
        if let Ok(key) = <RsaPublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_pem(pem) {
            return Self::rsa(key);
        }
        if let Ok(key) = p256::PublicKey::from_public_key_pem(pem) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(pem) {
            return Ok(Self::Ed25519(key));
        }
        bail!("not a public key of a supported kind (RSA, P-256, Ed25519)")
    }

    /// The key as `BEGIN PUBLIC KEY`.
    ///
    /// # Errors
    /// When encoding fails (never seen).
    pub fn to_pem(&self) -> Result<String> {
        Ok(match self {
            Self::Rsa(key) => rsa::pkcs8::EncodePublicKey::to_public_key_pem(key, rsa::pkcs8::LineEnding::LF)?,
            Self::P256(key) => key.to_public_key_pem(LineEnding::LF)?,
            Self::Ed25519(key) => key.to_public_key_pem(LineEnding::LF)?,
        })
    }

    /// The key's name: SHA-256 of its DER, encoded as MCUboot's KEYHASH wants it.
    ///
    /// # Errors
    /// When encoding fails (never seen).
    pub fn id(&self) -> Result<KeyId> {
        let der = match self {
            Self::Rsa(key) => key.to_pkcs1_der()?.as_bytes().to_vec(),
            Self::P256(key) => key.to_public_key_der()?.as_bytes().to_vec(),
            Self::Ed25519(key) => key.to_public_key_der()?.as_bytes().to_vec(),
        };
        Ok(KeyId(Sha256::digest(der).into()))
    }

    /// The algorithm this key verifies with `scheme`.
    pub fn algorithm(&self, scheme: Scheme) -> Algorithm {
        match self {
            Self::Rsa(key) => match (key.n().bits(), scheme) {
                (2048, Scheme::Pss) => Algorithm::Rsa2048Pss,
                (2048, Scheme::Pkcs1) => Algorithm::Rsa2048Pkcs1,
                (3072, Scheme::Pss) => Algorithm::Rsa3072Pss,
                (3072, Scheme::Pkcs1) => Algorithm::Rsa3072Pkcs1,
                // `rsa` lets no other size through.
                (_, Scheme::Pss) => Algorithm::Rsa4096Pss,
                (_, Scheme::Pkcs1) => Algorithm::Rsa4096Pkcs1,
            },
            Self::P256(_) => Algorithm::EcdsaP256,
            Self::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether the key has a choice of schemes.
    pub const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }

    /// The key as a device holds it; the byte map is in [`ota_verify::blob`].
    ///
    /// # Errors
    /// When encoding fails (never seen).
    pub fn blob(&self, scheme: Scheme) -> Result<Vec<u8>> {
        let material = match self {
            Self::Rsa(key) => rsa_material(key.n())?,
            Self::P256(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.to_bytes().to_vec(),
        };
        let mut out = blob::MAGIC.to_vec();
        out.extend([blob::VERSION, self.algorithm(scheme) as u8]);
        out.extend(u16::try_from(material.len()).context("key material too long")?.to_le_bytes());
        out.extend(self.id()?.0);
        out.extend(material);
        out.extend(crc32(&out).to_le_bytes());
        Ok(out)
    }
}

/// n, R² mod n, -n⁻¹ mod 2³²: the divisions a device is spared.
fn rsa_material(n: &BigUint) -> Result<Vec<u8>> {
    let len = n.bits() / 8;
    let rr = (BigUint::from(1_u8) << (2 * n.bits())) % n;
    let mut out = padded(n, len);
    let low = u32::from_le_bytes(*out.first_chunk().context("empty modulus")?);
    ensure!(low % 2 == 1, "the RSA modulus is even");
    out.extend(padded(&rr, len));
    // Newton: each step doubles the number of right bits; an odd number is its own inverse modulo 8.
    let inverse = (0..4).fold(low, |x, _| x.wrapping_mul(2_u32.wrapping_sub(low.wrapping_mul(x))));
    out.extend(inverse.wrapping_neg().to_le_bytes());
    Ok(out)
}

fn padded(number: &BigUint, len: usize) -> Vec<u8> {
    let mut bytes = number.to_bytes_le();
    bytes.resize(len, 0);
    bytes
}
