//! The pull reader.

use core::{mem, str};

use super::{JsonError, text};

/// Deepest nesting read: one bit each in [`Reader::kinds`].
const DEPTH_MAX: u8 = 32;

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Reads one JSON value from a buffer, in order, changing the buffer as it goes: strings are unescaped where they are,
/// so what it returns is a slice of the buffer and lives as long.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a mut [u8],
    /// One bit per open container, innermost lowest: 1 is an object.
    kinds: u32,
    depth: u8,
    /// Nothing has been read in the innermost container.
    fresh: bool,
}

impl<'a> Reader<'a> {
    /// Reads what `text` holds.
    pub const fn new(text: &'a mut [u8]) -> Self {
        Self { rest: text, kinds: 0, depth: 0, fresh: true }
    }

    /// The type of the next value; uses nothing up.
    ///
    /// # Errors
    /// When no value starts here.
    pub fn kind(&mut self) -> Result<ValueKind, JsonError> {
        match self.peek().ok_or(JsonError::Malformed)? {
            b'n' => Ok(ValueKind::Null),
            b't' | b'f' => Ok(ValueKind::Bool),
            b'-' | b'0'..=b'9' => Ok(ValueKind::Number),
            b'"' => Ok(ValueKind::String),
            b'[' => Ok(ValueKind::Array),
            b'{' => Ok(ValueKind::Object),
            _ => Err(JsonError::Malformed),
        }
    }

    /// Enters an object; then call [`key`](Self::key) until it returns `None`, reading or skipping a value each time.
    ///
    /// # Errors
    /// [`JsonError::Type`] when the next value is none.
    pub fn object(&mut self) -> Result<(), JsonError> {
        self.expect(ValueKind::Object)?;
        self.enter(1)
    }

    /// Enters an array; then call [`element`](Self::element) until it returns `false`, reading or skipping a value each
    /// time.
    ///
    /// # Errors
    /// [`JsonError::Type`] when the next value is none.
    pub fn array(&mut self) -> Result<(), JsonError> {
        self.expect(ValueKind::Array)?;
        self.enter(0)
    }

    /// The next key of the innermost object; `None` leaves the object.
    ///
    /// # Errors
    /// When neither a key nor the end is next.
    pub fn key(&mut self) -> Result<Option<&'a str>, JsonError> {
        if !self.more(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(JsonError::Malformed);
        }
        let key = self.text()?;
        self.eat(b':')?;
        Ok(Some(key))
    }

    /// Whether the innermost array has another element; `false` leaves the array.
    ///
    /// # Errors
    /// When neither an element nor the end is next.
    pub fn element(&mut self) -> Result<bool, JsonError> {
        self.more(b']')
    }

    /// Steps over the comma, or out of the container at `end`.
    fn more(&mut self, end: u8) -> Result<bool, JsonError> {
        if self.depth == 0 || (self.kinds & 1 == 1) != (end == b'}') {
            return Err(JsonError::Malformed);
        }
        if self.peek() == Some(end) {
            self.take(1)?;
            self.depth -= 1;
            self.kinds >>= 1;
            self.fresh = false;
            return Ok(false);
        }
        if !mem::take(&mut self.fresh) {
            self.eat(b',')?;
        }
        Ok(true)
    }

    /// A string.
    ///
    /// # Errors
    /// [`JsonError::Type`] when the next value is none.
    pub fn string(&mut self) -> Result<&'a str, JsonError> {
        self.expect(ValueKind::String)?;
        self.text()
    }

    /// A string of standard base64, decoded in place.
    ///
    /// # Errors
    /// [`JsonError::Type`] when the next value is none.
    pub fn base64(&mut self) -> Result<&'a [u8], JsonError> {
        self.expect(ValueKind::String)?;
        let bytes = self.text_bytes()?;
        str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
        let len = text::base64(bytes)?;
        bytes.get(..len).ok_or(JsonError::Type)
    }

    /// A whole number of 32 bits, as a number or as a string of its digits.
    ///
    /// # Errors
    /// [`JsonError::Type`] when it has a sign, a fraction or an exponent, or is too large.
    pub fn number(&mut self) -> Result<u32, JsonError> {
        let digits = match self.kind()? {
            ValueKind::String => self.text()?,
            _ => self.number_text()?,
        };
        if digits.is_empty() {
            return Err(JsonError::Type);
        }
        digits.bytes().try_fold(0_u32, |sum, digit| {
            let digit = char::from(digit).to_digit(10).ok_or(JsonError::Type)?;
            sum.checked_mul(10).and_then(|sum| sum.checked_add(digit)).ok_or(JsonError::Type)
        })
    }

    /// The text of a number, of any size and form.
    ///
    /// # Errors
    /// [`JsonError::Type`] when the next value is none.
    pub fn number_text(&mut self) -> Result<&'a str, JsonError> {
        self.expect(ValueKind::Number)?;
        let len = text::number_len(self.rest)?;
        str::from_utf8(self.take(len)?).map_err(|_| JsonError::Malformed)
    }

    /// A truth value: `true`, `false`, or 0 and 1 as number or string.
    ///
    /// # Errors
    /// [`JsonError::Type`] when it is something else.
    pub fn flag(&mut self) -> Result<bool, JsonError> {
        if self.kind()? == ValueKind::Bool {
            return self.word().map(|word| word == "true");
        }
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(JsonError::Type),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`JsonError::Type`] when it is something else.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        self.expect(ValueKind::Bool)?;
        self.word().map(|word| word == "true")
    }

    /// Steps over `null` if it is next, and says whether it was.
    ///
    /// # Errors
    /// When no value starts here.
    pub fn null(&mut self) -> Result<bool, JsonError> {
        let is = self.kind()? == ValueKind::Null;
        if is {
            self.word()?;
        }
        Ok(is)
    }

    /// Steps over the next value, whatever it is; it is checked all the same.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        let outside = self.depth;
        loop {
            match self.kind()? {
                ValueKind::Object => self.enter(1)?,
                ValueKind::Array => self.enter(0)?,
                ValueKind::String => drop(self.text()?),
                ValueKind::Null | ValueKind::Bool => drop(self.word()?),
                ValueKind::Number => {
                    let len = text::number_len(self.rest)?;
                    self.take(len)?;
                }
            }
            while self.depth > outside && !self.inside()? {}
            if self.depth == outside {
                return Ok(());
            }
        }
    }

    /// Steps to the next value of the innermost container, or out of it.
    fn inside(&mut self) -> Result<bool, JsonError> {
        if self.kinds & 1 == 1 { self.key().map(|key| key.is_some()) } else { self.element() }
    }

    /// Ends the reading: only white space may be left, and one NUL, which peers written in C count into their text.
    ///
    /// # Errors
    /// When anything else is left, or a container is open.
    pub fn finish(mut self) -> Result<(), JsonError> {
        self.peek();
        match (self.depth, &*self.rest) {
            (0, [] | [0]) => Ok(()),
            _ => Err(JsonError::Malformed),
        }
    }

    /// Uses up a value of the wrong type, so that the reader stays in step.
    fn expect(&mut self, kind: ValueKind) -> Result<(), JsonError> {
        if self.kind()? == kind {
            return Ok(());
        }
        self.skip()?;
        Err(JsonError::Type)
    }

    fn enter(&mut self, kind: u32) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.take(1)?;
        self.depth += 1;
        self.kinds = self.kinds << 1 | kind;
        self.fresh = true;
        Ok(())
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let blank = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.take(blank).ok()?;
        self.rest.first().copied()
    }

    fn eat(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Malformed);
        }
        self.take(1).map(drop)
    }

    /// `true`, `false` or `null`, whichever the first letter calls for.
    fn word(&mut self) -> Result<&'static str, JsonError> {
        let word = match self.rest.first() {
            Some(b't') => "true",
            Some(b'f') => "false",
            _ => "null",
        };
        if self.take(word.len())? == word.as_bytes() { Ok(word) } else { Err(JsonError::Malformed) }
    }

    /// A string that is known to be next.
    fn text(&mut self) -> Result<&'a str, JsonError> {
        str::from_utf8(self.text_bytes()?).map_err(|_| JsonError::Malformed)
    }

    fn text_bytes(&mut self) -> Result<&'a mut [u8], JsonError> {
        self.take(1)?;
        let len = text::string_len(self.rest)?;
        let body = self.take(len)?;
        self.take(1)?;
        let len = text::unescape(body)?;
        body.get_mut(..len).ok_or(JsonError::Malformed)
    }

    /// Splits the next `len` bytes off.
    #[inline(never)]
    fn take(&mut self, len: usize) -> Result<&'a mut [u8], JsonError> {
        let (head, rest) = mem::take(&mut self.rest).split_at_mut_checked(len).ok_or(JsonError::Malformed)?;
        self.rest = rest;
        Ok(head)
    }
}
