//! What an answer means for what was asked.

use super::*;

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
