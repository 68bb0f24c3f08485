#![no_std]
#![doc = include_str!("../README.md")]

pub mod message;

pub use message::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report, Transport};
