//! The committed vectors, and key blobs made from their public keys.

use crate::build;
use ota_verify::{Algorithm, Identity, KeyId, Rules, Uuid, digest_region};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey, pkcs8::DecodePrivateKey};
use std::sync::LazyLock;

pub(crate) const IDENTITY: Identity = Identity {
    vendor: Uuid::parse("3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d").unwrap(),
    class: Uuid::parse("c0ffee00-1234-4678-9abc-def012345678").unwrap(),
};

pub(crate) fn rules<K>(keys: &K) -> Rules<'_, K> {
    Rules { keys, identity: IDENTITY, floor: 7 }
}

/// A file of the vector folder.
macro_rules! vector {
    ($($path:tt)+) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/", $($path)+)).as_slice()
    };
}
pub(crate) use vector;

pub(crate) fn message_digest() -> [u8; 32] {
    vector!("message.sha256").try_into().unwrap()
}

/// RSA sizes under test.
pub(crate) const SIZES: [usize; 3] = [2048, 3072, 4096];

/// The committed private key of that size.
pub(crate) fn rsa_key(bits: usize) -> &'static RsaPrivateKey {
    macro_rules! key {
        ($path:literal) => {{
            static KEY: LazyLock<RsaPrivateKey> =
                LazyLock::new(|| RsaPrivateKey::from_pkcs8_pem(std::str::from_utf8(vector!($path)).unwrap()).unwrap());
            &KEY
        }};
    }
    match bits {
        2048 => key!("keys/rsa2048.TEST-ONLY.pem"),
        3072 => key!("keys/rsa3072.TEST-ONLY.pem"),
        4096 => key!("keys/rsa4096.TEST-ONLY.pem"),
        _ => panic!("no key of {bits} bits"),
    }
}

pub(crate) fn pss(bits: usize) -> Algorithm {
    [Algorithm::Rsa2048Pss, Algorithm::Rsa3072Pss, Algorithm::Rsa4096Pss][bits / 1024 - 2]
}
pub(crate) fn pkcs1(bits: usize) -> Algorithm {
    [Algorithm::Rsa2048Pkcs1, Algorithm::Rsa3072Pkcs1, Algorithm::Rsa4096Pkcs1][bits / 1024 - 2]
}

fn little_endian(x: &BigUint, len: usize) -> Vec<u8> {
    let mut bytes = x.to_bytes_le();
    bytes.resize(len, 0);
    bytes
}

/// The key material of an RSA blob.
pub(crate) fn rsa_material(n: &BigUint) -> Vec<u8> {
    let len = n.bits() / 8;
    let rr = BigUint::from(1u8) << (16 * len);
    let mut inverse = 1u32;
    let low = u32::from_le_bytes(n.to_bytes_le()[..4].try_into().unwrap());
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(low.wrapping_mul(inverse)));
    }
    let mut material = little_endian(n, len);
    material.extend(little_endian(&(rr % n), len));
    material.extend(inverse.wrapping_neg().to_le_bytes());
    material
}

pub(crate) fn key_id(der: &[u8]) -> KeyId {
    KeyId(digest_region(&mut &*der, der.len() as u32).unwrap())
}

/// MCUboot names RSA keys by their PKCS#1 form: the SubjectPublicKeyInfo without its first 24 bytes.
pub(crate) fn rsa_key_id(bits: usize) -> KeyId {
    let spki = match bits {
        2048 => vector!("keys/rsa2048.spki.der"),
        3072 => vector!("keys/rsa3072.spki.der"),
        _ => vector!("keys/rsa4096.spki.der"),
    };
    key_id(&spki[24..])
}

pub(crate) fn rsa_blob(bits: usize, algorithm: Algorithm) -> Vec<u8> {
    build::blob(algorithm, rsa_key_id(bits), &rsa_material(rsa_key(bits).n()))
}

pub(crate) fn p256_blob() -> Vec<u8> {
    let spki = vector!("keys/p256.spki.der");
    build::blob(Algorithm::EcdsaP256, key_id(spki), &spki[spki.len() - 65..])
}

pub(crate) fn ed25519_blob() -> Vec<u8> {
    let spki = vector!("keys/ed25519.spki.der");
    build::blob(Algorithm::Ed25519, key_id(spki), &spki[spki.len() - 32..])
}
