//! HTTP/1.1, as much as a transfer needs and strictly: a core without any I/O, and its driver.
//!
//! The core: [`RequestHead`] writes what [`Ask`] asks; [`Head`] reads the answer; [`judge`] says what it means;
//! [`Body`] finds the payload. The driver, [`HttpSource`], moves bytes between these and a socket, and follows redirects.
//!
//! Each request has a connection of its own (`Connection: close`), so the fate of one body cannot touch the next, and
//! `Connection` and `Keep-Alive` fields need not be read.

mod body;
mod chunked;
mod error;
mod field;
mod head;
mod judge;
mod request;
mod source;
#[cfg(test)]
mod tests;

pub use body::Body;
pub use chunked::Chunked;
pub use error::{HttpError, PeerError};
pub(crate) use field::decimal;
pub use field::{ContentRange, RetryAfter};
pub use head::{Answer, Head, Progress};
pub use judge::{Verdict, judge};
pub use request::{Ask, RequestHead};
pub use source::HttpSource;

/// Smallest scratch buffer: one piece of a request or of a response. Without redirects nothing more is used.
pub const SCRATCH_MIN: usize = 256;

/// Scratch buffer for redirects by URLs of 1 KiB to URLs of 1 KiB.
///
/// Beside [`SCRATCH_MIN`] bytes it holds the present URL, if a redirect led there, and the one that the next redirect
/// names. The URL of the request itself takes no room, whatever its length.
pub const SCRATCH: usize = SCRATCH_MIN + 2048;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig<'a> {
    /// The `User-Agent` field: printable ASCII.
    pub user_agent: &'a str,
    /// Redirects followed in one open.
    pub redirects_max: u8,
    /// Bytes that the heads of one response may have, interim ones included.
    pub head_max: u16,
    /// Longest wait that a server may ask for with `Retry-After`.
    pub retry_after_max_ms: u32,
    /// The wait when `Retry-After` is a date, which a device without a calendar cannot use.
    pub retry_after_date_ms: u32,
}

impl HttpConfig<'_> {
    /// Five redirects, heads of 8 KiB, waits of up to one hour, one minute for a date.
    pub const DEFAULT: HttpConfig<'static> = HttpConfig {
        user_agent: concat!("ota-download/", env!("CARGO_PKG_VERSION")),
        redirects_max: 5,
        head_max: 8192,
        retry_after_max_ms: 3_600_000,
        retry_after_date_ms: 60_000,
    };
}

impl Default for HttpConfig<'_> {
    fn default() -> Self {
        HttpConfig::DEFAULT
    }
}
