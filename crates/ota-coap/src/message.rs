//! One datagram: read where it lies, written into a lent buffer.
//!
//! ```text
//!  byte 0      1      2..4   4..4+TKL
//! ┌──┬──┬────┬──────┬──────┬───────┬───────────┬──────┬─────────┐
//! │01│T │TKL │ code │  id  │ token │ options … │ 0xFF │ payload │
//! └──┴──┴────┴──────┴──────┴───────┴───────────┴──────┴─────────┘
//! ```
//!
//! # Source
//! RFC 7252 §3 (format), §3.1 (options), §4.1 (empty), §4.2 and §4.3 (rejection), §5.4 (critical options).

mod encode;
#[cfg(test)]
mod tests;

pub use encode::{EncodeError, Encoder, Mark};

use crate::{Code, option};

const VERSION: u8 = 1;
const MARKER: u8 = 0xFF;
const TOKEN_MAX: u8 = 8;

/// How a message is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Sent again until it is acknowledged.
    Confirmable = 0,
    /// Sent once.
    NonConfirmable = 1,
    /// A confirmable message came; perhaps with the response to it.
    Acknowledgement = 2,
    /// A message came that nobody here can use.
    Reset = 3,
}

impl Kind {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }
}

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Shorter than a header.
    Short,
    /// Another version of the protocol.
    Version,
    /// A token length from 9 to 15, or a token that ends behind the datagram.
    Token,
    /// A code of a reserved class, or one that cannot be carried this way: a reset that says something, an empty
    /// message that nobody confirms, a request in an acknowledgement.
    Code,
    /// An empty message with something behind its header.
    NotEmpty,
    /// Delta or length 15 without being the payload marker.
    Reserved,
    /// An option that ends behind the datagram.
    Truncated,
    /// An option number above 65,535.
    Number,
    /// A payload marker without payload.
    NoPayload,
}

/// How to answer what cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Not at all.
    Ignore,
    /// With a reset of this message id.
    Reset(u16),
    /// With 4.02 (Bad Option), in an acknowledgement of this message id and under the request's token. Only who serves
    /// requests does so; [`crate::Endpoint`] resets them.
    BadOption(u16),
}

impl Reply {
    /// The datagram to send, if it is one without content.
    #[must_use]
    pub const fn datagram(self) -> Option<[u8; 4]> {
        match self {
            Self::Reset(id) => Some(empty(Kind::Reset, id)),
            Self::Ignore | Self::BadOption(_) => None,
        }
    }
}

/// A datagram that is no message, and how to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// How to answer: a reset of a confirmable message whose header is readable, else nothing.
    pub reply: Reply,
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("malformed CoAP message")
    }
}
impl core::error::Error for Malformed {}

/// A message without code, token and content: an acknowledgement, a reset or a ping.
#[must_use]
pub const fn empty(kind: Kind, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [VERSION << 6 | (kind as u8) << 4, 0, high, low]
}

/// A message that was found well-formed; it borrows from the datagram.
///
/// # Examples
/// ```
/// use ota_coap::{Code, Kind, Message, option};
///
/// // RFC 7252, figure 16: the response 2.05 "22.3 C", piggy-backed.
/// let message = Message::decode(b"\x60\x45\x7D\x34\xFF22.3 C").unwrap();
/// assert_eq!((message.kind, message.code, message.id), (Kind::Acknowledgement, Code::CONTENT, 0x7D34));
/// assert_eq!(message.payload, b"22.3 C");
/// assert_eq!(message.uint(option::MAX_AGE), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// How it is carried.
    pub kind: Kind,
    /// What it says.
    pub code: Code,
    /// What acknowledgements and resets refer to.
    pub id: u16,
    /// What a response has in common with its request: 0 to 8 bytes.
    pub token: &'a [u8],
    /// The content; empty when there is none.
    pub payload: &'a [u8],
    options: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram. Any bytes give a message or an error.
    ///
    /// # Errors
    /// [`Malformed`], with the answer that RFC 7252 asks for.
    #[inline(never)]
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let [first, code, high, low, rest @ ..] = datagram else {
            return Err(Malformed { fault: Fault::Short, reply: Reply::Ignore });
        };
        if first >> 6 != VERSION {
            return Err(Malformed { fault: Fault::Version, reply: Reply::Ignore });
        }
        let kind = Kind::from_bits(first >> 4);
        let mut message = Self {
            kind,
            code: Code(*code),
            id: u16::from_be_bytes([*high, *low]),
            token: &[],
            payload: &[],
            options: &[],
        };
        match message.fill(first & 15, rest) {
            Ok(()) => Ok(message),
            Err(fault) => Err(Malformed { fault, reply: message.rejection() }),
        }
    }

    fn fill(&mut self, token_len: u8, rest: &'a [u8]) -> Result<(), Fault> {
        // One bit for each class that may be carried this way: requests, and responses.
        let classes = match self.kind {
            Kind::Confirmable | Kind::NonConfirmable => 0b0011_1101,
            Kind::Acknowledgement => 0b0011_1100,
            Kind::Reset => 0,
        };
        let carried = match self.code {
            Code::EMPTY => self.kind != Kind::NonConfirmable,
            code => classes >> code.class() & 1 == 1,
        };
        if !carried {
            return Err(Fault::Code);
        }
        if self.code == Code::EMPTY && !(token_len == 0 && rest.is_empty()) {
            return Err(Fault::NotEmpty);
        }
        if token_len > TOKEN_MAX {
            return Err(Fault::Token);
        }
        let (token, rest) = rest.split_at_checked(usize::from(token_len)).ok_or(Fault::Token)?;
        let mut options = Options { rest, number: 0 };
        while options.step()?.is_some() {}
        self.token = token;
        self.options = rest;
        match options.rest {
            [] => Ok(()),
            [_] => Err(Fault::NoPayload),
            [_, payload @ ..] => {
                self.payload = payload;
                Ok(())
            }
        }
    }

    /// The options in ascending order of their numbers.
    #[must_use]
    pub const fn options(&self) -> Options<'a> {
        Options { rest: self.options, number: 0 }
    }

    /// The first value of an option. One of a length that the option cannot have is passed over.
    #[must_use]
    #[inline(never)]
    pub fn option(&self, number: u16) -> Option<&'a [u8]> {
        let mut options = self.options();
        options.find(|(at, value)| *at == number && option::fits(number, value.len())).map(|(_, value)| value)
    }

    /// The first value of an option that is a number.
    #[must_use]
    pub fn uint(&self, number: u16) -> Option<u32> {
        self.option(number).and_then(option::uint)
    }

    /// The first critical option that is not one of `known`, has an impossible length, or stands twice where it may not.
    /// A message with such an option must not be used: [`Message::bad_option`] says how to answer.
    #[must_use]
    #[inline(never)]
    pub fn unrecognized(&self, known: &[u16]) -> Option<u16> {
        let mut before = None;
        for (number, value) in self.options() {
            let again = before.replace(number) == Some(number) && !option::repeats(number);
            if option::is_critical(number) && (again || !known.contains(&number) || !option::fits(number, value.len()))
            {
                return Some(number);
            }
        }
        None
    }

    /// How to answer a message with an unrecognized critical option (RFC 7252 §5.4.1).
    #[must_use]
    pub const fn bad_option(&self) -> Reply {
        match self.kind {
            Kind::Confirmable if self.code.is_request() => Reply::BadOption(self.id),
            _ => self.rejection(),
        }
    }

    /// How to answer a message that nobody here can use (RFC 7252 §4.2, §4.3).
    #[must_use]
    pub const fn rejection(&self) -> Reply {
        match self.kind {
            Kind::Confirmable => Reply::Reset(self.id),
            _ => Reply::Ignore,
        }
    }
}

/// The options of a [`Message`]: numbers and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options<'a> {
    /// Begins with an option or the payload marker, or is empty.
    rest: &'a [u8],
    number: u16,
}

impl<'a> Options<'a> {
    #[inline(never)]
    fn step(&mut self) -> Result<Option<(u16, &'a [u8])>, Fault> {
        let Some((&head, mut rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        if head == MARKER {
            return Ok(None);
        }
        let delta = extended(head >> 4, &mut rest)?;
        let len = extended(head & 15, &mut rest)?;
        let (value, rest) = rest.split_at_checked(len as usize).ok_or(Fault::Truncated)?;
        self.number = u16::try_from(u32::from(self.number) + delta).map_err(|_| Fault::Number)?;
        self.rest = rest;
        Ok(Some((self.number, value)))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Was walked through once by `decode`, so that there is no error to lose.
        self.step().ok().flatten()
    }
}

/// The number that a nibble and up to two bytes behind it stand for.
fn extended(nibble: u8, rest: &mut &[u8]) -> Result<u32, Fault> {
    match (nibble, *rest) {
        (0..=12, _) => Ok(u32::from(nibble)),
        (13, [byte, behind @ ..]) => {
            *rest = behind;
            Ok(u32::from(*byte) + 13)
        }
        (14, [high, low, behind @ ..]) => {
            *rest = behind;
            Ok(u32::from(u16::from_be_bytes([*high, *low])) + 269)
        }
        (13 | 14, _) => Err(Fault::Truncated),
        _ => Err(Fault::Reserved),
    }
}
