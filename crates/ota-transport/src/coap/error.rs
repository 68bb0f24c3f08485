//! What can go wrong.

use crate::linkkit::EncodeError;
use ota_coap::{BlockError, Code, Failure, Outcome};

/// Why a report was not taken, or the link is of no use. `E` is the error of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoapError<E> {
    /// The network failed. Open another socket and make a new driver.
    #[error("network error")]
    Link(E),
    /// The server did not answer, or not in a way that can be used. After "no answer" another socket may help.
    #[error("{}", .0.text())]
    Exchange(Failure),
    /// The server answered, and did not take the report. The wait that it asked for is capped.
    #[error("{}", .0.text())]
    Peer(BlockError),
    /// The answer does not fit the scratch buffer.
    #[error("message too long")]
    Oversize,
    /// The report cannot be written in this dialect.
    #[error("report cannot be sent")]
    Report(#[from] EncodeError),
    /// The scratch buffer has no room for a request. A larger one makes it work.
    #[error("scratch buffer too small")]
    Room,
}

impl<E> From<BlockError> for CoapError<E> {
    fn from(error: BlockError) -> Self {
        Self::Peer(error)
    }
}

impl<E> CoapError<E> {
    /// The same report will fare the same whenever it is sent again. A server that does not know the device, the path or
    /// the method may yet be taught.
    pub(super) const fn is_permanent(&self) -> bool {
        const MALFORMED: [Code; 4] = [
            Code::BAD_REQUEST,
            Code::BAD_OPTION,
            Code::REQUEST_TOO_LARGE,
            // 4.15: unsupported content format.
            Code::new(4, 15),
        ];
        match self {
            Self::Report(_) | Self::Room | Self::Peer(BlockError::TooLarge) => true,
            Self::Peer(BlockError::Code { code, .. }) => {
                let [a, b, c, d] = MALFORMED;
                code.0 == a.0 || code.0 == b.0 || code.0 == c.0 || code.0 == d.0
            }
            _ => false,
        }
    }

    /// How long the server, which is there, wants to be left alone.
    pub(super) const fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Self::Peer(error) => match error.outcome() {
                Outcome::Retry { after_ms } => Some(after_ms),
                Outcome::Restart | Outcome::Permanent => Some(0),
            },
            _ => None,
        }
    }

    /// With a wait of no more than `most_ms`.
    pub(super) fn capped(self, most_ms: u32) -> Self {
        match self {
            Self::Peer(BlockError::Code { code, after_ms }) => {
                Self::Peer(BlockError::Code { code, after_ms: after_ms.map(|ms| ms.min(most_ms)) })
            }
            error => error,
        }
    }
}
