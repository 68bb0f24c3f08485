//! What a transfer must get right, against a server on a real socket.

mod support;

use ota_download::http::{SCRATCH, SCRATCH_MIN};
use ota_download::{
    Connect, ConnectError, Failure, HttpConfig, HttpError, HttpSource, Nal, Request, Source, SourceError,
};
use std::time::Duration;
use support::socket::{Socket, Tcp};
use support::{Act, Fetched, Server, chunked, fetch, honest, object, open, open_with, request, response, soon};

async fn fetch_from(server: &Server, opens_max: usize) -> Result<Fetched, String> {
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    fetch(&mut source, &server.url("/fw.ota"), opens_max, 500).await
}

#[tokio::test]
async fn a_whole_object_in_one_go() {
    let data = object(100_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| vec![Act::Send(honest(seen, &copy, "\"a\""))]).await;
    let fetched = fetch_from(&server, 1).await.unwrap();
    assert_eq!(fetched.data, data);
    let seen = &server.seen()[0];
    assert_eq!(seen.target(), "/fw.ota");
    assert_eq!(seen.field("Host"), Some(format!("127.0.0.1:{}", server.port).as_str()));
    assert_eq!(seen.field("Accept-Encoding"), Some("identity"));
    assert!(seen.range().is_none() && seen.field("If-Range").is_none());
}

#[tokio::test]
async fn every_reconnect_goes_on_where_the_last_one_broke() {
    let data = object(50_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| {
        let mut bytes = honest(seen, &copy, "\"a\"");
        bytes.truncate(4_000); // head and a part of the body, of varying length
        vec![Act::Send(bytes)]
    })
    .await;
    let fetched = fetch_from(&server, 20).await.unwrap();
    assert_eq!(fetched.data, data);
    assert_eq!(fetched.received, data.len(), "no byte twice");
    let seen = server.seen();
    assert!(seen.len() > 12);
    for (before, after) in seen.iter().zip(&seen[1..]) {
        assert!(after.range().unwrap().0 > before.range().map_or(0, |range| range.0));
        assert_eq!(after.field("If-Range"), Some("\"a\""));
    }
}

#[tokio::test]
async fn a_new_source_resumes_what_another_began() {
    let data = object(9_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| vec![Act::Send(honest(seen, &copy, "\"a\""))]).await;
    let url = server.url("/x");
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    let again = Request { offset: 4_096, validator: b"\"a\"", ..request(&url) };
    let opened = soon(source.open(again)).await.unwrap();
    assert_eq!((opened.offset, opened.total, &opened.validator[..]), (4_096, Some(9_000), &b"\"a\""[..]));
    let (mut got, mut block) = (Vec::new(), [0; 700]);
    while let n @ 1.. = soon(source.read(&mut block)).await.unwrap() {
        got.extend_from_slice(&block[..n]);
    }
    assert_eq!(got, data[4_096..]);
    assert_eq!(soon(source.read(&mut block)).await.unwrap(), 0, "the end stays the end");
}

#[tokio::test]
async fn a_bounded_part_of_an_object() {
    let data = object(9_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| match seen.target() {
        "/ranges" => vec![Act::Send(honest(seen, &copy, "\"a\""))],
        _ => vec![Act::Send(response(200, "", &copy))],
    })
    .await;
    for (target, begins) in [("/ranges", 1_000), ("/none", 0)] {
        let url = server.url(target);
        let mut scratch = [0; SCRATCH_MIN];
        let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
        let part = Request { offset: 1_000, end: Some(3_000), ..request(&url) };
        assert_eq!(soon(source.open(part)).await.unwrap().offset, begins);
        let (mut got, mut block) = (Vec::new(), [0; 700]);
        while let n @ 1.. = soon(source.read(&mut block)).await.unwrap() {
            got.extend_from_slice(&block[..n]);
        }
        assert_eq!(got, data[begins as usize..3_000]);
    }
    assert_eq!(server.seen()[0].field("Range"), Some("bytes=1000-2999"));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_makes_it_begin_anew() {
    let data = object(20_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| {
        let mut bytes = response(200, "", &copy);
        if seen.n == 0 {
            bytes.truncate(9_000);
        }
        vec![Act::Send(bytes)]
    })
    .await;
    let fetched = fetch_from(&server, 2).await.unwrap();
    assert_eq!(fetched.data, data);
    assert!(server.seen()[1].range().is_some() && fetched.received > data.len());
}

#[tokio::test]
async fn a_replaced_object_is_never_mixed_with_the_old_one() {
    let (old, new) = (object(20_000, 0), object(20_000, 0xFF));
    // Honest: If-Range does not hold, so the answer is 200. Careless: 206 of the new object, with its new tag.
    for careless in [false, true] {
        let (old, copy) = (old.clone(), new.clone());
        let server = Server::start(move |seen| match seen.n {
            0 => vec![Act::Send(honest(seen, &old, "\"a\"")[..7_000].to_vec())],
            1 if careless => {
                let (first, _) = seen.range().unwrap();
                let range = format!("Content-Range: bytes {first}-19999/20000\r\nETag: \"b\"\r\n");
                vec![Act::Send(response(206, &range, &copy[first..]))]
            }
            _ => vec![Act::Send(honest(seen, &copy, "\"b\""))],
        })
        .await;
        let fetched = fetch_from(&server, 3).await.unwrap();
        assert_eq!(fetched.data, new);
        assert_eq!(fetched.restarts, usize::from(careless));
    }
}

#[tokio::test]
async fn a_size_that_changes_gives_a_replaced_object_away() {
    let (old, new) = (object(20_000, 0), object(20_001, 0xFF));
    let copy = new.clone();
    // No validator at all.
    let server = Server::start(move |seen| {
        let data = if seen.n == 0 { &old } else { &copy };
        let answer = match seen.range() {
            None => response(200, "", data),
            Some((first, _)) => {
                let range = format!("Content-Range: bytes {first}-{}/{}\r\n", data.len() - 1, data.len());
                response(206, &range, &data[first..])
            }
        };
        let len = if seen.n == 0 { 7_000 } else { answer.len() };
        vec![Act::Send(answer[..len].to_vec())]
    })
    .await;
    let fetched = fetch_from(&server, 3).await.unwrap();
    assert_eq!((fetched.data, fetched.restarts), (new, 1));
}

/// A payload inside a package never begins at 0: a restart there must not be held against the old size.
#[tokio::test]
async fn a_restart_in_the_middle_forgets_the_old_size() {
    let server = Server::start(|seen| {
        let data = object(if seen.n == 0 { 5_000 } else { 6_000 }, 0);
        let (first, end) = seen.range().unwrap();
        let range = format!("Content-Range: bytes {first}-{}/{}\r\n", end.unwrap() - 1, data.len());
        vec![Act::Send(response(206, &range, &data[first..end.unwrap()]))]
    })
    .await;
    let url = server.url("/");
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    let at = |offset| Request { offset, end: Some(4_000), ..request(&url) };
    assert_eq!(soon(source.open(at(1_000))).await.unwrap().total, Some(5_000));
    assert_eq!(soon(source.open(at(2_000))).await.unwrap_err().failure(), Failure::Restart);
    assert_eq!(soon(source.open(at(1_000))).await.unwrap().total, Some(6_000));
}

#[tokio::test]
async fn past_the_end_restarts_unless_all_is_there() {
    let data = object(3_000, 0);
    let server = Server::start(move |seen| vec![Act::Send(honest(seen, &data, "\"a\""))]).await;
    let url = server.url("/");
    let at = |offset, validator| Request { offset, validator, ..request(&url) };
    let error = open(at(3_001, b"\"a\"")).await.unwrap_err();
    assert_eq!((error.failure(), error.text()), (Failure::Restart, "HTTP 416"));
    assert_eq!(open(at(3_000, b"")).await.unwrap_err().failure(), Failure::Restart);
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    let opened = soon(source.open(at(3_000, b"\"a\""))).await.unwrap();
    assert_eq!((opened.offset, opened.total), (3_000, Some(3_000)));
    assert_eq!(soon(source.read(&mut [0; 9])).await.unwrap(), 0);
}

#[tokio::test]
async fn chunked_bodies_whole_and_in_parts() {
    let data = object(30_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| {
        let mut bytes = match seen.range() {
            None => chunked(200, "ETag: \"a\"\r\n", &copy, 100),
            Some((first, _)) => {
                let range = format!("Content-Range: bytes {first}-29999/30000\r\nETag: \"a\"\r\n");
                chunked(206, &range, &copy[first..], 77)
            }
        };
        bytes.truncate(9_999);
        vec![Act::Send(bytes)]
    })
    .await;
    let fetched = fetch_from(&server, 9).await.unwrap();
    assert_eq!((fetched.data, fetched.received), (data, 30_000));
}

#[tokio::test]
async fn a_body_until_close_has_no_total() {
    let data = object(5_000, 0);
    let mut bytes = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
    bytes.extend_from_slice(&data);
    let server = Server::fixed(bytes).await;
    assert_eq!(open(request(&server.url("/"))).await.unwrap().total, None);
    assert_eq!(fetch_from(&server, 1).await.unwrap().data, data);
}

#[tokio::test]
async fn a_slow_drip_survives_dropped_reads() {
    for chunks in [false, true] {
        let data = object(120, 0);
        let bytes = if chunks { chunked(200, "", &data, 7) } else { response(200, "", &data) };
        let server = Server::start(move |_| vec![Act::Drip(bytes.clone(), Duration::from_millis(2))]).await;
        let url = server.url("/");
        let mut scratch = [0; SCRATCH];
        let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
        soon(source.open(request(&url))).await.unwrap();
        let (mut got, mut drops, mut block) = (Vec::new(), 0, [0; 16]);
        loop {
            match tokio::time::timeout(Duration::from_micros(300), source.read(&mut block)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(n)) => got.extend_from_slice(&block[..n]),
                Ok(Err(error)) => panic!("{error:?}"),
                Err(_) => drops += 1,
            }
            assert!(drops < 100_000);
        }
        assert_eq!(got, data);
        assert!(drops > 20, "{drops} reads were dropped");
    }
}

#[tokio::test]
async fn a_dropped_open_leaves_the_source_closed_and_usable() {
    let data = object(1_000, 0);
    let copy = data.clone();
    let server = Server::start(move |seen| match seen.n {
        0 => vec![Act::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Act::Hang],
        _ => vec![Act::Send(honest(seen, &copy, "\"a\""))],
    })
    .await;
    let url = server.url("/");
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Tcp, &mut scratch, HttpConfig::DEFAULT);
    assert!(tokio::time::timeout(Duration::from_millis(100), source.open(request(&url))).await.is_err());
    assert!(matches!(source.read(&mut [0; 8]).await, Err(HttpError::Misuse)));
    assert_eq!(fetch(&mut source, &url, 1, 64).await.unwrap().data, data);
    source.close().await;
    assert!(matches!(source.read(&mut [0; 8]).await, Err(HttpError::Misuse)));
}

#[tokio::test]
async fn long_urls_need_no_long_buffer() {
    let server = Server::fixed(response(200, "", b"ok")).await;
    for len in [1_024, 2_048, 8_192] {
        let target = format!("/fw?sig={}", "s".repeat(len));
        open_with(request(&server.url(&target)), HttpConfig::DEFAULT, SCRATCH_MIN).await.unwrap();
        assert_eq!(server.seen().last().unwrap().target(), target);
    }
}

#[tokio::test]
async fn misuse_and_bad_urls_are_said_without_a_connection() {
    let server = Server::fixed(response(200, "", b"ok")).await;
    let url = server.url("/");
    assert!(matches!(open_with(request(&url), HttpConfig::DEFAULT, 255).await, Err(HttpError::Misuse)));
    for end in [4, 5] {
        let empty = Request { offset: 5, end: Some(end), ..request(&url) };
        assert_eq!(open(empty).await.unwrap_err().failure(), Failure::Restart);
    }
    for bad in ["", "http://", "ftp://h/", "http://u@h/", "http://h:0/", "http://h/ x"] {
        assert_eq!(open(request(bad)).await.unwrap_err().failure(), Failure::Permanent, "{bad}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn https_without_tls_is_refused_and_never_sent_in_the_clear() {
    let server = Server::fixed(response(200, "", b"ok")).await;
    let url = server.url("/").replace("http:", "https:");
    let error = open(request(&url)).await.unwrap_err();
    assert_eq!((error.failure(), error.text()), (Failure::Permanent, "https needs TLS"));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_absent_server_is_worth_another_try() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(open(request(&url)).await.unwrap_err().failure(), Failure::Retry { after_ms: 0 });
}

/// A stack in the terms of `embedded-nal-async`.
struct Stack;
impl embedded_nal_async::TcpConnect for Stack {
    type Error = std::io::Error;
    type Connection<'a> = Socket;
    async fn connect(&self, remote: std::net::SocketAddr) -> std::io::Result<Socket> {
        tokio::net::TcpStream::connect(remote).await.map(Socket)
    }
}
impl embedded_nal_async::Dns for Stack {
    type Error = ();
    async fn get_host_by_name(&self, host: &str, _: embedded_nal_async::AddrType) -> Result<std::net::IpAddr, ()> {
        if host == "files.example" { Ok([127, 0, 0, 1].into()) } else { Err(()) }
    }
    async fn get_host_by_address(&self, _: std::net::IpAddr, _: &mut [u8]) -> Result<usize, ()> {
        Err(())
    }
}

#[tokio::test]
async fn any_nal_stack_will_do() {
    let server = Server::fixed(response(200, "", b"payload")).await;
    let mut scratch = [0; SCRATCH];
    let mut source = HttpSource::new(Nal::new(&Stack, &Stack), &mut scratch, HttpConfig::DEFAULT);
    for host in ["files.example", "127.0.0.1"] {
        let url = format!("http://{host}:{}/", server.port);
        assert_eq!(fetch(&mut source, &url, 1, 3).await.unwrap().data, b"payload");
    }
    let unknown = soon(source.open(request("http://other.example/"))).await.unwrap_err();
    assert_eq!((unknown.failure(), unknown.text()), (Failure::Retry { after_ms: 0 }, "host not found"));
    assert!(matches!(soon(source.open(request("https://files.example/"))).await, Err(HttpError::NoTls)));
}

/// The connector may be lent.
#[tokio::test]
async fn a_connector_is_borrowed_or_owned() {
    async fn refused(mut connect: impl Connect) -> bool {
        matches!(connect.connect("127.0.0.1", 443, true).await, Err(ConnectError::NoTls))
    }
    assert!(refused(&mut Tcp).await && refused(Tcp).await);
}
