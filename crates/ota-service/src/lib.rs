#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

pub mod agent;
pub mod app;
pub mod blocking;
mod codec;
mod job;
pub mod machine;
mod outbox;
pub mod patch_target;
pub mod policy;
pub mod records;
pub mod run;
pub mod slot_target;
pub mod step;
pub mod target;

pub use agent::{Agent, NotOnTrial, Parts, Status};
pub use app::{App, Check, Decision, Gate, Health, Notice};
pub use blocking::{block_on, run_blocking, run_offline_blocking};
pub use job::{LOCATOR_MAX, MODULE_MAX, VERSION_MAX};
pub use machine::Machine;
pub use patch_target::PatchTarget;
pub use policy::{CloudKey, Policy, Timing};
pub use run::{Buffers, Exit, NoTransport, run, run_offline};
pub use slot_target::{SlotError, SlotTarget};
pub use step::{Drive, Fault, Step};
pub use target::{Expected, Finished, Plan, Target, TargetError};

/// Bytes of the envelope buffer that an [`Agent`] is lent: the largest envelope, and the largest job record.
pub const ENVELOPE_BUFFER: usize = 2048;
