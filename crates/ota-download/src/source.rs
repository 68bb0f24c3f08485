//! The seam between the agent and a link that can deliver bytes from an offset.

use heapless::Vec;

/// What tells two versions of one object apart: an HTTP entity tag (with its quotes) or a date. Opaque to the agent.
///
/// A validator longer than its 64 bytes is not kept; such an object is only resumed within one session.
pub type Validator = Vec<u8, 64>;

/// What to open.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where: for HTTP a URL. The text is the offer's, unchecked.
    pub locator: &'a str,
    /// First byte wanted.
    pub offset: u32,
    /// One past the last byte wanted; `None` for the rest of the object.
    pub end: Option<u32>,
    /// What the object was when its first bytes were taken; empty at the first open.
    pub validator: &'a [u8],
}

/// What was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Offset of the first byte that [`Source::read`] will return: the one asked for, or 0 when the object changed
    /// or the other side cannot start in the middle. Nothing else.
    pub offset: u32,
    /// Size of the whole object, if the other side said.
    pub total: Option<u32>,
    /// The object's present validator; empty if there is none.
    pub validator: Validator,
}

/// What a failure means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Try again; not before `after_ms` when the other side asked for that.
    Retry {
        /// Milliseconds to wait at least.
        after_ms: u32,
    },
    /// The offset lies past the object's end, or the object is not what it was: start from 0.
    Restart,
    /// The request itself is wrong (bad URL, 404, 403): trying again cannot help.
    Permanent,
}

/// An error of a [`Source`].
pub trait SourceError: core::fmt::Debug {
    /// What it means for the job.
    fn failure(&self) -> Failure;
    /// A short text for the report, for example `"HTTP 404"`.
    fn text(&self) -> &'static str;
}

/// Where the bytes of an update come from. Deadlines are the caller's: it drops a future that takes too long.
pub trait Source {
    /// Why it failed.
    type Error: SourceError;

    /// Why no object of this locator can ever be opened, as a short text for the report; `None` when it may be.
    /// Told from the text alone, so that an offer is refused at once, whatever the source is doing.
    fn refuses(locator: &str) -> Option<&'static str> {
        let _ = locator;
        None
    }

    /// Opens the object; an earlier one is closed first.
    ///
    /// # Cancellation
    /// A dropped future leaves the source closed.
    ///
    /// # Errors
    /// See [`SourceError::failure`].
    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Self::Error>;

    /// Reads the next bytes of the body, at least one; 0 when the body is complete.
    /// A body that ends early is an error, never 0.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped future took no bytes.
    ///
    /// # Errors
    /// See [`SourceError::failure`].
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error>;

    /// Lets go of the connection.
    async fn close(&mut self);
}

/// FNV-1a: enough to see that the caller opened another object.
pub(crate) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
