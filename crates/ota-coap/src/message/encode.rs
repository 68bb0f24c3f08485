//! Writing a message.

use super::{Kind, MARKER, TOKEN_MAX, VERSION};
use crate::{Code, option};

/// Why a message was not written. What the buffer holds is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// It does not fit the buffer. A larger one makes it work.
    Full,
    /// Options were not written in ascending order of their numbers.
    Order,
    /// A value, or the token, is longer or shorter than it may be.
    Length,
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Full => "message does not fit its buffer",
            Self::Order => "options out of order",
            Self::Length => "option of impossible length",
        })
    }
}
impl core::error::Error for EncodeError {}

/// How far a message is written: [`crate::Opening::encode_again`] goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    len: usize,
    number: u16,
}

impl Mark {
    /// So many bytes of the buffer are written.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a message that was begun has a header")]
    pub const fn len(self) -> usize {
        self.len
    }
}

/// Writes a message into a lent buffer: header, options in ascending order, payload. A mistake on the way is told by
/// [`Encoder::finish`], the first of them.
///
/// # Examples
/// ```
/// use ota_coap::{Code, Encoder, Kind, option};
///
/// let mut bytes = [0; 64];
/// let mut request = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 0x7D34, &[]);
/// request.path("/temperature");
/// let len = request.finish(b"").unwrap();
/// assert_eq!(&bytes[..len], b"\x40\x01\x7D\x34\xBBtemperature"); // RFC 7252, figure 16
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    bytes: &'a mut [u8],
    len: usize,
    number: u16,
    error: Option<EncodeError>,
}

impl<'a> Encoder<'a> {
    /// Begins a message. A token longer than 8 bytes is an error.
    #[must_use]
    pub fn new(bytes: &'a mut [u8], kind: Kind, code: Code, id: u16, token: &[u8]) -> Self {
        let mut message = Self { bytes, len: 0, number: 0, error: None };
        if token.len() > usize::from(TOKEN_MAX) {
            message.fail(EncodeError::Length);
        }
        let [high, low] = id.to_be_bytes();
        message.put(&[VERSION << 6 | (kind as u8) << 4 | token.len() as u8 & 15, code.0, high, low]);
        message.put(token);
        message
    }

    /// The place behind what was written so far.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { len: self.len, number: self.number }
    }

    /// Goes on at a mark of an earlier message in the same buffer: the options before it are taken over.
    pub(crate) const fn skip_to(mut self, mark: Mark) -> Self {
        (self.len, self.number) = (mark.len, mark.number);
        self
    }

    /// Adds an option; its number is that of the last one, or higher.
    #[inline(never)]
    pub fn option(&mut self, number: u16, value: &[u8]) -> &mut Self {
        let Some(delta) = number.checked_sub(self.number) else {
            self.fail(EncodeError::Order);
            return self;
        };
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        if len == u16::MAX || !option::fits(number, value.len()) {
            self.fail(EncodeError::Length);
        }
        self.number = number;
        self.put(&[nibble(delta) << 4 | nibble(len)]);
        self.put_extension(delta);
        self.put_extension(len);
        self.put(value);
        self
    }

    /// Adds an option that is a number, in as few bytes as it needs: none for 0.
    pub fn uint(&mut self, number: u16, value: u32) -> &mut Self {
        let bytes = value.to_be_bytes();
        let zeros = value.leading_zeros() as usize / 8;
        self.option(number, bytes.get(zeros..).unwrap_or_default())
    }

    /// Adds Uri-Path options, one for each segment between slashes. One slash at the beginning counts for nothing; "" and
    /// "/" add none. Segments are taken as they are: percent-encoding is the caller's to undo.
    pub fn path(&mut self, path: &str) -> &mut Self {
        self.parts(option::URI_PATH, path.strip_prefix('/').unwrap_or(path), b'/')
    }

    /// Adds Uri-Query options, one for each argument between ampersands; none for "".
    pub fn query(&mut self, query: &str) -> &mut Self {
        self.parts(option::URI_QUERY, query, b'&')
    }

    fn parts(&mut self, number: u16, text: &str, at: u8) -> &mut Self {
        if !text.is_empty() {
            for part in text.as_bytes().split(|byte| *byte == at) {
                self.option(number, part);
            }
        }
        self
    }

    /// Ends the message with its payload, which may be empty: how many bytes of the buffer it takes.
    ///
    /// # Errors
    /// The first thing that went wrong since [`Encoder::new`].
    pub fn finish(mut self, payload: &[u8]) -> Result<usize, EncodeError> {
        if !payload.is_empty() {
            self.put(&[MARKER]);
            self.put(payload);
        }
        match self.error {
            None => Ok(self.len),
            Some(error) => Err(error),
        }
    }

    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(place) => {
                // As `copy_from_slice`, without its panic, which the compiler does not see to be out of reach.
                place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                self.len += bytes.len();
            }
            None => self.fail(EncodeError::Full),
        }
    }

    fn put_extension(&mut self, value: u16) {
        match value {
            0..13 => {}
            13..269 => self.put(&[(value - 13) as u8]),
            _ => self.put(&(value - 269).to_be_bytes()),
        }
    }

    fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }
}

const fn nibble(value: u16) -> u8 {
    match value {
        0..13 => value as u8,
        13..269 => 13,
        _ => 14,
    }
}
