//! Bodies: where they end, and what is too short or too long.
//!
//! # Source
//! RFC 9112 §6.3 (length of a body), §8 (incomplete bodies).

use super::{Chunked, PeerError};

/// The rest of one response body.
///
/// Raw bytes of the connection go in, payload comes out in the same buffer. It ends after the bytes that were announced
/// or asked for, whatever else the server sends; one that ends earlier is an error.
#[derive(Debug, Clone)]
pub struct Body {
    framing: Framing,
    /// Payload bytes until the wanted end.
    left: u32,
    /// Whether all of `left` was announced; otherwise the peer may end the body before.
    announced: bool,
    /// The server gave less than was asked and exists: the end of this body is not the end of the transfer.
    partial: bool,
}

#[derive(Debug, Clone)]
enum Framing {
    Plain,
    Chunked(Chunked),
    Ended,
}

impl Body {
    /// A body of which `want` bytes are taken at most (`u32::MAX`: no limit). `announced` when the peer said that there
    /// are so many; `partial` when more must be asked for afterwards.
    pub(super) fn new(chunked: bool, want: u32, announced: bool, partial: bool) -> Self {
        let framing = if chunked { Framing::Chunked(Chunked::new()) } else { Framing::Plain };
        Self { framing, left: want, announced, partial }
    }

    /// A body of no bytes.
    pub(super) const fn empty() -> Self {
        Self { framing: Framing::Ended, left: 0, announced: true, partial: false }
    }

    /// Whether all that will come has come.
    pub const fn is_done(&self) -> bool {
        self.left == 0 || matches!(self.framing, Framing::Ended)
    }

    /// Says how a body that [`Body::is_done`] ended.
    ///
    /// # Errors
    /// [`PeerError::ShortRange`]: the server gave a smaller part than asked for. What came is good.
    pub const fn outcome(&self) -> Result<(), PeerError> {
        if self.partial { Err(PeerError::ShortRange) } else { Ok(()) }
    }

    /// How many raw bytes to read at most into a buffer of `room` bytes.
    pub fn read_max(&self, room: usize) -> usize {
        match self.framing {
            Framing::Plain => room.min(usize::try_from(self.left).unwrap_or(usize::MAX)),
            Framing::Chunked(_) => room,
            Framing::Ended => 0,
        }
    }

    /// Takes raw bytes and leaves their payload at the front; returns its length, which may be 0.
    ///
    /// # Errors
    /// [`PeerError::Chunk`], [`PeerError::Truncated`]. The payload of these raw bytes is then lost.
    pub fn accept(&mut self, raw: &mut [u8]) -> Result<usize, PeerError> {
        let (payload, ended) = match &mut self.framing {
            Framing::Plain => (raw.len(), false),
            Framing::Chunked(chunked) => (chunked.decode(raw)?, chunked.is_done()),
            Framing::Ended => (0, true),
        };
        let taken = u32::try_from(payload).unwrap_or(u32::MAX).min(self.left);
        self.left -= taken;
        if ended {
            self.end()?;
        }
        // `taken` is at most `payload`.
        Ok(taken as usize)
    }

    /// The connection was closed by the peer.
    ///
    /// # Errors
    /// [`PeerError::Truncated`] when more was announced.
    pub fn on_closed(&mut self) -> Result<(), PeerError> {
        // Chunks announce their own end, so a close before it is a cut (RFC 9112 §8).
        if matches!(self.framing, Framing::Chunked(_)) && self.left > 0 {
            return Err(PeerError::Truncated);
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), PeerError> {
        if self.announced && self.left > 0 {
            return Err(PeerError::Truncated);
        }
        self.framing = Framing::Ended;
        Ok(())
    }
}
