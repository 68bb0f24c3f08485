//! The request: what is asked, and the bytes that ask it.
//!
//! # Source
//! RFC 9112 §3 (request line); RFC 9110 §7.2 (Host), §13.1.5 (If-Range), §14.1.2 (byte ranges), §12.5.3 (Accept-Encoding).

use super::field::{ValidatorKind, validator_kind};
use crate::url::Url;

/// What is asked of the server, kept until its answer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// First byte wanted.
    pub offset: u32,
    /// One past the last byte wanted; more than `offset`. `None` for the rest of the object.
    pub end: Option<u32>,
    /// What the object was when its first bytes were taken; empty when not known.
    pub validator: &'a [u8],
    /// Size that the object had before, when known.
    pub total: Option<u32>,
}

impl<'a> Ask<'a> {
    /// Whether a part is asked for.
    pub const fn ranged(&self) -> bool {
        self.offset > 0 || self.end.is_some()
    }

    /// The validator, if it may be sent in `If-Range`: a strong tag or a date, and only beside a range.
    /// A weak tag must not be (RFC 9110 §13.1.5); it is compared with the answer instead.
    pub fn if_range(&self) -> Option<&'a [u8]> {
        let sendable = matches!(validator_kind(self.validator), ValidatorKind::Strong | ValidatorKind::Date);
        (self.ranged() && sendable).then_some(self.validator)
    }
}

/// A request head that is copied out piece by piece, so that a long URL needs no long buffer.
///
/// # Examples
/// ```
/// use ota_download::{http::{Ask, RequestHead}, url::Url};
///
/// let url = Url::parse("http://host/fw").unwrap();
/// let ask = Ask { offset: 5, end: Some(9), validator: b"\"a\"", total: None };
/// let head = RequestHead::new(&url, &ask, "x/1");
/// let mut bytes = [0; 256];
/// let n = head.copy(0, &mut bytes);
/// assert_eq!(
///     core::str::from_utf8(&bytes[..n]).unwrap(),
///     "GET /fw HTTP/1.1\r\nHost: host\r\nUser-Agent: x/1\r\nAccept-Encoding: identity\r\nConnection: close\r\n\
///      Range: bytes=5-8\r\nIf-Range: \"a\"\r\n\r\n"
/// );
/// assert_eq!(head.copy(n, &mut bytes), 0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    url: Url<'a>,
    ask: Ask<'a>,
    user_agent: &'a str,
}

impl<'a> RequestHead<'a> {
    /// Prepares the head. A `user_agent` with control bytes is left empty.
    pub fn new(url: &Url<'a>, ask: &Ask<'a>, user_agent: &'a str) -> Self {
        let clean = user_agent.bytes().all(|b| (b' '..=0x7E).contains(&b));
        Self { url: *url, ask: *ask, user_agent: if clean { user_agent } else { "" } }
    }

    /// Copies what fits into `out`, from byte `from` of the head on; returns how many bytes. 0 when all is copied.
    #[inline(never)]
    pub fn copy(&self, from: usize, out: &mut [u8]) -> usize {
        let mut to = Window { skip: from, out, filled: 0 };
        to.put(b"GET ");
        if !self.url.target().starts_with('/') {
            to.put(b"/");
        }
        to.put(self.url.target().as_bytes());
        to.put(b" HTTP/1.1\r\nHost: ");
        to.put(self.url.authority().as_bytes());
        to.put(b"\r\nUser-Agent: ");
        to.put(self.user_agent.as_bytes());
        // One connection a request: a body that ended early or late can then never be taken for the next one.
        to.put(b"\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
        if self.ask.ranged() {
            to.put(b"Range: bytes=");
            to.put_decimal(self.ask.offset);
            to.put(b"-");
            if let Some(last) = self.ask.end.and_then(|end| end.checked_sub(1)) {
                to.put_decimal(last);
            }
            to.put(b"\r\n");
        }
        if let Some(validator) = self.ask.if_range() {
            to.put(b"If-Range: ");
            to.put(validator);
            to.put(b"\r\n");
        }
        to.put(b"\r\n");
        to.filled
    }
}

/// Lets through what lies in one window of a longer text.
struct Window<'o> {
    skip: usize,
    out: &'o mut [u8],
    filled: usize,
}

impl Window<'_> {
    #[inline(never)]
    fn put(&mut self, part: &[u8]) {
        for byte in part {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(slot) = self.out.get_mut(self.filled) {
                *slot = *byte;
                self.filled += 1;
            }
        }
    }

    /// Decimal digits, without the formatting machinery.
    #[inline(never)]
    fn put_decimal(&mut self, mut number: u32) {
        let mut digits = [b'0'; 10];
        let mut start = digits.len();
        for slot in digits.iter_mut().rev() {
            *slot = b'0' + (number % 10) as u8;
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{string::String, vec::Vec};

    fn text(url: &str, ask: &Ask<'_>, agent: &str, step: usize) -> String {
        let url = Url::parse(url).unwrap();
        let head = RequestHead::new(&url, ask, agent);
        let (mut all, mut piece) = (Vec::new(), std::vec![0; step]);
        loop {
            let n = head.copy(all.len(), &mut piece);
            if n == 0 {
                return String::from_utf8(all).unwrap();
            }
            all.extend_from_slice(&piece[..n]);
        }
    }
    const WHOLE: Ask<'_> = Ask { offset: 0, end: None, validator: b"", total: None };

    #[test]
    fn the_same_bytes_whatever_the_buffer() {
        let ask = Ask { offset: 4_294_967_294, end: Some(u32::MAX), validator: b"\"tag\"", total: None };
        let url = String::from("http://host:81/a?") + &"q".repeat(2048);
        let whole = text(&url, &ask, "agent", 4096);
        assert!(whole.contains("Range: bytes=4294967294-4294967294\r\nIf-Range: \"tag\"\r\n\r\n"));
        for step in [1, 2, 7, 64, 1000] {
            assert_eq!(text(&url, &ask, "agent", step), whole);
        }
    }

    #[test]
    fn a_whole_object_is_asked_for_without_range() {
        let want = "GET /?q HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: \r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n";
        let ask = Ask { validator: b"\"tag\"", ..WHOLE };
        assert_eq!(text("http://[::1]:8080?q", &ask, "evil\r\nX: y", 512), want);
    }

    #[test]
    fn only_strong_validators_go_into_if_range() {
        let sent = |validator| text("http://h/", &Ask { offset: 10, validator, ..WHOLE }, "", 512);
        assert!(sent(b"\"a\"").contains("Range: bytes=10-\r\nIf-Range: \"a\"\r\n"));
        assert!(sent(b"Sun, 06 Nov 1994 08:49:37 GMT").contains("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
        for bad in [&b""[..], b"W/\"a\"", b"a", b"\"a\r\nX: y\""] {
            let text = sent(bad);
            assert!(text.contains("Range: bytes=10-\r\n\r\n") && !text.contains("If-Range"), "{text}");
        }
    }

    #[test]
    fn digits() {
        for number in [1, 9, 10, 4095, 1_000_000_000, u32::MAX] {
            let text = text("http://h/", &Ask { offset: number, ..WHOLE }, "", 7);
            assert!(text.contains(&std::format!("Range: bytes={number}-\r\n")), "{text}");
        }
    }
}
