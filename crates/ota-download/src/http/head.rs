//! Response heads, pushed in byte by byte.
//!
//! Nothing but the fields that a transfer needs is kept. Interim (1xx) responses are skipped.
//!
//! # Source
//! RFC 9112 §2.2 (line ends), §4 (status line), §5 (fields, no space before the colon, no folding), §6.3 (framing);
//! RFC 9110 §8.6 (Content-Length), §15.2 (interim responses).

use super::PeerError;
use super::field::{ContentRange, RetryAfter, ValidatorKind, decimal, is_date, validator_kind};
use crate::Validator;
use heapless::Vec;

/// The longest field name that we look for, `transfer-encoding`.
const NAME_LEN: usize = 17;
/// The longest value that we keep; the bound of a [`Validator`].
const VALUE_LEN: usize = 64;

/// A date as it was written.
pub(super) type Date = Vec<u8, 29>;

/// What a final response head said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Status code, 200 to 599.
    pub status: u16,
    /// `Content-Length`.
    pub length: Option<u32>,
    /// `Content-Range`.
    pub range: Option<ContentRange>,
    /// `ETag`, with quotes; empty when absent, malformed or longer than a [`Validator`].
    pub etag: Validator,
    /// `Last-Modified`; empty when absent or malformed.
    pub modified: Vec<u8, 29>,
    /// `Date`; empty when absent or malformed.
    pub date: Vec<u8, 29>,
    /// `Retry-After`.
    pub retry_after: Option<RetryAfter>,
    /// Length of the `Location` value in the buffer given to [`Head::feed`].
    pub location: Option<usize>,
    /// The `Location` value did not fit that buffer.
    pub location_cut: bool,
    /// The body comes in chunks.
    pub chunked: bool,
    /// The body has a content coding other than `identity`.
    pub encoded: bool,
    /// The body is a `multipart/…` type.
    pub multipart: bool,
}

/// How far a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All bytes were taken and more are needed.
    More,
    /// The head ended; this many bytes were taken, the rest belong to the body.
    Done(usize),
}

/// Reads one response head.
///
/// # Examples
/// ```
/// use ota_download::http::{Head, Progress};
///
/// let mut head = Head::new(4096);
/// let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
/// assert_eq!(head.feed(text, &mut []), Ok(Progress::Done(text.len() - 3)));
/// assert_eq!((head.answer().status, head.answer().length), (200, Some(3)));
/// ```
#[derive(Debug)]
pub struct Head {
    state: State,
    carriage_return: bool,
    left: u16,
    old_version: bool,
    seen: u16,
    field: Field,
    name: Vec<u8, NAME_LEN>,
    value: Vec<u8, VALUE_LEN>,
    value_cut: bool,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Status,
    LineStart,
    Name,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Field {
    ContentLength,
    ContentRange,
    ContentEncoding,
    TransferEncoding,
    ETag,
    Location,
    // From here on a second field replaces the first; before, it is refused: each decides what the body is.
    LastModified,
    Date,
    RetryAfter,
    ContentType,
    Other,
}

impl Field {
    /// The names, in a table: as a `match` they would be compared by 800 bytes of code.
    const NAMES: [(&'static [u8], Self); 10] = [
        (b"content-length", Self::ContentLength),
        (b"content-range", Self::ContentRange),
        (b"content-encoding", Self::ContentEncoding),
        (b"transfer-encoding", Self::TransferEncoding),
        (b"etag", Self::ETag),
        (b"location", Self::Location),
        (b"last-modified", Self::LastModified),
        (b"date", Self::Date),
        (b"retry-after", Self::RetryAfter),
        (b"content-type", Self::ContentType),
    ];

    fn of(name: &[u8]) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, field)| *field)
    }
    const fn single(self) -> bool {
        (self as u8) < (Self::LastModified as u8)
    }
}

impl Head {
    /// Begins. All heads up to and with the final one may have `bytes_max` bytes together.
    pub fn new(bytes_max: u16) -> Self {
        Self {
            state: State::Status,
            carriage_return: false,
            left: bytes_max,
            old_version: false,
            seen: 0,
            field: Field::Other,
            name: Vec::new(),
            value: Vec::new(),
            value_cut: false,
            answer: Answer::default(),
        }
    }

    /// What was read so far; meaningful once [`Progress::Done`] was returned.
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Takes bytes. The `Location` value goes to `location`, the same buffer in every call.
    ///
    /// # Errors
    /// [`PeerError::Head`] when a rule is broken, [`PeerError::HeadTooLong`], [`PeerError::TooLarge`]. Nothing must be
    /// fed after an error.
    #[inline(never)]
    pub fn feed(&mut self, bytes: &[u8], location: &mut [u8]) -> Result<Progress, PeerError> {
        for (i, byte) in bytes.iter().enumerate() {
            self.left = self.left.checked_sub(1).ok_or(PeerError::HeadTooLong)?;
            if self.push(*byte, location)? {
                return Ok(Progress::Done(i + 1));
            }
        }
        Ok(Progress::More)
    }

    fn push(&mut self, byte: u8, location: &mut [u8]) -> Result<bool, PeerError> {
        let line_end = byte == b'\n';
        if self.carriage_return && !line_end {
            return Err(PeerError::Head);
        }
        self.carriage_return = byte == b'\r';
        if self.carriage_return {
            return Ok(false);
        }
        match (self.state, byte) {
            (State::Status, b'\n') => self.end_status()?,
            (State::LineStart, b'\n') => return self.end_head(),
            (State::Name, b'\n') => return Err(PeerError::Head),
            (State::Value, b'\n') => self.end_field(location)?,
            (State::Status, _) => self.keep(text(byte)?),
            (State::Name, b':') => self.begin_value()?,
            (State::LineStart | State::Name, _) => self.push_name(byte)?,
            (State::Value, _) => self.push_value(text(byte)?, location),
        }
        Ok(false)
    }

    /// A line that begins with a space (folding, RFC 9112 §5.2) and a space before the colon fail here: no token bytes.
    fn push_name(&mut self, byte: u8) -> Result<(), PeerError> {
        if !is_token(byte) {
            return Err(PeerError::Head);
        }
        if self.state == State::LineStart {
            self.state = State::Name;
            self.name.clear();
            self.value_cut = false;
        }
        // A name too long to be ours is made one that is not ours.
        if self.name.push(byte.to_ascii_lowercase()).is_err() {
            self.value_cut = true;
        }
        Ok(())
    }

    fn begin_value(&mut self) -> Result<(), PeerError> {
        self.field = if self.value_cut { Field::Other } else { Field::of(&self.name) };
        self.state = State::Value;
        self.value.clear();
        self.value_cut = false;
        let bit = 1u16 << (self.field as u8);
        if self.field.single() && self.seen & bit != 0 {
            return Err(PeerError::Head);
        }
        self.seen |= bit;
        if self.field == Field::Location {
            self.answer.location = Some(0);
        }
        Ok(())
    }

    fn push_value(&mut self, byte: u8, location: &mut [u8]) {
        let blank = matches!(byte, b' ' | b'\t');
        match self.field {
            Field::Other => {}
            Field::Location => self.push_location(byte, blank, location),
            _ if blank && self.value.is_empty() => {}
            _ => self.keep(byte),
        }
    }

    fn push_location(&mut self, byte: u8, blank: bool, location: &mut [u8]) {
        let len = self.answer.location.unwrap_or(0);
        if blank && len == 0 {
            return;
        }
        match location.get_mut(len) {
            Some(slot) => {
                *slot = byte;
                self.answer.location = Some(len + 1);
            }
            // Blanks at the end are no part of the value.
            None => self.answer.location_cut |= !blank,
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.value.push(byte).is_err() {
            self.value_cut = true;
        }
    }

    /// `HTTP/1.x NNN [reason]`, RFC 9112 §4. A missing reason and its space are tolerated.
    fn end_status(&mut self) -> Result<(), PeerError> {
        let (version, rest) = self.value.split_at_checked(8).ok_or(PeerError::Head)?;
        let digits = match rest {
            [b' ', a, b, c] | [b' ', a, b, c, b' ', ..] => [*a, *b, *c],
            _ => return Err(PeerError::Head),
        };
        let status = decimal(&digits).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        let minor = version.strip_prefix(b"HTTP/1.").and_then(|minor| minor.first()).copied().unwrap_or(0);
        if !(100..=599).contains(&status) || !minor.is_ascii_digit() {
            return Err(PeerError::Head);
        }
        self.old_version = minor == b'0';
        self.answer.status = status;
        self.state = State::LineStart;
        Ok(())
    }

    fn end_field(&mut self, location: &[u8]) -> Result<(), PeerError> {
        self.state = State::LineStart;
        let value = self.value.trim_ascii_end();
        // A value that was cut is none that we can use, except where its beginning says all.
        let whole = if self.value_cut { &[][..] } else { value };
        let answer = &mut self.answer;
        match self.field {
            Field::ContentLength => answer.length = Some(read_length(value, self.value_cut)?),
            Field::ContentRange => answer.range = Some(ContentRange::parse(whole).ok_or(PeerError::Range)?),
            Field::ContentEncoding => answer.encoded = !(value.is_empty() || value.eq_ignore_ascii_case(b"identity")),
            // Other transfer codings, and chunked under HTTP/1.0, make the framing faulty (RFC 9112 §6.1).
            Field::TransferEncoding if !value.eq_ignore_ascii_case(b"chunked") || self.old_version => {
                return Err(PeerError::Head);
            }
            Field::TransferEncoding => answer.chunked = true,
            Field::ETag => answer.etag = entity_tag(whole),
            Field::LastModified => answer.modified = date(whole),
            Field::Date => answer.date = date(whole),
            Field::RetryAfter => answer.retry_after = RetryAfter::parse(whole),
            Field::ContentType => {
                answer.multipart = value.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"));
            }
            Field::Location => {
                let value = location.get(..answer.location.unwrap_or(0)).unwrap_or_default();
                answer.location = Some(value.trim_ascii_end().len());
            }
            Field::Other => {}
        }
        Ok(())
    }

    fn end_head(&mut self) -> Result<bool, PeerError> {
        // Two framings at once are how responses are smuggled (RFC 9112 §6.3 item 3).
        if self.answer.chunked && self.answer.length.is_some() {
            return Err(PeerError::Head);
        }
        if self.answer.status >= 200 {
            return Ok(true);
        }
        // 101 would switch the protocol; we never asked for that.
        if self.answer.status == 101 {
            return Err(PeerError::Head);
        }
        let left = self.left;
        *self = Self::new(left);
        Ok(false)
    }
}

fn read_length(value: &[u8], cut: bool) -> Result<u32, PeerError> {
    match decimal(value) {
        Some(length) if !cut => Ok(length),
        _ if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => Err(PeerError::TooLarge),
        _ => Err(PeerError::Head),
    }
}

fn entity_tag(value: &[u8]) -> Validator {
    match validator_kind(value) {
        ValidatorKind::Strong | ValidatorKind::Weak => Validator::from_slice(value).unwrap_or_default(),
        _ => Validator::new(),
    }
}

fn date(value: &[u8]) -> Date {
    if is_date(value) { Date::from_slice(value).unwrap_or_default() } else { Date::new() }
}

/// A byte of a field name (RFC 9110 §5.6.2), by one bit for each ASCII character.
fn is_token(byte: u8) -> bool {
    const TOKENS: [u32; 4] = [0, 0x03FF_6CFA, 0xC7FF_FFFE, 0x57FF_FFFF];
    let word = TOKENS.get(usize::from(byte >> 5)).copied().unwrap_or(0);
    word >> (byte & 31) & 1 != 0
}

/// A byte that may stand in a line: no controls but the tab, so no NUL and no lone carriage return (RFC 9110 §5.5).
fn text(byte: u8) -> Result<u8, PeerError> {
    if byte == b'\t' || (byte >= b' ' && byte != 0x7F) { Ok(byte) } else { Err(PeerError::Head) }
}
