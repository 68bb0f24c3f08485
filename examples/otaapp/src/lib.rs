#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

pub mod console;
#[cfg(feature = "device")]
pub mod device;
pub mod identity;
pub mod ignored;
pub mod outcome;
pub mod product;
pub mod trace;
