//! Collects bytes of a UART to a line.

/// A line being typed, of at most `N` bytes.
///
/// Understands CR, LF and CR LF as line end, backspace and DEL, and Ctrl-U or Ctrl-C to start over.
///
/// # Examples
/// ```
/// use otaapp::console::Line;
/// let mut line = Line::<16>::new();
/// let mut seen = None;
/// for byte in *b"heln\x08p\r\n" {
///     if let Some(done) = line.push(byte) {
///         seen = Some(done.map(str::len));
///     }
/// }
/// assert_eq!(seen, Some(Ok("help".len())));
/// ```
#[derive(Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Typing,
    /// Full: the rest of this line is dropped.
    Overlong,
    /// A line is complete; the next byte starts another, and a LF after CR is part of the line end.
    Ended {
        cr: bool,
    },
}

/// Why a line was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// More bytes than the buffer holds.
    TooLong,
    /// Not UTF-8: line noise.
    NotText,
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Line<N> {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; N], len: 0, state: State::Typing }
    }

    /// Takes one byte; `Some` when it ended a line.
    ///
    /// # Errors
    /// [`LineError`], once per dropped line and at its end.
    pub fn push(&mut self, byte: u8) -> Option<Result<&str, LineError>> {
        if let State::Ended { cr } = self.state {
            self.clear();
            if cr && byte == b'\n' {
                return None;
            }
        }
        match byte {
            b'\r' | b'\n' => return Some(self.end(byte)),
            0x03 | 0x15 => self.clear(),
            0x08 | 0x7F => self.rub_out(),
            _ => match self.bytes.get_mut(self.len) {
                Some(free) => {
                    *free = byte;
                    self.len += 1;
                }
                None => self.state = State::Overlong,
            },
        }
        None
    }

    fn end(&mut self, byte: u8) -> Result<&str, LineError> {
        let overlong = self.state == State::Overlong;
        self.state = State::Ended { cr: byte == b'\r' };
        if overlong {
            return Err(LineError::TooLong);
        }
        let typed = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(typed).map_err(|_| LineError::NotText)
    }

    fn clear(&mut self) {
        self.len = 0;
        self.state = State::Typing;
    }

    /// Removes one character, not one byte. An overlong line stays lost: what was dropped is unknown.
    fn rub_out(&mut self) {
        let continues = |byte: Option<&u8>| byte.is_some_and(|b| b & 0xC0 == 0x80);
        while self.len > 0 {
            self.len -= 1;
            if !continues(self.bytes.get(self.len)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn lines(bytes: &[u8]) -> Vec<Result<String, LineError>> {
        let mut line = Line::<8>::new();
        bytes.iter().filter_map(|&b| line.push(b).map(|r| r.map(String::from))).collect()
    }
    fn ok(text: &str) -> Result<String, LineError> {
        Ok(text.into())
    }

    #[test]
    fn every_kind_of_line_end_ends_one_line() {
        assert_eq!(lines(b"a\rb\nc\r\nd\n\re\r\r"), [ok("a"), ok("b"), ok("c"), ok("d"), ok(""), ok("e"), ok("")]);
    }

    #[test]
    fn a_full_buffer_is_fine_and_one_byte_more_is_not() {
        assert_eq!(lines(b"12345678\n123456789\nnext\n"), [ok("12345678"), Err(LineError::TooLong), ok("next")]);
    }

    #[test]
    fn rubbing_out_does_not_bring_an_overlong_line_back() {
        // Otherwise "devinfo clean" could appear out of a longer line whose end was lost.
        assert_eq!(lines(b"123456789abc\x08\x08\n"), [Err(LineError::TooLong)]);
        assert_eq!(lines(b"123456789\x15ok\n"), [ok("ok")]);
    }

    #[test]
    fn backspace_removes_a_character() {
        assert_eq!(lines("aé\x08b\n".as_bytes()), [ok("ab")]);
        assert_eq!(lines(b"\x7f\x7fx\n"), [ok("x")]);
    }

    #[test]
    fn noise_is_dropped_up_to_the_line_end() {
        assert_eq!(lines(b"\xFF\xC0help\nok\n"), [Err(LineError::NotText), ok("ok")]);
    }

    #[test]
    fn a_line_of_no_length_takes_nothing() {
        let mut line = Line::<0>::new();
        assert_eq!(line.push(b'\n'), Some(Ok("")));
        assert_eq!(line.push(b'x'), None);
        assert_eq!(line.push(b'\n'), Some(Err(LineError::TooLong)));
    }
}
