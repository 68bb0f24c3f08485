//! Servers that lie, break off, or never end. Each gets a typed error, in bounded time and memory.

mod support;

use ota_download::http::{PeerError, SCRATCH};
use ota_download::{Failure, HttpConfig, HttpError, HttpSource, Request, Source, SourceError};
use support::socket::Tcp;
use support::{Act, Server, fetch, honest, object, open, request, response, soon};

/// What the source says to a server that sends this to a request for bytes from 100 on.
async fn said(bytes: impl Into<Vec<u8>>) -> PeerError {
    let server = Server::fixed(bytes).await;
    let url = server.url("/");
    let part = Request { offset: 100, validator: b"\"a\"", ..request(&url) };
    match open(part).await {
        Err(HttpError::Peer(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lies_about_the_range() {
    let ranges = [
        "bytes 0-199/200",
        "bytes 99-199/200",
        "bytes 101-199/200",
        "bytes 100-199/100",
        "bytes 100-199/150",
        "bytes 100-99/200",
        "bytes 100-199/*",
        "bytes */200",
        "bytes 100-199",
        "100-199/200",
        "bytes 100-99999999999/999999999999",
    ];
    for range in ranges {
        let error = said(response(206, &format!("Content-Range: {range}\r\n"), &object(100, 0))).await;
        assert_eq!((error, error.failure()), (PeerError::Range, Failure::Restart), "{range}");
    }
    assert_eq!(said(response(206, "", &object(100, 0))).await, PeerError::Range);
    let multipart = "Content-Type: multipart/byteranges; boundary=x\r\n";
    assert_eq!(said(response(206, multipart, b"--x--")).await, PeerError::Range);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for() {
    let server = Server::fixed(response(206, "Content-Range: bytes 0-9/10\r\n", &object(10, 0))).await;
    assert!(matches!(open(request(&server.url("/"))).await, Err(HttpError::Peer(PeerError::Range))));
}

/// Ranges are broken at every offset but 0: starting over gets there.
#[tokio::test]
async fn broken_ranges_do_not_stop_the_transfer() {
    let data = object(9_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| {
        let len = if seen.n == 0 { 5_000 } else { usize::MAX };
        let bytes = match seen.range() {
            None => response(200, "ETag: \"a\"\r\n", &copy),
            Some(_) => response(206, "Content-Range: bytes 0-8999/9000\r\nETag: \"a\"\r\n", &copy),
        };
        vec![Act::Send(bytes[..len.min(bytes.len())].to_vec())]
    })
    .await;
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    let fetched = fetch(&mut source, &server.url("/"), 3, 512).await.unwrap();
    assert_eq!((fetched.data, fetched.restarts), (data, 1));
}

#[tokio::test]
async fn a_smaller_part_than_asked_is_taken_and_the_rest_asked_again() {
    let data = object(10_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| {
        let first = seen.range().map_or(0, |range| range.0);
        let last = (first + 1_500).min(copy.len());
        match seen.n {
            0 => vec![Act::Send(honest(seen, &copy, "\"a\"")[..1_000].to_vec())],
            _ => {
                let range = format!("Content-Range: bytes {first}-{}/10000\r\nETag: \"a\"\r\n", last - 1);
                vec![Act::Send(response(206, &range, &copy[first..last]))]
            }
        }
    })
    .await;
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    let fetched = fetch(&mut source, &server.url("/"), 20, 512).await.unwrap();
    assert_eq!((fetched.data, fetched.received), (data, 10_000));
}

/// Reads to the end or the first error.
async fn read_all(server: &Server) -> (Vec<u8>, Result<(), Failure>) {
    let url = server.url("/");
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    soon(source.open(request(&url))).await.unwrap();
    let (mut got, mut block) = (Vec::new(), [0; 100]);
    loop {
        match soon(source.read(&mut block)).await {
            Ok(0) => return (got, Ok(())),
            Ok(n) => got.extend_from_slice(&block[..n]),
            Err(error) => {
                assert!(matches!(source.read(&mut block).await, Err(HttpError::Misuse)), "closed after an error");
                return (got, Err(error.failure()));
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let again = Err(Failure::Retry { after_ms: 0 });
    let whole = response(200, "", &object(1_000, 0));
    for cut in [1, 500, 999] {
        let server = Server::fixed(&whole[..whole.len() - cut]).await;
        assert_eq!(read_all(&server).await, (object(1_000, 0)[..1_000 - cut].to_vec(), again));
    }
    let chunked = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert_eq!(read_all(&Server::fixed(*chunked).await).await, (b"abc".to_vec(), again));
    let broken = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX";
    assert_eq!(read_all(&Server::fixed(&broken[..broken.len() - 1]).await).await, (b"abc".to_vec(), again));
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_its_length() {
    let head = b"HTTP/1.1 200 x\r\nContent-Length: 5000\r\n\r\n".to_vec();
    let server = Server::start(move |_| vec![Act::Send(head.clone()), Act::Forever(vec![7; 4_096])]).await;
    assert_eq!(read_all(&server).await, (vec![7; 5_000], Ok(())));
    let part = b"HTTP/1.1 206 x\r\nContent-Range: bytes 100-199/200\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let server = Server::start(move |_| vec![Act::Send(part.clone()), Act::Forever(b"1\r\n7\r\n".repeat(100))]).await;
    let url = server.url("/");
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    soon(source.open(Request { offset: 100, ..request(&url) })).await.unwrap();
    let (mut got, mut block) = (0, [0; 64]);
    while let n @ 1.. = soon(source.read(&mut block)).await.unwrap() {
        got += n;
    }
    assert_eq!(got, 100);
}

#[tokio::test]
async fn heads_that_never_end() {
    for endless in [&b"X: y\r\n"[..], b"x", b"HTTP/1.1 100 Continue\r\n\r\n"] {
        let start = if endless[0] == b'H' { &b""[..] } else { b"HTTP/1.1 200 OK\r\n" };
        let endless = endless.repeat(100);
        let server = Server::start(move |_| vec![Act::Send(start.to_vec()), Act::Forever(endless.clone())]).await;
        let error = open(request(&server.url("/"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Peer(PeerError::HeadTooLong)), "{error:?}");
        assert_eq!(error.failure(), Failure::Retry { after_ms: 0 });
    }
}

#[tokio::test]
async fn heads_that_end_early_or_are_none() {
    let whole = response(200, "ETag: \"a\"\r\n", b"");
    for cut in 0..whole.len() {
        let server = Server::fixed(&whole[..cut]).await;
        assert!(matches!(open(request(&server.url("/"))).await, Err(HttpError::Closed)), "cut at {cut}");
    }
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"SSH-2.0-x\r\n", b"<html></html>\r\n\r\n", b"HTTP/2 200\r\n\r\n"] {
        let server = Server::fixed(garbage).await;
        let error = open(request(&server.url("/"))).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Retry { after_ms: 0 }, "{error:?}");
    }
}

#[tokio::test]
async fn codings_and_sizes_we_cannot_take() {
    assert_eq!(said(response(200, "Content-Encoding: gzip\r\n", b"x")).await, PeerError::Encoded);
    let huge = b"HTTP/1.1 200 x\r\nContent-Length: 4294967296\r\n\r\n";
    assert_eq!(said(*huge).await, PeerError::TooLarge);
    let both = b"HTTP/1.1 200 x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(said(*both).await, PeerError::Head);
}

#[tokio::test]
async fn refusals_and_waits() {
    for (status, fields, failure) in [
        (404, "", Failure::Permanent),
        (403, "Retry-After: 1\r\n", Failure::Permanent),
        (500, "", Failure::Retry { after_ms: 0 }),
        (503, "Retry-After: 2\r\n", Failure::Retry { after_ms: 2_000 }),
        (429, "Retry-After: 4000000000\r\n", Failure::Retry { after_ms: 3_600_000 }),
        (503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", Failure::Retry { after_ms: 60_000 }),
        (416, "Content-Range: bytes */50\r\n", Failure::Restart),
    ] {
        // The body of a refusal is a page for people, and never firmware.
        assert_eq!(said(response(status, fields, b"<html>no</html>")).await.failure(), failure, "{status}");
    }
}
