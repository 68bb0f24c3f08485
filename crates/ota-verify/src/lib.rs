#![no_std]
#![doc = include_str!("../README.md")]

pub mod digest;
pub mod error;
pub mod image;
pub mod key;
pub mod manifest;
pub mod package;
pub mod proof;

pub use digest::{digest_region, digest_region_with};
#[cfg(feature = "md5")]
pub use digest::{md5_region, md5_region_with};
pub use error::{FormatError, PackageError, Refusal, VerifyError};
pub use image::{ImageInfo, verify_image, verify_image_with};
pub use key::{Algorithm, KeyId, Keys, SignatureError};
pub use manifest::Manifest;
pub use package::{Envelope, Object};
pub use proof::{Identity, Rules, Uuid, Verified, Version};
