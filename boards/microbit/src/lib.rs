#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

pub mod addresses;
#[cfg(feature = "app")]
pub mod entropy;
pub mod flash;
#[cfg(feature = "app")]
pub mod frame;
mod handlers;
#[cfg(feature = "app")]
pub mod idle;
#[cfg(feature = "app")]
pub mod link;
pub mod map;
#[cfg(feature = "app")]
pub mod messages;
mod mmio;
pub mod reset;
mod retained;
mod scb;
#[cfg(feature = "app")]
pub mod serial;
pub mod start;
#[cfg(feature = "app")]
pub mod time;
pub mod trust;
pub mod uart;
pub mod watchdog;
