//! The device of `ota-sweep`, as these tests use it.
// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub use ota_sweep::build::{self, Draft, IDENTITY, sha256, stranger, vendor};
pub use ota_sweep::peers::{self, Cloud, Download, Opening, OwnedOffer, Say, Server, Session};
pub use ota_sweep::usual::{DATA, LAYOUT, Part, SECTOR, SLOT_LEN, load, program};
pub use ota_sweep::{End, Product};

pub type World = ota_sweep::World;
