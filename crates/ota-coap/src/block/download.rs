//! A body from the server, block by block.

use super::{Block, BlockError, Szx, block_of, refused};
use crate::{Code, Encoder, Message, option};

/// An entity tag: 1 to 8 bytes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ETag {
    len: u8,
    bytes: [u8; 8],
}

impl ETag {
    /// No tag.
    pub const NONE: Self = Self { len: 0, bytes: [0; 8] };

    /// The tag of these bytes; none when there are no bytes or more than eight.
    #[must_use]
    pub fn new(value: &[u8]) -> Self {
        let mut tag = Self::NONE;
        if let Some(place) = tag.bytes.get_mut(..value.len()) {
            place.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
            tag.len = value.len() as u8;
        }
        tag
    }
    /// Its bytes, to store and to give back to [`Download::new`]; empty for none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Bytes of the body that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where they lie in the body.
    pub offset: u32,
    /// The bytes; may be none (a server that chose smaller blocks than those of an offset inside a large one).
    pub bytes: &'a [u8],
    /// Whether the body ends behind them.
    pub last: bool,
}

/// A download with Block2 from any offset: what to ask next, and the judgement of what came.
///
/// Each request is an ordinary GET of the same path, under a token of its own; blocks are asked in order, one at a time.
/// A notification of an observation that holds the first block is given to [`Download::on_response`] like the response to
/// a first request; the rest is fetched the same way (RFC 7959 §2.6).
///
/// # Examples
/// ```
/// use ota_coap::{Download, Encoder, ETag, Kind, Code, Message, Szx};
///
/// let mut download = Download::new(0, Szx::new(2).unwrap(), ETag::NONE).unwrap(); // blocks of 64 bytes
/// let mut bytes = [0; 128];
/// let mut request = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 1, b"tok");
/// download.write(request.path("/status"));
/// let len = request.finish(b"").unwrap();
/// // ... send it; this came back: 2.05, ETag "1", Block2 0/0/16, Size2 3, "abc"
/// let answer = Message::decode(b"\x63\x45\x00\x01tok\x41\x31\xD0\x06\x51\x03\xFFabc").unwrap();
/// let piece = download.on_response(&answer).unwrap();
/// assert_eq!((piece.offset, piece.bytes, piece.last), (0, &b"abc"[..], true));
/// assert_eq!((download.total(), download.etag().as_bytes()), (Some(3), &b"1"[..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    at: u32,
    szx: Szx,
    /// Whether `etag` is what the object has, or nothing is known yet.
    known: bool,
    etag: ETag,
    total: Option<u32>,
    begun: bool,
}

impl Download {
    /// A download of the bytes from `at`, in blocks of `szx` or smaller. `etag` is what [`Download::etag`] told when the
    /// bytes before were taken; [`ETag::NONE`] accepts any object.
    ///
    /// # Errors
    /// [`BlockError::TooLarge`] when no block number reaches the offset.
    pub const fn new(at: u32, szx: Szx, etag: ETag) -> Result<Self, BlockError> {
        if szx.number(at).is_none() {
            return Err(BlockError::TooLarge);
        }
        Ok(Self { at, szx, known: etag.len != 0, etag, total: None, begun: false })
    }

    /// This download as it will be when the bytes before `at` have come: to ask for a block ahead of its turn, and to judge
    /// the response. `None` when no block number reaches the offset.
    #[must_use]
    pub fn ahead(&self, at: u32) -> Option<Self> {
        self.szx.number(at)?;
        Some(Self { at, ..self.clone() })
    }

    /// Offset of the next byte wanted.
    #[must_use]
    pub const fn at(&self) -> u32 {
        self.at
    }
    /// Size of the whole body, if the server said.
    #[must_use]
    pub const fn total(&self) -> Option<u32> {
        self.total
    }
    /// The object's entity tag.
    #[must_use]
    pub const fn etag(&self) -> ETag {
        self.etag
    }
    /// The present block size: what was asked for, or less if the server wanted.
    #[must_use]
    pub const fn szx(&self) -> Szx {
        self.szx
    }

    /// Adds the options of the next request: Block2, and in the first one Size2. Options up to Block2 (23) go before.
    pub fn write(&self, request: &mut Encoder<'_>) {
        // `at` was checked when it was set.
        let number = self.szx.number(self.at).unwrap_or(super::NUMBER_MAX);
        request.uint(option::BLOCK2, Block { number, more: false, szx: self.szx }.encode());
        if !self.begun {
            request.uint(option::SIZE2, 0);
        }
    }

    /// Takes the response to the request that [`Download::write`] made.
    ///
    /// A response without Block2 to a request for block 0 is the whole body. One with smaller blocks is the first of
    /// those at the same offset, and the download goes on with them; larger ones are refused.
    ///
    /// # Errors
    /// [`BlockError`]; the download is where it was, and [`BlockError::outcome`] says what to do.
    #[inline(never)]
    pub fn on_response<'a>(&mut self, message: &Message<'a>) -> Result<Piece<'a>, BlockError> {
        let start = self.at & !(self.szx.bytes() - 1);
        if message.code != Code::CONTENT {
            // So servers refuse a block behind the end; the object may have shrunk.
            let past = message.code == Code::BAD_REQUEST && start > 0;
            return Err(if past { BlockError::PastEnd } else { refused(message) });
        }
        // A whole body in one message is a last block without bound.
        let (szx, more, room) = match block_of(message, option::BLOCK2)? {
            Some(block) if block.szx > self.szx => return Err(BlockError::Size),
            Some(block) if block.offset() != start => return Err(BlockError::Order),
            Some(block) => (block.szx, block.more, block.szx.bytes()),
            None if start > 0 => return Err(BlockError::Size),
            None => (self.szx, false, u32::MAX),
        };
        let etag = ETag::new(message.option(option::ETAG).unwrap_or_default());
        let total = message.uint(option::SIZE2).or(self.total);
        if (self.known && etag != self.etag) || (self.total.is_some() && total != self.total) {
            return Err(BlockError::Changed);
        }
        let len = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
        let end = start.saturating_add(len);
        let agrees = if more { len == room } else { len <= room };
        if !agrees || total.is_some_and(|total| if more { end >= total } else { end != total }) {
            return Err(BlockError::Length);
        }
        if !more && end < self.at {
            return Err(BlockError::PastEnd);
        }
        let at = self.at.max(end);
        if more && szx.number(at).is_none() {
            return Err(BlockError::TooLarge);
        }
        let skip = self.at.saturating_sub(start) as usize;
        let bytes = message.payload.get(skip..).unwrap_or_default();
        let piece = Piece { offset: self.at, bytes, last: !more };
        (self.at, self.szx, self.etag, self.total) = (at, szx, etag, total);
        (self.known, self.begun) = (true, true);
        Ok(piece)
    }
}
