//! [`Nal`] and [`NalUdp`] over the sockets of the operating system, through a stack that others wrote.

mod support;

use ota_coap::{Block, Code, Encoder, ExchangeConfig, Kind, Message, option};
use ota_download::coap::SCRATCH;
use ota_download::{CoapConfig, CoapSource, Failure, Nal, Source, SourceError};
use ota_testkit::Rng;
use std::net::{SocketAddr, UdpSocket};
use std::thread::spawn;
use std::time::Instant;
use std_embedded_nal_async::Stack;
use support::socket::Ticks;
use support::{fetch, object, request, soon};

const LEN: usize = 10_000;

/// The answer of a server of `object`: the block that was asked for.
fn answer(request: &[u8], object: &[u8]) -> Vec<u8> {
    let asked = Message::decode(request).unwrap();
    let block = Block::decode(asked.option(option::BLOCK2).unwrap()).unwrap();
    let (start, mut bytes) = (block.offset() as usize, [0; 1_200]);
    let end = object.len().min(start + block.szx.bytes() as usize);
    let mut answer = Encoder::new(&mut bytes, Kind::Acknowledgement, Code::CONTENT, asked.id, asked.token);
    answer.option(option::ETAG, b"v1").uint(option::BLOCK2, Block { more: end < object.len(), ..block }.encode());
    let len = answer.finish(&object[start..end]).unwrap();
    bytes[..len].to_vec()
}

/// Answers each request with what `serve` makes of it and of who asked, until the program ends.
fn server(at: &str, serve: impl Fn(&UdpSocket, SocketAddr, &[u8]) + Send + 'static) -> u16 {
    let socket = UdpSocket::bind((at, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    spawn(move || {
        let mut bytes = [0; 2_000];
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            serve(&socket, from, &bytes[..len]);
        }
    });
    port
}

fn honest(socket: &UdpSocket, from: SocketAddr, request: &[u8]) {
    socket.send_to(&answer(request, &object(LEN, 0)), from).unwrap();
}

fn source<'s>(
    stack: &'s Stack,
    scratch: &'s mut [u8],
    ack_timeout_ms: u16,
) -> CoapSource<'s, Nal<'s, Stack, Stack>, Ticks, Rng> {
    let mut config = CoapConfig::DEFAULT;
    config.exchange = ExchangeConfig { ack_timeout_ms, ..ExchangeConfig::default() };
    CoapSource::new(Nal::new(stack, stack), Ticks(Instant::now()), Rng::new(1), scratch, config)
}

/// What `url` comes to when it is opened.
async fn opened(url: &str) -> Result<(), (Failure, &'static str)> {
    let (stack, mut scratch) = (Stack::default(), [0; SCRATCH]);
    let mut source = source(&stack, &mut scratch, 100);
    let opened = soon(source.open(request(url))).await;
    opened.map(drop).map_err(|error| (error.failure(), error.text()))
}

#[tokio::test]
async fn an_object_comes_by_address_and_by_name() {
    let (stack, mut scratch) = (Stack::default(), [0; SCRATCH]);
    let mut source = source(&stack, &mut scratch, 2_000);
    for (at, host) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("::1", "[::1]")] {
        let url = format!("coap://{host}:{}/fw", server(at, honest));
        assert!(fetch(&mut source, &url, 1, 300).await.unwrap().data == object(LEN, 0), "{url}");
    }
}

/// The socket is connected: an answer from another port, with the right token and the wrong bytes, is not heard.
#[tokio::test]
async fn strangers_are_not_heard() {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server("127.0.0.1", move |socket, from, request| {
        stranger.send_to(&answer(request, &object(LEN, 0xFF)), from).unwrap();
        honest(socket, from, request);
    });
    let (stack, mut scratch) = (Stack::default(), [0; SCRATCH]);
    let fetched = fetch(&mut source(&stack, &mut scratch, 2_000), &format!("coap://127.0.0.1:{port}"), 1, 300).await;
    assert!(fetched.unwrap().data == object(LEN, 0));
}

/// A datagram that is longer than the buffer is cut by the stack without a word.
#[tokio::test]
async fn a_cut_datagram_is_no_short_block() {
    let port = server("127.0.0.1", |socket, from, request| {
        let long = [&answer(request, &object(LEN, 0))[..], &[0; 2_000]].concat();
        socket.send_to(&long, from).unwrap();
    });
    let failed = opened(&format!("coap://127.0.0.1:{port}/")).await;
    assert_eq!(failed, Err((Failure::Permanent, "CoAP: message too long")));
}

#[tokio::test]
async fn what_cannot_be_opened_is_told() {
    let retry = Failure::Retry { after_ms: 0 };
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(opened(&format!("coap://127.0.0.1:{nobody}/")).await, Err((retry, "network error")));
    let silent = server("127.0.0.1", |_, _, _| {});
    assert_eq!(opened(&format!("coap://127.0.0.1:{silent}/")).await, Err((retry, "CoAP: no answer")));
    assert_eq!(opened("coap://no-such-host.invalid/").await, Err((retry, "host not found")));
    assert_eq!(opened("coaps://127.0.0.1/").await, Err((Failure::Permanent, "coaps needs DTLS")));
}
