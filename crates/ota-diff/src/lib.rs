#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(feature = "std")]
extern crate std;

mod chance;
mod coder;
mod copy;
mod decoder;
#[cfg(feature = "std")]
pub mod encode;
mod error;
mod header;
mod images;
mod isa;
mod map;
mod model;
mod output;
#[cfg(feature = "std")]
mod patch;
mod profile;

pub use decoder::Decoder;
#[cfg(feature = "bsdiff")]
pub use encode::from_bsdiff40;
#[cfg(feature = "std")]
pub use encode::{ArchChoice, EncodeError, Options, Progress, compress, encode};
pub use error::{DecodeError, PatchError};
pub use header::{DIGEST_LEN, HEADER_LEN, Header};
pub use images::Images;
pub use isa::{Arch, Every, Isas, RiscV, Thumb, Xtensa};
#[cfg(feature = "std")]
pub use patch::{ApplyError, patch};
pub use profile::{M, Profile, ProfileId, S};
