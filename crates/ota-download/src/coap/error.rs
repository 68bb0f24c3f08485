//! What can go wrong, sorted by what it means for the job.

use crate::connect::ConnectError;
use crate::url::UrlError;
use crate::{Failure, SourceError};
use ota_coap::{BlockError, DriveError, Outcome};

/// Told of a `coaps` URL where there is no DTLS.
pub(super) const NO_DTLS: &str = "coaps needs DTLS";
/// Told of a URL of another scheme.
const SCHEME: &str = "URL: not coap or coaps";

/// Why [`super::CoapSource`] failed. `E` is the error of the network. The source is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoapError<E> {
    /// The URL cannot be used. Permanent.
    Url(UrlError),
    /// The URL asks for DTLS and the connector has none. Permanent. Never answered with plain CoAP instead.
    NoDtls,
    /// The host name did not resolve, or not in time. Worth another try.
    Name,
    /// The network failed. Worth another try.
    Link(E),
    /// A request was not answered, or not in a way that can be used. Worth another try.
    Exchange(ota_coap::Failure),
    /// The server broke a rule or said no; see [`BlockError::outcome`]. The wait it asked for is capped already.
    Peer(BlockError),
    /// The server sent more than one block that was asked for. Permanent.
    Oversize,
    /// A part that ends before it begins was asked for. Start from 0.
    EmptyRange,
    /// The scratch buffer has no room for the request and one block. A larger one, or a shorter URL, makes it work.
    Room,
    /// The caller broke the order: read without open, or a read into no bytes. Never caused by received data.
    Misuse,
}

impl<E> From<UrlError> for CoapError<E> {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}
impl<E> From<BlockError> for CoapError<E> {
    fn from(error: BlockError) -> Self {
        Self::Peer(error)
    }
}
impl<E> From<ConnectError<E>> for CoapError<E> {
    fn from(error: ConnectError<E>) -> Self {
        match error {
            ConnectError::NoTls => Self::NoDtls,
            ConnectError::Name => Self::Name,
            ConnectError::Link(error) => Self::Link(error),
        }
    }
}
impl<E> From<DriveError<E>> for CoapError<E> {
    fn from(error: DriveError<E>) -> Self {
        match error {
            DriveError::Link(error) => Self::Link(error),
            DriveError::Exchange(failure) => Self::Exchange(failure),
            _ => Self::Oversize,
        }
    }
}

/// What the URL's fault is called here.
pub(super) const fn url_text(error: UrlError) -> &'static str {
    match error {
        UrlError::Scheme => SCHEME,
        error => error.text(),
    }
}

impl<E: core::fmt::Debug> SourceError for CoapError<E> {
    fn failure(&self) -> Failure {
        match self {
            Self::Peer(error) => match error.outcome() {
                Outcome::Retry { after_ms } => Failure::Retry { after_ms },
                Outcome::Restart => Failure::Restart,
                Outcome::Permanent => Failure::Permanent,
            },
            Self::Name | Self::Link(_) | Self::Exchange(_) => Failure::Retry { after_ms: 0 },
            Self::EmptyRange => Failure::Restart,
            Self::Url(_) | Self::NoDtls | Self::Oversize | Self::Room | Self::Misuse => Failure::Permanent,
        }
    }
    fn text(&self) -> &'static str {
        match self {
            Self::Url(error) => url_text(*error),
            Self::NoDtls => NO_DTLS,
            Self::Name => "host not found",
            Self::Link(_) => "network error",
            Self::Exchange(failure) => failure.text(),
            Self::Peer(error) => error.text(),
            Self::Oversize => "CoAP: message too long",
            Self::EmptyRange => "empty range",
            Self::Room => "scratch buffer too small",
            Self::Misuse => "source misused",
        }
    }
}

impl<E: core::fmt::Debug> core::fmt::Display for CoapError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl<E: core::fmt::Debug> core::error::Error for CoapError<E> {}
