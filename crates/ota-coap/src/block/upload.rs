//! A body to the server, block by block; the server acts when it has all of it.

use super::{Block, BlockError, Szx, block_of, refused};
use crate::{Code, Encoder, Message, option};
use core::ops::Range;

/// What the server made of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was taken, or is to be sent again in smaller parts: send [`Upload::range`].
    More,
    /// All was taken and acted upon; the message is the response.
    Done,
}

/// An upload with Block1, of a body that lies in memory. A body of one block is sent without the option.
///
/// Each block is a request of the same method and path, under a token of its own, one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    len: u32,
    at: u32,
    szx: Szx,
}

impl Upload {
    /// An upload of `len` bytes in blocks of `szx`, or smaller if the server wants.
    ///
    /// # Errors
    /// [`BlockError::TooLarge`] when there are not enough block numbers.
    pub const fn new(len: u32, szx: Szx) -> Result<Self, BlockError> {
        if szx.number(len).is_none() {
            return Err(BlockError::TooLarge);
        }
        Ok(Self { len, at: 0, szx })
    }

    /// The present block size: what was asked for, or less if the server wanted.
    #[must_use]
    pub const fn szx(&self) -> Szx {
        self.szx
    }

    /// Which bytes of the body are the payload of the next request.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        let left = self.len - self.at;
        let len = if left < self.szx.bytes() { left } else { self.szx.bytes() };
        self.at as usize..(self.at + len) as usize
    }

    /// Adds the options of the next request: Block1, and in the first one Size1; none when one block is all. Options up
    /// to Block1 (27) go before.
    pub fn write(&self, request: &mut Encoder<'_>) {
        if self.in_blocks() {
            request.uint(option::BLOCK1, self.block().encode());
            if self.at == 0 {
                request.uint(option::SIZE1, self.len);
            }
        }
    }

    /// Takes the response to the request that [`Upload::write`] made.
    ///
    /// # Errors
    /// [`BlockError`]. [`BlockError::Lost`]: begin anew. A server that acts on a part of the body gives
    /// [`BlockError::Code`], and nobody knows what it did.
    #[inline(never)]
    pub fn on_response(&mut self, message: &Message<'_>) -> Result<Progress, BlockError> {
        let answer = block_of(message, option::BLOCK1)?;
        let sent = self.block();
        if message.code == Code::REQUEST_TOO_LARGE {
            // Smaller blocks, from the first; each time smaller, so it ends.
            let smaller = answer.filter(|answer| answer.szx < self.szx).ok_or_else(|| refused(message))?;
            return self.shrink(smaller.szx, 0);
        }
        let expected = if sent.more { message.code == Code::CONTINUE } else { final_success(message.code) };
        if !expected {
            return Err(refused(message));
        }
        match answer {
            Some(answer) if answer.number != sent.number => return Err(BlockError::Order),
            None if sent.more => return Err(BlockError::Size),
            _ => {}
        }
        if !sent.more {
            self.at = self.len;
            return Ok(Progress::Done);
        }
        // The block was taken whole, whatever size the next ones shall have (RFC 7959 §3.2).
        let at = self.at.saturating_add(self.szx.bytes());
        // A server that names a larger size would take that, too; it need not be used (§2.3).
        self.shrink(answer.map_or(self.szx, |answer| answer.szx.min(self.szx)), at)
    }

    fn shrink(&mut self, szx: Szx, at: u32) -> Result<Progress, BlockError> {
        if szx.number(self.len).is_none() {
            return Err(BlockError::TooLarge);
        }
        (self.szx, self.at) = (szx, at);
        Ok(Progress::More)
    }

    const fn in_blocks(&self) -> bool {
        self.at > 0 || self.len > self.szx.bytes()
    }

    const fn block(&self) -> Block {
        let number = self.at >> self.szx.shift();
        Block { number, more: self.len - self.at > self.szx.bytes(), szx: self.szx }
    }
}

fn final_success(code: Code) -> bool {
    code.class() == 2 && code != Code::CONTINUE
}
