#![no_std]
#![doc = include_str!("../README.md")]

pub mod backoff;
pub mod connect;
pub mod http;
pub mod nal;
pub mod source;
pub mod url;

pub use backoff::{Backoff, jitter_ms};
pub use connect::{Connect, ConnectError};
pub use http::{HttpConfig, HttpError, HttpSource};
pub use nal::Nal;
pub use source::{Failure, Opened, Request, Source, SourceError, Validator};
