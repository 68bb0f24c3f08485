//! Whom this device believes and who it is: part of the loader and of each application, never of what is downloaded.
//!
//! All of it is given when the firmware is built (see `build.rs`): there is no default key.

use ota_verify::rsa::Rsa2048Pss;
use ota_verify::{Identity, Uuid};

/// The key blob of `OTA_KEY`.
pub static KEY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/key.pub"));

/// `OTA_VENDOR` and `OTA_CLASS`.
pub const IDENTITY: Identity = const {
    match (Uuid::parse(env!("OTA_VENDOR")), Uuid::parse(env!("OTA_CLASS"))) {
        (Some(vendor), Some(class)) => Identity { vendor, class },
        _ => panic!("OTA_VENDOR and OTA_CLASS are UUIDs"),
    }
};

/// The kind of signature that is believed: the README says what the others cost.
pub type Key = Rsa2048Pss<'static>;

/// The key that signs for this device; `None` when the blob was damaged.
pub fn key() -> Option<Key> {
    Key::from_blob(KEY).ok()
}
