#![no_std]
#![doc = include_str!("../README.md")]

pub mod key;
pub mod proof;

pub use key::{Algorithm, KeyId, Keys, SignatureError};
pub use proof::{Identity, Rules, Uuid, Verified, Version};
