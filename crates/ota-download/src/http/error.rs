//! What can go wrong, sorted by what it means for the job.

use crate::url::UrlError;
use crate::{Failure, SourceError};

/// What the server did, or what it was asked that cannot work. The connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The response head breaks the syntax of HTTP/1. Another try may reach a better server.
    Head,
    /// The response head is longer than [`super::HttpConfig::head_max`]. As above.
    HeadTooLong,
    /// A status that carries no body for us.
    Status {
        /// The code.
        code: u16,
        /// Milliseconds to wait before another try; `None` when that cannot help.
        after_ms: Option<u32>,
    },
    /// The server answers ranges wrongly: another start, an impossible end, several parts, a part of what was asked
    /// whole. Only starting from 0 can help.
    Range,
    /// The object is not the one whose first bytes were taken. Start from 0.
    Changed,
    /// The offset lies at or past the end of the object (416). Start from 0.
    PastEnd,
    /// The server gave less of the range than was asked for and exists. What came is good; go on from there.
    ShortRange,
    /// The body ended before its announced length. What came is good; go on from there.
    Truncated,
    /// The chunks of the body are malformed. What was delivered is good; go on from there.
    Chunk,
    /// The body has a content coding that was not asked for. Permanent.
    Encoded,
    /// The object has 4 GiB or more. Permanent.
    TooLarge,
    /// More redirects than [`super::HttpConfig::redirects_max`], or a loop of them. Permanent.
    Redirects,
    /// The target of a redirect does not fit the scratch buffer. A larger one makes it work.
    LocationTooLong,
    /// A redirect from https to http. Never followed.
    Downgrade,
}

impl PeerError {
    /// What it means for the job.
    pub const fn failure(self) -> Failure {
        match self {
            Self::Status { after_ms: Some(after_ms), .. } => Failure::Retry { after_ms },
            Self::Head | Self::HeadTooLong | Self::ShortRange | Self::Truncated | Self::Chunk => {
                Failure::Retry { after_ms: 0 }
            }
            Self::Range | Self::Changed | Self::PastEnd => Failure::Restart,
            Self::Status { after_ms: None, .. }
            | Self::Encoded
            | Self::TooLarge
            | Self::Redirects
            | Self::LocationTooLong
            | Self::Downgrade => Failure::Permanent,
        }
    }

    /// A short text for the report.
    pub fn text(self) -> &'static str {
        match self {
            Self::Head => "HTTP: malformed head",
            Self::HeadTooLong => "HTTP: head too long",
            Self::Status { code, .. } => status_text(code),
            Self::Range => "HTTP: wrong Content-Range",
            Self::Changed => "HTTP: object changed",
            Self::PastEnd => "HTTP 416",
            Self::ShortRange => "HTTP: part of the range",
            Self::Truncated => "HTTP: body cut short",
            Self::Chunk => "HTTP: malformed chunk",
            Self::Encoded => "HTTP: Content-Encoding",
            Self::TooLarge => "HTTP: 4 GiB or more",
            Self::Redirects => "HTTP: too many redirects",
            Self::LocationTooLong => "HTTP: Location too long",
            Self::Downgrade => "HTTP: redirect from https to http",
        }
    }
}

/// Codes with a text of their own.
const CODES: [u16; 11] = [400, 401, 403, 404, 408, 410, 429, 500, 502, 503, 504];
/// Their texts, [`CODE_LEN`] bytes each: a `match` would take three times the room.
const CODE_TEXTS: &str =
    concat!("HTTP 400HTTP 401HTTP 403HTTP 404HTTP 408HTTP 410", "HTTP 429HTTP 500HTTP 502HTTP 503HTTP 504");
const CODE_LEN: usize = "HTTP 400".len();

fn status_text(code: u16) -> &'static str {
    let known = CODES.iter().position(|known| *known == code);
    if let Some(text) = known.and_then(|at| CODE_TEXTS.get(at * CODE_LEN..(at + 1) * CODE_LEN)) {
        return text;
    }
    match code {
        200..300 => "HTTP 2xx without the object",
        300..400 => "HTTP 3xx without a target",
        400..500 => "HTTP 4xx",
        _ => "HTTP 5xx",
    }
}

/// Told of an `https` URL where there is no TLS.
pub(super) const NO_TLS: &str = "https needs TLS";

/// Why [`super::HttpSource`] failed. `E` is the error of the network. The source is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError<E> {
    /// The URL, or the one a redirect named, cannot be used. Permanent.
    Url(UrlError),
    /// The URL asks for TLS and the connector has none. Permanent. Never answered with plain HTTP instead.
    NoTls,
    /// The host name did not resolve. Worth another try.
    Name,
    /// The network failed. Worth another try.
    Link(E),
    /// The peer closed the connection before its answer was complete. Worth another try.
    Closed,
    /// The server broke a rule or said no.
    Peer(PeerError),
    /// A part that ends before it begins was asked for. Start from 0.
    EmptyRange,
    /// The caller broke the order: read without open, a read into no bytes, or a scratch buffer below
    /// [`super::SCRATCH_MIN`]. Never caused by received data.
    Misuse,
}

impl<E> From<PeerError> for HttpError<E> {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}
impl<E> From<UrlError> for HttpError<E> {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl<E: core::fmt::Debug> SourceError for HttpError<E> {
    fn failure(&self) -> Failure {
        match self {
            Self::Peer(error) => error.failure(),
            Self::Name | Self::Link(_) | Self::Closed => Failure::Retry { after_ms: 0 },
            Self::EmptyRange => Failure::Restart,
            Self::Url(_) | Self::NoTls | Self::Misuse => Failure::Permanent,
        }
    }
    fn text(&self) -> &'static str {
        match self {
            Self::Url(error) => error.text(),
            Self::NoTls => NO_TLS,
            Self::Name => "host not found",
            Self::Link(_) => "network error",
            Self::Closed => "connection closed",
            Self::Peer(error) => error.text(),
            Self::EmptyRange => "empty range",
            Self::Misuse => "source misused",
        }
    }
}

impl core::fmt::Display for PeerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for PeerError {}

impl<E: core::fmt::Debug> core::fmt::Display for HttpError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl<E: core::fmt::Debug> core::error::Error for HttpError<E> {}
