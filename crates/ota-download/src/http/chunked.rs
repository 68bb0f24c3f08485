//! The chunked transfer coding, decoded in place.
//!
//! # Source
//! RFC 9112 §7.1. Line ends must be CRLF here: the tolerance of §2.2 covers heads, not chunks.

use super::PeerError;

/// Bytes that a size line or all trailers may have: far more than anybody sends.
const LINE_MAX: u16 = 1024;

/// Decodes one chunked body.
///
/// # Examples
/// ```
/// let mut chunked = ota_download::http::Chunked::new();
/// let mut bytes = *b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
/// let n = chunked.decode(&mut bytes).unwrap();
/// assert_eq!(&bytes[..n], b"abcde");
/// assert!(chunked.is_done());
/// ```
#[derive(Debug, Clone)]
pub struct Chunked {
    state: State,
    size: u32,
    line: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Size,
    Digits,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastEnd,
    Done,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunked {
    /// Begins before the first chunk.
    pub const fn new() -> Self {
        Self { state: State::Size, size: 0, line: 0 }
    }

    /// Whether the last chunk and the trailers were read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes all of `bytes` and leaves the payload among them at the front; returns its length, which may be 0.
    /// Bytes after the end of the body are ignored.
    ///
    /// # Errors
    /// [`PeerError::Chunk`]; nothing must be decoded after it.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<usize, PeerError> {
        let (mut read, mut write) = (0, 0);
        while let Some(byte) = bytes.get(read) {
            if self.state == State::Data {
                let len = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - read);
                bytes.copy_within(read..read + len, write);
                read += len;
                write += len;
                // `len` is at most `size`.
                self.size -= len as u32;
                if self.size == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            if self.state == State::Done {
                break;
            }
            self.state = self.step(*byte)?;
            read += 1;
        }
        Ok(write)
    }

    fn step(&mut self, byte: u8) -> Result<State, PeerError> {
        self.line += 1;
        if self.line > LINE_MAX {
            return Err(PeerError::Chunk);
        }
        Ok(match (self.state, byte) {
            (State::Size | State::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).ok_or(PeerError::Chunk)?;
                self.size = self.size.checked_mul(16).ok_or(PeerError::Chunk)? | digit;
                State::Digits
            }
            (State::Digits, b';' | b' ' | b'\t') => State::Extension,
            (State::Digits | State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, b'\t' | 0x20..=0x7E | 0x80..) => State::Extension,
            (State::SizeEnd, b'\n') if self.size > 0 => State::Data,
            (State::SizeEnd, b'\n') => {
                self.line = 0;
                State::TrailerStart
            }
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => {
                self.line = 0;
                State::Size
            }
            (State::TrailerStart, b'\r') => State::LastEnd,
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::TrailerStart | State::Trailer, b'\t' | 0x20..=0x7E | 0x80..) => State::Trailer,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::LastEnd, b'\n') => State::Done,
            _ => return Err(PeerError::Chunk),
        })
    }
}
