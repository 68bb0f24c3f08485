//! Option numbers, and what RFC 7252 says of each: whether it is critical, may be repeated, and how long it may be.
//!
//! # Source
//! RFC 7252 §5.4 and §5.10, RFC 7641 §2, RFC 7959 §2.1 and §4.

/// Only if the object is this one.
pub const IF_MATCH: u16 = 1;
/// The host of the URI.
pub const URI_HOST: u16 = 3;
/// What tells two versions of one object apart: 1 to 8 bytes.
pub const ETAG: u16 = 4;
/// Only if there is no such object.
pub const IF_NONE_MATCH: u16 = 5;
/// A registration in a request, a sequence number in a notification.
pub const OBSERVE: u16 = 6;
/// The port of the URI.
pub const URI_PORT: u16 = 7;
/// One segment of the path.
pub const URI_PATH: u16 = 11;
/// The format of the payload.
pub const CONTENT_FORMAT: u16 = 12;
/// Seconds for which a response is fresh, and after which a busy server wants to be asked again.
pub const MAX_AGE: u16 = 14;
/// One argument of the query.
pub const URI_QUERY: u16 = 15;
/// The format wanted.
pub const ACCEPT: u16 = 17;
/// The block of a response.
pub const BLOCK2: u16 = 23;
/// The block of a request.
pub const BLOCK1: u16 = 27;
/// Size of the whole response body.
pub const SIZE2: u16 = 28;
/// Size of the whole request body.
pub const SIZE1: u16 = 60;

/// Critical options that a response to a client may hold; others make it unusable.
pub const IN_RESPONSES: [u16; 2] = [BLOCK2, BLOCK1];

/// Max-Age where a response has none, in seconds.
pub const MAX_AGE_DEFAULT: u32 = 60;

/// Whether a message must be refused by who does not know the option.
pub const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

/// Whether it may stand several times in one message.
pub(crate) const fn repeats(number: u16) -> bool {
    matches!(number, IF_MATCH | URI_PATH | URI_QUERY)
}

/// Whether a value may be so long. One that is not counts as unknown (RFC 7252 §5.4.3).
pub(crate) const fn fits(number: u16, len: usize) -> bool {
    let (min, max) = match number {
        ETAG => (1, 8),
        IF_MATCH => (0, 8),
        IF_NONE_MATCH => (0, 0),
        OBSERVE | BLOCK1 | BLOCK2 => (0, 3),
        CONTENT_FORMAT | ACCEPT | URI_PORT => (0, 2),
        MAX_AGE | SIZE1 | SIZE2 => (0, 4),
        URI_HOST => (1, 255),
        URI_PATH | URI_QUERY => (0, 255),
        _ => (0, usize::MAX),
    };
    min <= len && len <= max
}

/// The number that a value of up to four bytes stands for; `None` when it is longer. Leading zeros are allowed.
pub fn uint(value: &[u8]) -> Option<u32> {
    if value.len() > 4 {
        return None;
    }
    Some(value.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
