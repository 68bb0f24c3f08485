#![no_std]
#![doc = include_str!("../README.md")]

pub mod source;

pub use source::{Failure, Opened, Request, Source, SourceError, Validator};
