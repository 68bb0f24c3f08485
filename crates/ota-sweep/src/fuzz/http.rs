//! URL, response head, the verdict on it, and the body.

use ota_download::HttpConfig;
use ota_download::http::{Answer, Ask, Body, Chunked, ContentRange, Head, PeerError, Progress, Verdict, judge};
use ota_download::url::{Url, resolve};

/// The first bytes say what was asked and in which pieces the answer comes; the others are the answer.
pub(super) fn body(data: &[u8]) {
    let Some((&[flags, offset, span, size], text)) = data.split_first_chunk() else { return };
    let size = usize::from(size).max(1);
    let whole = read_in(text, usize::MAX);
    assert_eq!(read_in(text, 1), whole, "a head means something else byte by byte");
    assert_eq!(read_in(text, size), whole, "a head means something else in pieces");
    url(text);
    let _ = ContentRange::parse(text);
    chunks(text, size);
    let Ok((answer, location, used)) = whole else { return };
    let offset = u32::from(offset);
    let end = (flags & 1 == 1).then(|| offset + u32::from(span).max(1));
    let validator: &[u8] = if flags & 2 == 2 { b"\"a\"" } else { b"" };
    let total = (flags & 4 == 4).then_some(300);
    match judge(&Ask { offset, end, validator, total }, &answer, &HttpConfig::DEFAULT) {
        Ok(Verdict::Body(opened, body)) => {
            assert!(opened.offset == 0 || opened.offset == offset, "a body from elsewhere");
            let payload = drained(body, &text[used..], size);
            assert!(end.is_none_or(|end| payload as u32 <= end - opened.offset), "more than was asked for");
        }
        Ok(Verdict::Redirect(len)) => assert!(len <= location.len()),
        Err(error) => assert!(!error.text().is_empty()),
    }
}

/// Reads a head in pieces of `size`: the answer, its location, and where the body begins.
fn read_in(text: &[u8], size: usize) -> Result<(Answer, Vec<u8>, usize), PeerError> {
    let mut head = Head::new(1024);
    let mut location = [0; 64];
    let mut at = 0;
    for piece in text.chunks(size) {
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

/// Pushes raw bytes through a body: how much payload came. Each push must get on.
fn drained(mut body: Body, raw: &[u8], size: usize) -> usize {
    let (mut payload, mut at) = (0, 0);
    while !body.is_done() {
        let len = body.read_max(size).min(raw.len() - at);
        let mut piece = raw[at..at + len].to_vec();
        at += len;
        let taken = if len == 0 { body.on_closed().map(|()| 0) } else { body.accept(&mut piece) };
        match taken {
            Ok(n) => payload += n,
            Err(_) => return payload,
        }
        assert!(len > 0 || body.is_done(), "closed, and not at its end");
        assert!(payload <= at, "payload out of nothing");
    }
    let _ = body.outcome();
    payload
}

/// Chunks mean the same byte by byte; the payload beside an error may be lost, never altered.
fn chunks(raw: &[u8], size: usize) {
    let (by_byte, by_pieces) = (unchunked(raw, 1), unchunked(raw, size));
    assert_eq!(by_byte.1, by_pieces.1, "chunks mean something else byte by byte");
    assert!(by_byte.0.starts_with(&by_pieces.0), "another payload");
}

fn unchunked(raw: &[u8], size: usize) -> (Vec<u8>, Result<bool, PeerError>) {
    let (mut chunked, mut payload) = (Chunked::new(), Vec::new());
    for piece in raw.chunks(size) {
        let mut piece = piece.to_vec();
        match chunked.decode(&mut piece) {
            Ok(n) => payload.extend(&piece[..n]),
            Err(error) => return (payload, Err(error)),
        }
        if chunked.is_done() {
            break;
        }
    }
    (payload, Ok(chunked.is_done()))
}

/// A URL that is taken is made of its parts, and what resolves against one is a URL again.
fn url(text: &[u8]) {
    let Ok(text) = core::str::from_utf8(text) else { return };
    if let Ok(url) = Url::parse(text) {
        let scheme = if url.tls() { "https" } else { "http" };
        let plain = format!("{scheme}://{}{}", url.authority(), url.target());
        let again = Url::parse(&plain).expect("the parts are a URL");
        assert_eq!((again.host(), again.port(), again.target()), (url.host(), url.port(), url.target()));
        assert!(text.contains(url.host()));
    }
    for base in ["http://h/a/b?c", "https://h:8443/"] {
        if let Ok(url) = resolve(base, text, &mut [0; 512]) {
            assert!(Url::parse(url).is_ok(), "resolved to no URL: {url}");
        }
    }
}

/// Answers that servers give, and URLs.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let whole = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nabcde";
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/300\r\nETag: \"a\"\r\n\
                Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:39 GMT\r\n\r\nabcde";
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nabcd\r\n0a\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    [
        ([0, 0, 0, 7], whole),
        ([7, 10, 5, 3], part),
        ([1, 0, 200, 5], chunked),
        ([1, 2, 3, 4], "4\r\nabcd\r\n1\r\n!\r\n0\r\n\r\n"),
        ([0, 0, 0, 9], "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 Found\r\nLocation: ../x?y#z\r\n\r\n"),
        ([0, 0, 0, 9], "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n"),
        ([6, 100, 0, 2], "HTTP/1.1 416 x\r\nContent-Range: bytes */100\r\n\r\n"),
        ([0, 0, 0, 2], "https://user@host.example:8443/a/b/../c?d=e#f"),
        ([0, 0, 0, 2], "//other/x"),
        ([0, 0, 0, 2], "http://[fe80::1]:80"),
    ]
    .map(|(head, text): ([u8; 4], &str)| [&head[..], text.as_bytes()].concat())
    .into()
}
