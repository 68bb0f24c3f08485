//! Offers and reports over CoAP, on any datagram socket.
//!
//! One driver for two dialects, chosen by type: [`Plain`], ours, where a device observes one resource, and [`LinkkitCoap`],
//! where it asks. The paths are on their pages; `docs/formats.md` has both from the server's side.
//!
//! # What comes when
//! - A report is a confirmable POST, with Block1 only if it does not fit one message. [`send`](crate::Transport::send)
//!   returns when the server has answered it with a success.
//! - Nothing is asked before one report was taken, or refused for good: a server that still takes an old job for running would offer what
//!   the device is about to report as failed.
//! - A notification, whole or its first block, says that the offers have changed. The rest is fetched block by block. One
//!   that the scratch buffer does not hold leads to a GET in blocks that it holds.
//! - The registration is renewed when Max-Age has passed and nothing came (RFC 7641 §3.3.1), under the same token; a
//!   server that lost it, or never observes, is so asked again and again. A Max-Age
//!   of more than [`poll_every_ms`](CoapConfig::poll_every_ms) counts as that.
//! - The same representation (by its entity tag, or a CRC of its bytes) is told once, until [`Report::Query`](crate::Report::Query) asks for it.
//! - A server that refuses names a wait in Max-Age, or is asked again after 2 s, doubling to 5 min, with jitter.
//!
//! # Buffers
//! - `scratch` holds the open request, and behind it the datagram that comes in: [`SCRATCH`] for blocks of 1,024 bytes,
//!   [`SCRATCH_MIN`] at least. Smaller ones lead to smaller blocks.
//! - `body` holds one offer whole: 4 KiB for URLs of 2 KiB and a cloud signature, 768 bytes for URLs of 256 bytes
//!   without one. A larger offer is [`OfferError::TooLarge`](crate::OfferError::TooLarge).
//!
//! # Deliberately absent
//! DTLS (give it a secure socket), sub-devices, Uri-Host (a server is known by its address).
//!
//! # Source
//! RFC 7252 (POST, Max-Age), RFC 7641 (observation), RFC 7959 (blocks, §2.6 for notifications).

mod dialect;
mod driver;
mod error;
mod linkkit;
mod offers;
mod plain;

pub use dialect::{Dialect, PATH_MAX};
pub use driver::Coap;
pub use error::CoapError;
pub use linkkit::LinkkitCoap;
pub use plain::Plain;

use ota_coap::ExchangeConfig;

/// Scratch buffer for blocks of 1,024 bytes.
pub const SCRATCH: usize = 1_280;
/// Smallest scratch buffer that is of use: reports and offers travel in blocks of 64 bytes or more.
pub const SCRATCH_MIN: usize = 512;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoapConfig {
    /// Timing of each request.
    pub exchange: ExchangeConfig,
    /// Between two questions, in a dialect whose server cannot tell by itself; in the other one, the longest Max-Age that
    /// is believed. 5 to 15 s of chance are added.
    pub poll_every_ms: u32,
    /// Longest wait that a server may ask for with Max-Age.
    pub retry_after_max_ms: u32,
}

impl CoapConfig {
    /// The timing of RFC 7252, a question every hour, waits of up to one hour.
    pub const DEFAULT: Self = Self {
        exchange: ExchangeConfig { ack_timeout_ms: 2_000, retransmit_max: 4, response_ms: 93_000 },
        poll_every_ms: 3_600_000,
        retry_after_max_ms: 3_600_000,
    };
}

impl Default for CoapConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
