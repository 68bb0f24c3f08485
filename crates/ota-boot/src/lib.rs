#![no_std]
#![doc = include_str!("../README.md")]

pub mod control;

pub use control::{BootControl, BootState, RollbackReason};
