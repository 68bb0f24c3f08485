#![no_std]
#![doc = include_str!("../README.md")]

pub mod boot;
pub mod control;
pub mod loader;
mod raw;
pub mod record;
pub mod state;

pub use boot::{Boot, BootError, Outcome};
pub use control::{BootControl, BootState, RollbackReason};
pub use loader::{Config, Decision};
pub use record::Record;
pub use state::BootRefusal;
