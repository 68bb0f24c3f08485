//! What differs between clouds.

use crate::Report;
use crate::linkkit::{EncodeError, TOPIC_MAX};

/// Room for any path.
pub const PATH_MAX: usize = TOPIC_MAX + 8;

/// Where reports go, what they say, and how offers come.
pub trait Dialect {
    /// Whether the offers are a resource that is observed. If not, the server answers some reports with them
    /// ([`Dialect::asks`]), and is asked from time to time.
    const OBSERVED: bool;

    /// Takes the next message id.
    fn next_id(&mut self) -> u32;

    /// Writes the path a report is posted to, segments between slashes; [`PATH_MAX`](super::PATH_MAX) bytes are enough for any.
    ///
    /// # Errors
    /// When the report cannot be sent in this dialect.
    fn path<'b>(&self, report: &Report<'_>, buf: &'b mut [u8]) -> Result<&'b str, EncodeError>;

    /// Writes the payload of a report.
    ///
    /// # Errors
    /// When it does not fit.
    fn payload<'b>(&self, report: &Report<'_>, id: u32, buf: &'b mut [u8]) -> Result<&'b str, EncodeError>;

    /// Writes the path of the offers, where they are observed.
    ///
    /// # Errors
    /// When it does not fit.
    fn offers<'b>(&self, buf: &'b mut [u8]) -> Result<&'b str, EncodeError>;

    /// Whether the response to this report holds an offer, where they are not observed.
    fn asks(report: &Report<'_>) -> bool;

    /// The server has this report.
    fn sent(&mut self, report: &Report<'_>) {
        let _ = report;
    }
}
