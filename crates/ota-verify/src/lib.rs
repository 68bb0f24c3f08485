#![no_std]
#![doc = include_str!("../README.md")]

pub mod blob;
pub mod digest;
#[cfg(feature = "ed25519")]
pub mod ed25519;
pub mod error;
pub mod image;
pub mod key;
pub mod manifest;
mod medium;
#[cfg(feature = "names")]
mod names;
#[cfg(feature = "p256")]
pub mod p256;
pub mod package;
pub mod proof;
pub mod public_key;
pub mod rsa;
mod sha256;

pub use blob::{Blob, BlobError};
pub use digest::{digest_region, digest_region_with};
#[cfg(feature = "md5")]
pub use digest::{md5_region, md5_region_with};
pub use error::{FormatError, PackageError, Refusal, VerifyError, Why};
pub use image::{Candidate, ImageInfo, verify_image, verify_image_with};
pub use key::{Algorithm, KeyId, Keys, SignatureError, Verifier};
pub use manifest::Manifest;
pub use package::{Envelope, Object};
pub use proof::{Identity, Pass, Rules, Uuid, Verified, Version};
pub use public_key::PublicKey;
pub use rsa::verify_cloud_signature;
