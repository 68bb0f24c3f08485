#![no_std]
#![doc = include_str!("../README.md")]

pub mod backoff;
pub mod coap;
pub mod connect;
pub mod either;
pub mod http;
pub mod nal;
pub mod source;
pub mod udp;
pub mod url;

pub use backoff::{Backoff, jitter_ms};
pub use coap::{CoapConfig, CoapError, CoapSource, CoapWindow};
pub use connect::{Connect, ConnectError};
pub use either::{Either, EitherError};
pub use http::{HttpConfig, HttpError, HttpSource};
pub use nal::{Nal, NalUdp};
pub(crate) use source::fnv1a;
pub use source::{Failure, Opened, Request, Source, SourceError, Validator};
pub use udp::ConnectUdp;
