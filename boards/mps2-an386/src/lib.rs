#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

pub mod addresses;
pub mod console;
#[cfg(feature = "app")]
pub mod entropy;
#[cfg(feature = "app")]
pub mod ethernet;
#[cfg(feature = "app")]
pub mod executor;
#[cfg(feature = "app")]
pub mod factory;
pub mod flash;
mod handlers;
pub mod map;
mod mmio;
pub mod reset;
mod retained;
#[cfg(feature = "delta")]
pub mod samples;
mod scb;
#[cfg(any(feature = "bench", feature = "delta"))]
pub mod stack;
pub mod start;
pub mod stopwatch;
#[cfg(feature = "app")]
pub mod time;
pub mod trust;
#[cfg(feature = "app")]
mod wake;
pub mod watchdog;
