//! The core alone: heads, bodies and rules, byte by byte and in random pieces.

extern crate std;

use super::*;
use crate::{Failure, Opened, Validator};
use proptest::prelude::*;
use std::vec::Vec;
use std::{format, string::String};

mod bodies;
mod random;
mod rules;

/// Reads a head in pieces of the given sizes (the last one repeats): the answer, the location and what was left over.
fn read_in(text: &[u8], sizes: &[usize]) -> Result<(Answer, Vec<u8>, usize), PeerError> {
    let mut head = Head::new(1024);
    let mut location = [0; 64];
    let (mut at, mut turn) = (0, 0);
    while at < text.len() {
        let size = sizes[turn.min(sizes.len() - 1)].max(1);
        turn += 1;
        let piece = &text[at..(at + size).min(text.len())];
        match head.feed(piece, &mut location)? {
            Progress::More => at += piece.len(),
            Progress::Done(used) => {
                let answer = head.answer().clone();
                let len = answer.location.unwrap_or(0);
                return Ok((answer, location[..len].to_vec(), at + used));
            }
        }
    }
    Err(PeerError::Truncated)
}

fn answer(text: &str) -> Result<Answer, PeerError> {
    read_in(text.as_bytes(), &[usize::MAX]).map(|(answer, _, _)| answer)
}

/// The answer of a head with these fields.
fn with(status: u16, fields: &str) -> Result<Answer, PeerError> {
    answer(&format!("HTTP/1.1 {status} x\r\n{fields}\r\n"))
}

#[test]
fn every_field_is_found_in_any_case_and_with_any_blanks() {
    let text = "HTTP/1.1 206 Partial Content\r\n\
        SERVER: x: y\r\nx-a-name-longer-than-any-we-know: content-length\r\n\
        cOnTeNt-LeNgTh:10\r\nContent-Range: \t bytes 5-14/20 \t\r\nETag: \"a:b\"\r\n\
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\nDate: x\r\n\
        Location:  /a b\t \r\nRetry-After: 7\r\nContent-Encoding: Identity\r\n\
        Content-Type: Multipart/byteranges; boundary=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n\
        Empty:\r\n\r\nbody";
    let (got, location, used) = read_in(text.as_bytes(), &[usize::MAX]).unwrap();
    assert_eq!(got.status, 206);
    assert_eq!(got.length, Some(10));
    assert_eq!(got.range, Some(ContentRange::Part { first: 5, last: 14, total: Some(20) }));
    assert_eq!(got.etag, b"\"a:b\"");
    assert_eq!(got.modified, b"Sun, 06 Nov 1994 08:49:37 GMT");
    assert!(got.date.is_empty(), "the second, malformed one counts");
    assert_eq!(location, b"/a b");
    assert_eq!(got.retry_after, Some(RetryAfter::Seconds(7)));
    assert!(got.multipart && !got.encoded && !got.chunked && !got.location_cut);
    assert_eq!(&text.as_bytes()[used..], b"body");
}

#[test]
fn line_feeds_alone_end_lines_and_reasons_may_be_missing() {
    for text in
        ["HTTP/1.1 200 OK\nETag: \"a\"\n\n", "HTTP/1.0 200\r\nETag: \"a\"\r\n\r\n", "HTTP/1.1 200 \nETag: \"a\"\r\n\n"]
    {
        let got = answer(text).unwrap();
        assert_eq!((got.status, &got.etag[..]), (200, &b"\"a\""[..]), "{text:?}");
    }
    let long = format!("HTTP/1.1 503 {}\r\n\r\n", "very ".repeat(50));
    assert_eq!(answer(&long).unwrap().status, 503);
}

#[test]
fn names_are_tokens() {
    for byte in 0..=255u8 {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let mut text = b"HTTP/1.1 200 OK\r\nA".to_vec();
        text.extend_from_slice(&[byte, b'B', b':', b'\r', b'\n', b'\r', b'\n']);
        // A colon ends the name, and the rest is its value.
        assert_eq!(read_in(&text, &[usize::MAX]).is_ok(), token || byte == b':', "{byte}");
    }
}

#[test]
fn interim_heads_leave_nothing_behind() {
    let text = "HTTP/1.1 103 Early Hints\r\nETag: \"old\"\r\nLocation: /x\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let got = answer(text).unwrap();
    assert_eq!((got.status, got.length, got.location), (200, Some(3), None));
    assert!(got.etag.is_empty());
}

#[test]
fn what_breaks_the_syntax_is_refused() {
    let lines = [
        "HTTP/2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1  200 OK",
        "HTTP/1.x 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 200OK",
        "",
        "\0",
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/1.1 200 \u{1}",
    ];
    for line in lines {
        assert_eq!(answer(&format!("{line}\r\n\r\n")), Err(PeerError::Head), "{line:?}");
    }
    let fields = [
        " folded: x\r\n",
        "A: b\r\n folded\r\n",
        "A: b\r\n\tfolded\r\n",
        "A : b\r\n",
        ": b\r\n",
        "no colon\r\n",
        "A\r\n",
        "A: b\rC: d\r\n",
        "A: \0\r\n",
        "A: \u{7f}\r\n",
        "A\u{e9}: b\r\n",
        "A(: b\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 1 2\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "ETag: \"a\"\r\nETag: \"b\"\r\n",
        "Location: a\r\nLocation: b\r\n",
    ];
    for field in fields {
        assert_eq!(with(200, field), Err(PeerError::Head), "{field:?}");
    }
    assert_eq!(answer("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(PeerError::Head));
    assert_eq!(with(206, "Content-Range: bytes 9-1/10\r\n"), Err(PeerError::Range));
    for long in ["4294967296", "00000000000000000000000000000000000000000000000000000000000000000000001"] {
        assert_eq!(with(200, &format!("Content-Length: {long}\r\n")), Err(PeerError::TooLarge));
    }
    assert_eq!(with(200, "Content-Length: 4294967295\r\n").unwrap().length, Some(u32::MAX));
}

#[test]
fn heads_and_values_are_bounded() {
    let endless = |n: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(n));
    assert!(answer(&endless(900)).is_ok());
    assert_eq!(answer(&endless(1100)), Err(PeerError::HeadTooLong));
    assert_eq!(answer(&"HTTP/1.1 100 x\r\n\r\n".repeat(100)), Err(PeerError::HeadTooLong));
    let got = with(302, &format!("Location: {}  \r\n", "l".repeat(64))).unwrap();
    assert_eq!((got.location, got.location_cut), (Some(64), false));
    assert!(with(302, &format!("Location: {}\r\n", "l".repeat(65))).unwrap().location_cut);
    assert_eq!(with(200, &format!("ETag: \"{}\"\r\n", "e".repeat(62))).unwrap().etag.len(), 64);
    assert!(with(200, &format!("ETag: \"{}\"\r\n", "e".repeat(63))).unwrap().etag.is_empty());
    assert!(with(200, &format!("Content-Encoding: {}\r\n", "identity".repeat(9))).unwrap().encoded);
}
