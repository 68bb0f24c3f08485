//! The writer.

use core::str;

/// The text does not fit its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text larger than its buffer")]
pub struct Overflow;

/// Writes JSON into a buffer. Commas and escapes are its business, nesting is the caller's.
///
/// The first thing that does not fit stops the writing; [`finish`](Self::finish) then says so.
///
/// # Examples
/// ```
/// let mut buf = [0; 40];
/// let mut json = ota_transport::json::Writer::new(&mut buf);
/// json.begin(b'{').key("step").string("5\"").key("ids").begin(b'[').number(1).number(2).end(b']').end(b'}');
/// assert_eq!(json.finish().unwrap(), r#"{"step":"5\"","ids":[1,2]}"#);
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
    overflow: bool,
    /// The next value has a neighbour before it.
    comma: bool,
}

impl<'a> Writer<'a> {
    /// Writes to `buf`.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0, overflow: false, comma: false }
    }

    /// Opens an object (`{`) or an array (`[`).
    #[inline(never)]
    pub fn begin(&mut self, bracket: u8) -> &mut Self {
        self.separate();
        self.byte(bracket);
        self.comma = false;
        self
    }

    /// Closes an object (`}`) or an array (`]`).
    pub fn end(&mut self, bracket: u8) -> &mut Self {
        self.byte(bracket);
        self.comma = true;
        self
    }

    /// A key; its value must follow.
    #[inline(never)]
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.string(key);
        self.byte(b':');
        self.comma = false;
        self
    }

    /// A string.
    #[inline(never)]
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.byte(b'"');
        for byte in text.bytes() {
            self.escaped(byte);
        }
        self.byte(b'"');
        self
    }

    /// A number.
    pub fn number(&mut self, number: u32) -> &mut Self {
        self.separate();
        let mut digits = [0; 10];
        self.raw(decimal(number, &mut digits).as_bytes());
        self
    }

    /// A string of a number's digits.
    #[inline(never)]
    pub fn number_string(&mut self, number: u32) -> &mut Self {
        let mut digits = [0; 10];
        self.string(decimal(number, &mut digits))
    }

    /// The text, when all of it fitted.
    ///
    /// # Errors
    /// When it did not.
    pub fn finish(self) -> Result<&'a str, Overflow> {
        let text = self.buf.get(..self.len).filter(|_| !self.overflow).ok_or(Overflow)?;
        // Only whole strings and ASCII went in.
        str::from_utf8(text).map_err(|_| Overflow)
    }

    fn separate(&mut self) {
        if self.comma {
            self.byte(b',');
        }
        self.comma = true;
    }

    fn escaped(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            0..0x20 => {
                self.raw(b"\\u00");
                self.byte(b'0' + (byte >> 4));
                return self.byte(*b"0123456789abcdef".get(usize::from(byte & 15)).unwrap_or(&b'0'));
            }
            _ => return self.byte(byte),
        };
        self.raw(&[b'\\', short]);
    }

    fn raw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        match self.buf.get_mut(self.len) {
            Some(slot) => {
                *slot = byte;
                self.len += 1;
            }
            None => self.overflow = true,
        }
    }
}

/// The decimal digits of `number`.
fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &str {
    let mut first = digits.len();
    for (at, slot) in digits.iter_mut().enumerate().rev() {
        // The remainder is below 10.
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        first = at;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or("0")
}
