//! Bodies larger than a message: in blocks from the server ([`Download`]) and to it ([`Upload`]).
//!
//! # Source
//! RFC 7959 §2.2 (the option), §2.4 (Block2), §2.5 (Block1), §2.9 (codes), §4 (sizes).

mod download;
mod upload;

pub use download::{Download, ETag, Piece};
pub use upload::{Progress, Upload};

use crate::{Code, Message, option};

/// Largest block number: 20 bits.
pub const NUMBER_MAX: u32 = (1 << 20) - 1;

/// The size of blocks, as its exponent: 0 for 16 bytes to 6 for 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Szx(u8);

impl Szx {
    /// 16 bytes.
    pub const MIN: Self = Self(0);
    /// 1,024 bytes.
    pub const MAX: Self = Self(6);

    /// The exponent on the wire; `None` for the reserved 7, and above.
    pub const fn new(exponent: u8) -> Option<Self> {
        if exponent <= 6 { Some(Self(exponent)) } else { None }
    }
    /// The largest size of which a block has room in `bytes`; the smallest when none has.
    pub const fn fitting(bytes: usize) -> Self {
        let mut szx = Self::MAX;
        while szx.0 > 0 && szx.bytes() as usize > bytes {
            szx.0 -= 1;
        }
        szx
    }
    /// The size in bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.shift()
    }
    const fn shift(self) -> u32 {
        self.0 as u32 + 4
    }
    /// The number of the block that holds the byte `at`; `None` when the option has no room for it.
    pub const fn number(self, at: u32) -> Option<u32> {
        let number = at >> self.shift();
        if number <= NUMBER_MAX { Some(number) } else { None }
    }
}

/// The value of a Block1 or Block2 option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Which block, counted in blocks of this size.
    pub number: u32,
    /// Whether more follow.
    pub more: bool,
    /// Its size.
    pub szx: Szx,
}

impl Block {
    /// Reads the option's value; `None` for the reserved size and for values longer than three bytes.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        let value = option::uint(value)?;
        let szx = Szx::new((value & 7) as u8)?;
        Some(Self { number: value >> 4, more: value & 8 != 0, szx })
    }
    /// The option's value, for [`crate::Encoder::uint`]. The number's bits that have no room are dropped.
    #[must_use]
    pub const fn encode(self) -> u32 {
        (self.number & NUMBER_MAX) << 4 | (self.more as u32) << 3 | self.szx.0 as u32
    }
    /// Offset of its first byte in the body.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self.number << self.szx.shift()
    }
}

/// What the server did that ends a transfer, or one try of it. The transfer is where it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// A code that carries no block.
    Code {
        /// The code.
        code: Code,
        /// Milliseconds to wait before another try; `None` when that cannot help.
        after_ms: Option<u32>,
    },
    /// The object is not the one whose first blocks were taken: another entity tag, or another total size.
    Changed,
    /// The object ends before the byte that was asked for.
    PastEnd,
    /// The server no longer has the first blocks of what was sent.
    Lost,
    /// Another block than the one asked for or sent.
    Order,
    /// A block of another length than its option says, or than the total size leaves.
    Length,
    /// A block larger than asked for, the reserved size, or no block option where one must be.
    Size,
    /// The body needs more blocks of this size than there are numbers.
    TooLarge,
}

/// What a failure means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Try again from where it is; not before `after_ms`, which may be long: the caller caps it.
    Retry {
        /// Milliseconds to wait at least.
        after_ms: u32,
    },
    /// Begin again at the first byte.
    Restart,
    /// Trying again cannot help.
    Permanent,
}

impl BlockError {
    /// What it means for the job.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Code { after_ms: Some(after_ms), .. } => Outcome::Retry { after_ms },
            Self::Order | Self::Length | Self::Size => Outcome::Retry { after_ms: 0 },
            Self::Changed | Self::PastEnd | Self::Lost => Outcome::Restart,
            Self::Code { after_ms: None, .. } | Self::TooLarge => Outcome::Permanent,
        }
    }

    /// A short text for a report.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Code { code, .. } => match (code.class(), code.detail()) {
                (4, 0) => "CoAP 4.00",
                (4, 1) => "CoAP 4.01",
                (4, 3) => "CoAP 4.03",
                (4, 4) => "CoAP 4.04",
                (4, 13) => "CoAP 4.13",
                (4, _) => "CoAP 4.xx",
                (5, 3) => "CoAP 5.03",
                (5, _) => "CoAP 5.xx",
                _ => "CoAP: unexpected code",
            },
            Self::Changed => "CoAP: object changed",
            Self::PastEnd => "CoAP: past the end",
            Self::Lost => "CoAP: blocks lost",
            Self::Order => "CoAP: wrong block",
            Self::Length => "CoAP: wrong block length",
            Self::Size => "CoAP: wrong block size",
            Self::TooLarge => "CoAP: too large",
        }
    }
}

impl core::fmt::Display for BlockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for BlockError {}

/// What a code without block means, whatever was asked.
///
/// 5.03 and 4.29 name a wait in Max-Age, or mean a minute; the other errors of the server name one or leave it to the
/// caller. 5.01 and 5.05 say what the server can never do.
fn refused(message: &Message<'_>) -> BlockError {
    let asked_ms = |otherwise| {
        let seconds = message.uint(option::MAX_AGE).unwrap_or(otherwise);
        Some(seconds.saturating_mul(1_000))
    };
    let after_ms = match message.code {
        Code::REQUEST_INCOMPLETE => return BlockError::Lost,
        Code::PRECONDITION_FAILED => return BlockError::Changed,
        Code::UNAVAILABLE | Code::TOO_MANY_REQUESTS => asked_ms(option::MAX_AGE_DEFAULT),
        Code::NOT_IMPLEMENTED | Code::NO_PROXY => None,
        code if code.class() == 5 => asked_ms(0),
        _ => None,
    };
    BlockError::Code { code: message.code, after_ms }
}

/// A block option of a message; `None` when it has none.
fn block_of(message: &Message<'_>, number: u16) -> Result<Option<Block>, BlockError> {
    message.option(number).map(|value| Block::decode(value).ok_or(BlockError::Size)).transpose()
}

#[cfg(test)]
mod tests;
