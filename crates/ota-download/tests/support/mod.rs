//! A scripted HTTP server on real loopback sockets, and a caller that does what the agent does.

// Each test program uses its own part of this, and none has anybody to export it to.
#![allow(dead_code, unreachable_pub)]

pub mod coap;
pub mod socket;

use ota_download::{Failure, HttpConfig, HttpSource, Opened, Request, Source, SourceError};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does on a connection, in order; then it closes.
pub enum Act {
    Send(Vec<u8>),
    /// One byte at a time, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Again and again until the client goes away.
    Forever(Vec<u8>),
    /// Holds the connection open and says nothing.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Number of the connection, from 0.
    pub n: usize,
    pub text: String,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
    pub fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }
    /// First byte and, if given, one past the last.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.field("Range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), last.parse::<usize>().ok().map(|n| n + 1)))
    }
}

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, log.clone(), script.clone()));
            }
        });
        Self { port, seen, task }
    }

    /// One that sends the same bytes to everybody.
    pub async fn fixed(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |_| vec![Act::Send(response.clone())]).await
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F: Fn(&Seen) -> Vec<Act>>(mut socket: TcpStream, log: Arc<Mutex<Vec<Seen>>>, script: Arc<F>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8(text).unwrap();
    let seen = {
        let mut log = log.lock().unwrap();
        let seen = Seen { n: log.len(), text };
        log.push(seen.clone());
        seen
    };
    for act in script(&seen) {
        if perform(&mut socket, act).await.is_err() {
            return;
        }
    }
    let _ = socket.shutdown().await;
}

async fn perform(socket: &mut TcpStream, act: Act) -> std::io::Result<()> {
    match act {
        Act::Send(bytes) => socket.write_all(&bytes).await,
        Act::Drip(bytes, pause) => {
            socket.set_nodelay(true)?;
            for byte in bytes {
                socket.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Act::Forever(bytes) => {
            // Bounded, should a client never let go: 64 MiB.
            for _ in 0..(64 << 20) / bytes.len() {
                socket.write_all(&bytes).await?;
            }
            Ok(())
        }
        // Until the client goes away.
        Act::Hang => socket.read_u8().await.map(|_| ()),
    }
}

/// Bytes that differ from place to place.
pub fn object(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

/// The answer of a server that keeps every rule.
pub fn honest(seen: &Seen, data: &[u8], etag: &str) -> Vec<u8> {
    let fresh = seen.field("If-Range").is_none_or(|tag| tag == etag);
    match seen.range().filter(|_| fresh) {
        Some((first, _)) if first >= data.len() => {
            response(416, &format!("Content-Range: bytes */{}\r\nETag: {etag}\r\n", data.len()), b"")
        }
        Some((first, end)) => {
            let end = end.unwrap_or(data.len()).min(data.len());
            let range = format!("Content-Range: bytes {first}-{}/{}\r\nETag: {etag}\r\n", end - 1, data.len());
            response(206, &range, &data[first..end])
        }
        None => response(200, &format!("ETag: {etag}\r\n"), data),
    }
}

/// A response with its length.
pub fn response(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{fields}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A chunked response.
pub fn chunked(status: u16, fields: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n{fields}\r\n").into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    bytes
}

pub const fn request(locator: &str) -> Request<'_> {
    Request { locator, offset: 0, end: None, validator: b"" }
}

pub type Error = ota_download::HttpError<std::io::Error>;

/// Fails instead of hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("a deadline of 20 s")
}

/// Opens once with everything by default.
pub async fn open(request: Request<'_>) -> Result<Opened, Error> {
    open_with(request, HttpConfig::DEFAULT, ota_download::http::SCRATCH).await
}

pub async fn open_with(request: Request<'_>, config: HttpConfig<'_>, scratch: usize) -> Result<Opened, Error> {
    let mut scratch = vec![0; scratch];
    soon(HttpSource::new(socket::Tcp, &mut scratch, config).open(request)).await
}

/// What a caller like the agent ends with.
#[derive(Debug, Default)]
pub struct Fetched {
    pub data: Vec<u8>,
    /// Everything that came in, also what had to come again.
    pub received: usize,
    pub opens: usize,
    pub restarts: usize,
}

/// Downloads as the agent does: retries where it left off, restarts when told, up to `opens_max`.
pub async fn fetch(source: &mut impl Source, url: &str, opens_max: usize, block: usize) -> Result<Fetched, String> {
    let mut fetched = Fetched::default();
    let mut validator = Vec::new();
    let mut block = vec![0; block];
    let mut last = "no try";
    while fetched.opens < opens_max {
        fetched.opens += 1;
        let offset = u32::try_from(fetched.data.len()).unwrap();
        let request = Request { locator: url, offset, end: None, validator: &validator };
        let failure = match soon(source.open(request)).await {
            Ok(opened) => {
                assert!(opened.offset == 0 || opened.offset == offset, "neither 0 nor what was asked");
                fetched.data.truncate(opened.offset as usize);
                validator = opened.validator.to_vec();
                loop {
                    match soon(source.read(&mut block)).await {
                        Ok(0) => return Ok(fetched),
                        Ok(n) => {
                            fetched.received += n;
                            fetched.data.extend_from_slice(&block[..n]);
                        }
                        Err(error) => {
                            last = error.text();
                            break error.failure();
                        }
                    }
                }
            }
            Err(error) => {
                last = error.text();
                error.failure()
            }
        };
        match failure {
            Failure::Retry { .. } => {}
            Failure::Restart => {
                fetched.restarts += 1;
                fetched.data.clear();
                validator.clear();
            }
            Failure::Permanent => return Err(last.into()),
        }
    }
    Err(format!("out of tries: {last}"))
}
