#![no_std]
#![doc = include_str!("../README.md")]

pub mod boot;
pub mod control;
pub mod loader;
pub mod placement;
mod raw;
pub mod record;
pub mod state;

pub use boot::{Boot, BootError, Outcome};
pub use control::{BootControl, BootState, RollbackReason};
pub use loader::{Config, Decision};
pub use placement::{Copied, InPlace, Placement};
pub use record::Record;
pub use state::BootRefusal;
