#![no_std]
#![doc = include_str!("../README.md")]

#[cfg(test)]
extern crate std;

#[cfg(feature = "coap")]
pub mod coap;
pub mod json;
pub mod linkkit;
pub mod message;
#[cfg(feature = "minimq")]
pub mod mqtt;

pub use message::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report, Transport};
