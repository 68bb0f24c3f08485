//! The core alone: heads, bodies and rules, byte by byte and in random pieces.

extern crate std;

use super::*;
use crate::{Failure, Opened, Validator};
use proptest::prelude::*;
use std::vec::Vec;
use std::{format, string::String};

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

// --- rules ---

const ASK: Ask<'_> = Ask { offset: 100, end: None, validator: b"\"v1\"", total: None };
const SAME: &str = "ETag: \"v1\"\r\n";

fn verdict(ask: Ask<'_>, status: u16, fields: &str) -> Result<Verdict, PeerError> {
    judge(&ask, &with(status, fields)?, &HttpConfig::DEFAULT)
}
fn opened(ask: Ask<'_>, status: u16, fields: &str) -> (Opened, Body) {
    match verdict(ask, status, fields) {
        Ok(Verdict::Body(opened, body)) => (opened, body),
        other => panic!("{fields:?}: {other:?}"),
    }
}
fn refusal(ask: Ask<'_>, status: u16, fields: &str) -> PeerError {
    match verdict(ask, status, fields) {
        Err(error) => error,
        other => panic!("{fields:?}: {other:?}"),
    }
}
fn tag(text: &[u8]) -> Validator {
    Validator::from_slice(text).unwrap()
}

#[test]
fn a_true_part_goes_on_where_asked() {
    let (got, body) = opened(ASK, 206, "Content-Range: bytes 100-199/200\r\nETag: \"v1\"\r\nContent-Length: 100\r\n");
    assert_eq!(got, Opened { offset: 100, total: Some(200), validator: tag(b"\"v1\"") });
    assert_eq!(body.read_max(1000), 100);
    let (got, _) = opened(ASK, 206, "Content-Range: bytes 100-199/200\r\n");
    assert_eq!(got.validator, tag(b"\"v1\""), "kept when the answer leaves it out");
    let bounded = Ask { end: Some(150), ..ASK };
    let (got, body) = opened(bounded, 206, "Content-Range: bytes 100-149/*\r\n");
    assert_eq!((got.total, body.read_max(1000)), (None, 50));
    let clamped = Ask { offset: 0, end: Some(2048), validator: b"", total: None };
    let (got, body) = opened(clamped, 206, "Content-Range: bytes 0-499/500\r\nETag: \"n\"\r\n");
    assert_eq!((got.total, got.validator, body.read_max(9999)), (Some(500), tag(b"\"n\""), 500));
    assert_eq!(body.outcome(), Ok(()), "the object is smaller than the range");
}

#[test]
fn a_false_part_is_refused() {
    let bounded = Ask { end: Some(150), ..ASK };
    let unranged = Ask { offset: 0, ..ASK };
    let lies = [
        (ASK, "Content-Range: bytes 99-199/200\r\n"),
        (ASK, "Content-Range: bytes 101-199/200\r\n"),
        (ASK, "Content-Range: bytes 0-199/200\r\n"),
        (ASK, "Content-Range: bytes 100-200/200\r\n"),
        (ASK, "Content-Range: bytes 100-99/200\r\n"),
        (ASK, "Content-Range: bytes */200\r\n"),
        (ASK, "Content-Range: bytes 100-199/*\r\n"),
        (ASK, "Content-Range: items 100-199/200\r\n"),
        (ASK, "Content-Length: 100\r\n"),
        (ASK, "Content-Range: bytes 100-199/200\r\nContent-Length: 99\r\n"),
        (ASK, "Content-Range: bytes 100-199/200\r\nContent-Type: multipart/byteranges; boundary=x\r\n"),
        (ASK, "Content-Type: multipart/byteranges; boundary=x\r\n"),
        (bounded, "Content-Range: bytes 100-150/200\r\n"),
        (bounded, "Content-Range: bytes 100-148/*\r\n"),
        (unranged, "Content-Range: bytes 0-199/200\r\n"),
    ];
    for (ask, fields) in lies {
        let error = refusal(ask, 206, fields);
        assert_eq!((error, error.failure()), (PeerError::Range, Failure::Restart), "{fields:?}");
    }
}

#[test]
fn another_object_is_noticed() {
    let range = "Content-Range: bytes 100-199/200\r\n";
    let changed = |ask, fields: &str| refusal(ask, 206, &format!("{range}{fields}"));
    assert_eq!(changed(ASK, "ETag: \"v2\"\r\n"), PeerError::Changed);
    assert_eq!(changed(ASK, "ETag: W/\"v1\"\r\n"), PeerError::Changed);
    let weak = Ask { validator: b"W/\"v1\"", ..ASK };
    assert_eq!(changed(weak, "ETag: W/\"v2\"\r\n"), PeerError::Changed);
    opened(weak, 206, &format!("{range}ETag: W/\"v1\"\r\n"));
    let dated = Ask { validator: b"Sun, 06 Nov 1994 08:49:37 GMT", ..ASK };
    assert_eq!(changed(dated, "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), PeerError::Changed);
    let (same, _) = opened(dated, 206, &format!("{range}Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_eq!(same.validator, dated.validator);
    let sized = Ask { total: Some(201), ..ASK };
    assert_eq!(changed(sized, SAME), PeerError::Changed);
    opened(Ask { total: Some(200), ..ASK }, 206, &format!("{range}{SAME}"));
    assert_eq!(PeerError::Changed.failure(), Failure::Restart);
}

#[test]
fn a_whole_answer_begins_at_zero() {
    for ask in [ASK, Ask { offset: 0, ..ASK }] {
        let (got, body) = opened(ask, 200, "Content-Length: 200\r\nETag: \"v2\"\r\n");
        assert_eq!(got, Opened { offset: 0, total: Some(200), validator: tag(b"\"v2\"") });
        assert_eq!(body.read_max(1000), 200);
    }
    let (_, body) = opened(Ask { end: Some(150), ..ASK }, 200, "Content-Length: 200\r\n");
    assert_eq!(body.read_max(1000), 150, "nothing past the wanted end");
    let (got, body) = opened(ASK, 200, "");
    assert_eq!((got.total, body.read_max(1000)), (None, 1000));
}

#[test]
fn a_date_is_a_validator_only_when_it_is_strong() {
    let modified = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let kept = |fields: &str| opened(ASK, 200, &format!("{modified}{fields}")).0.validator;
    assert_eq!(kept("Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), b"Sun, 06 Nov 1994 08:49:37 GMT");
    assert!(kept("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n").is_empty());
    assert!(kept("").is_empty());
    assert_eq!(kept("Date: Sun, 06 Nov 1994 08:49:38 GMT\r\nETag: W/\"w\"\r\n"), b"W/\"w\"");
}

#[test]
fn past_the_end_is_complete_only_when_proven() {
    let (got, body) = opened(ASK, 416, "Content-Range: bytes */100\r\n");
    assert_eq!(got, Opened { offset: 100, total: Some(100), validator: tag(b"\"v1\"") });
    assert!(body.is_done() && body.outcome().is_ok());
    let not_proven = [
        (ASK, "Content-Range: bytes */99\r\n"),
        (ASK, "Content-Range: bytes */101\r\n"),
        (ASK, ""),
        (ASK, "Content-Range: bytes */100\r\nETag: \"v2\"\r\n"),
        (Ask { validator: b"", ..ASK }, "Content-Range: bytes */100\r\n"),
        (Ask { validator: b"W/\"v1\"", ..ASK }, "Content-Range: bytes */100\r\n"),
    ];
    for (ask, fields) in not_proven {
        let error = refusal(ask, 416, fields);
        assert_eq!((error, error.failure()), (PeerError::PastEnd, Failure::Restart), "{fields:?}");
    }
}

#[test]
fn codes_mean_what_they_mean() {
    let failure = |status, fields: &str| refusal(ASK, status, fields).failure();
    for status in [408, 429, 500, 502, 503, 504, 599] {
        assert_eq!(failure(status, ""), Failure::Retry { after_ms: 0 }, "{status}");
        assert_eq!(failure(status, "Retry-After: 9\r\n"), Failure::Retry { after_ms: 9_000 }, "{status}");
    }
    assert_eq!(failure(503, "Retry-After: 999999\r\n"), Failure::Retry { after_ms: 3_600_000 });
    assert_eq!(failure(503, "Retry-After: 99999999999\r\n"), Failure::Retry { after_ms: 3_600_000 });
    assert_eq!(failure(503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"), Failure::Retry { after_ms: 60_000 });
    assert_eq!(failure(503, "Retry-After: soon\r\n"), Failure::Retry { after_ms: 0 });
    for status in [201, 203, 204, 300, 304, 305, 400, 401, 403, 404, 410, 451] {
        assert_eq!(failure(status, "Location: /x\r\nRetry-After: 9\r\n"), Failure::Permanent, "{status}");
    }
    assert_eq!(refusal(ASK, 404, "").text(), "HTTP 404");
    assert_eq!(refusal(ASK, 451, "").text(), "HTTP 4xx");
    assert_eq!(refusal(ASK, 302, "").failure(), Failure::Permanent);
    for status in [200, 206] {
        assert_eq!(
            refusal(ASK, status, "Content-Encoding: gzip\r\nContent-Range: bytes 100-199/200\r\n"),
            PeerError::Encoded
        );
    }
}

// --- bodies ---

/// Pushes raw bytes through a body in pieces, then closes. The payload and how it ended.
fn drain(mut body: Body, raw: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), PeerError>) {
    let (mut payload, mut at, mut turn) = (Vec::new(), 0, 0);
    while !body.is_done() {
        let size = body.read_max(sizes[turn.min(sizes.len() - 1)].max(1));
        turn += 1;
        let mut piece = raw[at..(at + size).min(raw.len())].to_vec();
        at += piece.len();
        let taken = if piece.is_empty() { body.on_closed().map(|()| 0) } else { body.accept(&mut piece) };
        match taken {
            Ok(n) => payload.extend_from_slice(&piece[..n]),
            Err(error) => return (payload, Err(error)),
        }
    }
    (payload, body.outcome())
}

#[test]
fn lengths_are_kept() {
    let known = |want| Body::new(false, want, true, false);
    assert_eq!(drain(known(5), b"abcde", &[2]), (b"abcde".to_vec(), Ok(())));
    assert_eq!(drain(known(5), b"abcdefgh", &[9]), (b"abcde".to_vec(), Ok(())));
    assert_eq!(drain(known(5), b"abcd", &[9]), (b"abcd".to_vec(), Err(PeerError::Truncated)));
    assert_eq!(drain(known(0), b"abcd", &[9]), (Vec::new(), Ok(())));
    assert_eq!(drain(Body::new(false, 9, false, false), b"abcd", &[3]), (b"abcd".to_vec(), Ok(())));
    assert_eq!(drain(Body::new(false, 3, false, false), b"abcd", &[9]), (b"abc".to_vec(), Ok(())));
    assert_eq!(drain(Body::new(false, 4, true, true), b"abcd", &[9]), (b"abcd".to_vec(), Err(PeerError::ShortRange)));
}

#[test]
fn chunks_are_decoded_and_refused() {
    let chunked = |want, announced| Body::new(true, want, announced, false);
    let raw = b"4\r\nabcd\r\n0a;n=\"v\"\r\n0123456789\r\n1 \r\n!\r\n000\r\nX: y\r\nZ:\r\n\r\ntail";
    for size in 1..raw.len() + 1 {
        assert_eq!(drain(chunked(u32::MAX, false), raw, &[size]), (b"abcd0123456789!".to_vec(), Ok(())), "{size}");
    }
    assert_eq!(drain(chunked(6, true), raw, &[1]), (b"abcd01".to_vec(), Ok(())), "only what was announced");
    assert_eq!(drain(chunked(16, true), raw, &[1]).1, Err(PeerError::Truncated), "less than announced");
    for cut in [0, 3, 5, 9, raw.len() - 6, raw.len() - 5] {
        assert_eq!(drain(chunked(u32::MAX, false), &raw[..cut], &[1]).1, Err(PeerError::Truncated), "cut at {cut}");
    }
    let long = [b"1;".to_vec(), b"e".repeat(2000)].concat();
    let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(400)].concat();
    let bad: [&[u8]; 14] = [
        b"\r\n",
        b"g\r\n",
        b";x\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\ra",
        b"100000000\r\n",
        b"1;\x01\r\n",
        b"0\r\n\n",
        &long,
        &trailers,
    ];
    for raw in bad {
        assert_eq!(
            drain(chunked(u32::MAX, false), raw, &[1]).1,
            Err(PeerError::Chunk),
            "{:?}",
            String::from_utf8_lossy(raw)
        );
    }
}

// --- any bytes ---

fn any_head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::from("HTTP/1.1 206 Partial Content\r\n")),
        Just(String::from("HTTP/1.1 100 Continue\r\n\r\n")),
        Just(String::from("HTTP/1.1 302 Found\n")),
        Just(String::from("\r\n")),
        "(Content-Length|content-range|ETag|Location|Transfer-Encoding|Retry-After|Date|X): ?[ -~]{0,70}\r?\n",
        "Content-Length: [0-9]{1,4}\r\n",
        "Content-Range: bytes [0-9]{1,3}-[0-9]{1,3}/[0-9*]{1,3}\r\n",
        "[\\x00-\\x7f]{0,12}",
    ];
    prop::collection::vec(line, 0..8)
        .prop_map(|lines| String::from("HTTP/1.1 200 OK\r\n") + &lines.concat() + "\r\n\r\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_head_means_the_same_in_any_pieces(text in any_head(), sizes in prop::collection::vec(1usize..40, 1..8)) {
        let whole = read_in(text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&read_in(text.as_bytes(), &[1]), &whole);
        prop_assert_eq!(&read_in(text.as_bytes(), &sizes), &whole);
    }

    #[test]
    fn any_answer_to_any_ask_is_bounded(text in any_head(), offset in 0u32..300, span in prop::option::of(1u32..300), tagged: bool) {
        let ask = Ask { offset, end: span.map(|n| offset + n), validator: if tagged { b"\"a\"" } else { b"" }, total: None };
        if let Ok((answer, _, _)) = read_in(text.as_bytes(), &[usize::MAX])
            && let Ok(Verdict::Body(opened, body)) = judge(&ask, &answer, &HttpConfig::DEFAULT)
        {
            prop_assert!(opened.offset == 0 || opened.offset == offset);
            let (payload, _) = drain(body, &[b'7'; 2000], &[700]);
            prop_assert!(ask.end.is_none_or(|end| payload.len() as u32 <= end - opened.offset));
        }
    }

    #[test]
    fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        let _ = read_in(&bytes, &[size]);
        let _ = drain(Body::new(true, 100, true, false), &bytes, &[size]);
    }

    #[test]
    fn chunks_mean_the_same_in_any_pieces(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..6),
        sizes in prop::collection::vec(1usize..50, 1..8),
        flip in prop::option::of((0usize..400, any::<u8>())),
    ) {
        let mut raw = Vec::new();
        for chunk in &chunks {
            raw.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            raw.extend_from_slice(chunk);
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"0\r\n\r\n");
        if let Some((at, byte)) = flip && let Some(slot) = raw.get_mut(at) {
            *slot = byte;
        }
        let body = || Body::new(true, u32::MAX, false, false);
        let (by_byte, by_pieces) = (drain(body(), &raw, &[1]), drain(body(), &raw, &sizes));
        prop_assert_eq!(&by_byte.1, &by_pieces.1);
        // The payload beside an error may be lost, never altered.
        prop_assert!(by_byte.0.starts_with(&by_pieces.0));
        if flip.is_none() {
            prop_assert_eq!(by_pieces, (chunks.concat(), Ok(())));
        }
    }
}
