//! CoAP: an object fetched block by block (Block2), over any datagram socket.
//!
//! The protocol is `ota-coap`'s; here is what an update asks of it: URLs, resumption at any offset, entity tags as
//! validators, and what each failure means for the job. [`CoapSource`] asks for one block at a time (NSTART 1),
//! [`CoapWindow`] for several.
//!
//! # Source
//! RFC 7252 §6 (URIs), RFC 7959 §2.4 and §2.6 (Block2 with entity tags), §4 (Size2).

mod ahead;
mod error;
mod source;
mod uri;
mod validator;
mod window;

pub use error::CoapError;
pub use source::CoapSource;
pub use window::CoapWindow;

use ota_coap::ExchangeConfig;

/// Smallest scratch buffer that is of use: URLs of some 100 bytes in blocks of 64.
pub const SCRATCH_MIN: usize = 256;

/// Scratch buffer for blocks of 1,024 bytes and URLs of up to 180. It holds the request and one response; a longer URL
/// leaves room for smaller blocks only.
pub const SCRATCH: usize = 1_280;

/// Room that a response has beside its block: header, token, entity tag, block, sizes, format, age, and some spare.
const HEADROOM: usize = 64;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoapConfig {
    /// Timing of each request.
    pub exchange: ExchangeConfig,
    /// Largest block asked for, in bytes: 16 to 1,024, rounded down to a power of two. The scratch buffer may allow less,
    /// and the server may want less.
    pub block_max: u16,
    /// Longest wait that a server may ask for with Max-Age.
    pub retry_after_max_ms: u32,
}

impl CoapConfig {
    /// The timing of RFC 7252, blocks of 1,024 bytes, waits of up to one hour.
    pub const DEFAULT: Self = Self {
        exchange: ExchangeConfig { ack_timeout_ms: 2_000, retransmit_max: 4, response_ms: 93_000 },
        block_max: 1_024,
        retry_after_max_ms: 3_600_000,
    };
}

impl Default for CoapConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
