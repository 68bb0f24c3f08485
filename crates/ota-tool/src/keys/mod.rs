//! Keys on the host: private ones that sign, public ones as PEM or as the device's blob.

mod private;
mod public;
mod ring;

pub use private::PrivateKey;
pub use public::Public;
pub use ring::KeyRing;

use clap::ValueEnum;
use ota_verify::Algorithm;

/// What `keygen` can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// RSA with a modulus of 2048 bits: the smallest verifier on the device.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// ECDSA on NIST P-256.
    P256,
    /// Ed25519.
    Ed25519,
}

/// How an RSA key signs. Other keys have one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Scheme {
    /// RSASSA-PSS, SHA-256, 32-byte salt: what MCUboot understands.
    #[default]
    Pss,
    /// RSASSA-PKCS1-v1_5, SHA-256: the smallest code on the device, not understood by MCUboot.
    Pkcs1,
}

/// The algorithm's name in output.
pub const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rsa2048Pss => "rsa2048-pss",
        Algorithm::Rsa3072Pss => "rsa3072-pss",
        Algorithm::Rsa4096Pss => "rsa4096-pss",
        Algorithm::Rsa2048Pkcs1 => "rsa2048-pkcs1",
        Algorithm::Rsa3072Pkcs1 => "rsa3072-pkcs1",
        Algorithm::Rsa4096Pkcs1 => "rsa4096-pkcs1",
        Algorithm::EcdsaP256 => "ecdsa-p256",
        Algorithm::Ed25519 => "ed25519",
    }
}
