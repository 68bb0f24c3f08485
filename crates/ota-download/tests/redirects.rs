//! Redirects: where to, how many, how long, and never down to plain text.

mod support;

use ota_download::http::{PeerError, SCRATCH, SCRATCH_MIN};
use ota_download::{Connect, ConnectError, Failure, HttpConfig, HttpError, HttpSource, Request, Source, SourceError};
use support::socket::{Socket, Tcp};
use support::{Act, Seen, Server, honest, object, open, open_with, request, response, soon};

fn to(location: &str) -> Vec<Act> {
    vec![Act::Send(response(302, &format!("Location: {location}\r\n"), b"moved"))]
}
fn ok() -> Vec<Act> {
    vec![Act::Send(response(200, "ETag: \"a\"\r\n", b"ok"))]
}

#[tokio::test]
async fn every_form_of_location() {
    let other = Server::start(|_| ok()).await;
    let port = other.port;
    let server = Server::start(move |seen| match seen.target() {
        "/abs" => to(&format!("http://127.0.0.1:{port}/x")),
        "/scheme" => to(&format!("//127.0.0.1:{port}/x")),
        "/path" => to("/x/y?z#f"),
        "/a/b/relative?q" => to("../c/./d"),
        "/query" => to("?q"),
        _ => ok(),
    })
    .await;
    for (from, want) in [("/path", "/x/y?z"), ("/a/b/relative?q", "/a/c/d"), ("/query", "/query?q")] {
        open(request(&server.url(from))).await.unwrap();
        assert_eq!(server.seen().last().unwrap().target(), want);
    }
    for from in ["/abs", "/scheme"] {
        open(request(&server.url(from))).await.unwrap();
        assert_eq!(other.seen().last().unwrap().target(), "/x");
        assert_eq!(other.seen().last().unwrap().field("Host"), Some(format!("127.0.0.1:{port}").as_str()));
    }
}

#[tokio::test]
async fn every_code_is_followed_and_the_range_goes_along() {
    let data = object(1_000, 0);
    let server = Server::start(move |seen| match seen.target().strip_prefix("/from/") {
        Some(code) => vec![Act::Send(response(code.parse().unwrap(), "Location: /to\r\n", b""))],
        None => vec![Act::Send(honest(seen, &data, "\"a\""))],
    })
    .await;
    for code in [301, 302, 303, 307, 308] {
        let url = server.url(&format!("/from/{code}"));
        let part = Request { offset: 400, validator: b"\"a\"", ..request(&url) };
        assert_eq!(open(part).await.unwrap().offset, 400);
        let seen = server.seen();
        let [first, second] = &seen[seen.len() - 2..] else { panic!() };
        for field in ["Range", "If-Range"] {
            assert!(first.field(field).is_some() && first.field(field) == second.field(field));
        }
    }
}

/// Counts down through `/N`.
fn countdown(seen: &Seen) -> Vec<Act> {
    match seen.target()[1..].parse::<u32>() {
        Ok(0) | Err(_) => ok(),
        Ok(n) => to(&format!("/{}", n - 1)),
    }
}

#[tokio::test]
async fn five_redirects_and_no_more() {
    let server = Server::start(countdown).await;
    open(request(&server.url("/5"))).await.unwrap();
    let error = open(request(&server.url("/6"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Peer(PeerError::Redirects)), "{error:?}");
    assert_eq!(error.failure(), Failure::Permanent);
    let before = server.seen().len();
    let mut none = HttpConfig::DEFAULT;
    none.redirects_max = 0;
    assert!(open_with(request(&server.url("/1")), none, SCRATCH).await.is_err());
    assert_eq!(server.seen().len(), before + 1);
    open_with(request(&server.url("/0")), none, SCRATCH).await.unwrap();
}

#[tokio::test]
async fn a_loop_ends() {
    let server = Server::start(|_| to("/again")).await;
    let error = open(request(&server.url("/"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Peer(PeerError::Redirects)));
    assert_eq!(server.seen().len(), 6);
    let server = Server::start(|_| to("")).await;
    assert!(open(request(&server.url("/"))).await.is_err());
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn long_locations_fit_or_are_refused() {
    let long = |n: usize| format!("/{}", "p".repeat(n));
    let server = Server::start(move |seen| match seen.target() {
        "/1k" => to(&long(1_000)),
        "/2k" => to(&long(2_020)),
        "/too-long" => to(&long(3_000)),
        // One of 1 KiB leads to another: both are in the buffer at once.
        target if target.starts_with("/ppp") && target.len() == 1_001 => to(&format!("/{}", "q".repeat(1_000))),
        _ => ok(),
    })
    .await;
    open(request(&server.url("/1k"))).await.unwrap();
    assert_eq!(server.seen().last().unwrap().target().len(), 1_001);
    assert!(server.seen().last().unwrap().target().starts_with("/qqq"));
    open(request(&server.url("/2k"))).await.unwrap();
    let error = open(request(&server.url("/too-long"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Peer(PeerError::LocationTooLong)), "{error:?}");
    assert_eq!(error.failure(), Failure::Permanent);
    let error = open_with(request(&server.url("/1k")), HttpConfig::DEFAULT, SCRATCH_MIN).await.unwrap_err();
    assert!(matches!(error, HttpError::Peer(PeerError::LocationTooLong)), "{error:?}");
}

#[tokio::test]
async fn targets_that_are_none() {
    for location in ["ftp://h/x", "http://", "http://user:pw@127.0.0.1/", "http://h:99999/", "/a b", "/\u{e9}"] {
        let bytes = response(302, &format!("Location: {location}\r\n"), b"");
        let server = Server::fixed(bytes).await;
        let error = open(request(&server.url("/"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Url(_)), "{location}: {error:?}");
        assert_eq!(error.failure(), Failure::Permanent);
    }
    let server = Server::fixed(response(302, "", b"")).await;
    assert_eq!(open(request(&server.url("/"))).await.unwrap_err().failure(), Failure::Permanent);
}

/// Stands for a connector with TLS: it goes to the same server, in the clear, and notes what was asked for.
struct Pretend {
    port: u16,
    asked: Vec<(String, u16, bool)>,
}
impl Connect for Pretend {
    type Error = std::io::Error;
    type Socket = Socket;
    const TLS: bool = true;
    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Socket, ConnectError<std::io::Error>> {
        self.asked.push((host.into(), port, tls));
        Tcp.connect("127.0.0.1", self.port, false).await
    }
}

#[tokio::test]
async fn up_to_tls_but_never_down() {
    let server = Server::start(|seen| match seen.target() {
        "/up" => to("https://secure.example/end"),
        "/down" => to("http://plain.example/end"),
        "/zigzag" => to("https://secure.example/down"),
        _ => ok(),
    })
    .await;
    let mut connect = Pretend { port: server.port, asked: Vec::new() };
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(&mut connect, &mut scratch, HttpConfig::DEFAULT);
    soon(source.open(request("http://plain.example/up"))).await.unwrap();
    for (url, connections) in [("https://secure.example:444/down", 3), ("http://plain.example/zigzag", 5)] {
        let error = soon(source.open(request(url))).await.unwrap_err();
        assert!(matches!(error, HttpError::Peer(PeerError::Downgrade)), "{error:?}");
        assert_eq!(error.failure(), Failure::Permanent);
        assert_eq!(server.seen().len(), connections);
    }
    let asked = |host: &str, port, tls| (host.to_string(), port, tls);
    drop(source);
    let want = [
        asked("plain.example", 80, false),
        asked("secure.example", 443, true),
        asked("secure.example", 444, true),
        asked("plain.example", 80, false),
        asked("secure.example", 443, true),
    ];
    assert_eq!(connect.asked, want);
}
