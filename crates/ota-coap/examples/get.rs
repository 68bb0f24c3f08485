//! Fetches a path from a CoAP server over UDP, block by block, and prints what came.
//!
//! `cargo run -p ota-coap --example get -- 127.0.0.1:5683 /path`

use ota_coap::{Code, Download, ETag, Endpoint, Event, ExchangeConfig, Message, Piece, Step, Szx};
use ota_hal::{Entropy, Millis};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Chance from the keys of the standard library's maps. A device has a generator.
struct Host;
impl Entropy for Host {
    fn next_u32(&mut self) -> u32 {
        RandomState::new().hash_one(0) as u32
    }
}

struct Client {
    socket: UdpSocket,
    begun: Instant,
    endpoint: Endpoint,
}

impl Client {
    fn now(&self) -> Millis {
        Millis(self.begun.elapsed().as_millis() as u64)
    }

    /// The whole driver: sends when told to, waits as long as told, and hands in what arrives.
    fn request<'a>(&mut self, request: &[u8], buffer: &'a mut [u8]) -> Result<Message<'a>, Box<dyn Error>> {
        loop {
            let now = self.now();
            match self.endpoint.poll(now) {
                Step::Send => _ = self.socket.send(request)?,
                Step::Wait(until) => {
                    let wait = Duration::from_millis(until.since(now).max(1));
                    self.socket.set_read_timeout(Some(wait))?;
                    let Ok(len) = self.socket.recv(buffer) else { continue };
                    let incoming = self.endpoint.on_datagram(self.now(), &buffer[..len]);
                    if let Some(reply) = incoming.reply {
                        self.socket.send(&reply)?;
                    }
                    match incoming.event {
                        // Decoded again: the loop may not keep a borrow of the buffer.
                        Event::Response(_) => return Ok(Message::decode(&buffer[..len]).map_err(|_| "unreachable")?),
                        Event::Failed(failure) => return Err(failure.into()),
                        Event::Nothing | Event::Notification(_) => {}
                    }
                }
                Step::Failed(failure) => return Err(failure.into()),
                Step::Idle => return Err("no request is open".into()),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: get HOST:PORT /PATH".into());
    };
    let socket = UdpSocket::bind(if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect(server)?;
    let endpoint = Endpoint::new(ExchangeConfig::default(), &mut Host);
    let mut client = Client { socket, begun: Instant::now(), endpoint };
    let mut download = Download::new(0, Szx::MAX, ETag::NONE)?;
    let (mut request, mut response) = ([0; 256], [0; 1_280]);
    loop {
        let opening = client.endpoint.begin(client.now(), true, &mut Host)?;
        let mut message = opening.encode(&mut request, Code::GET);
        download.write(message.path(&path));
        let len = message.finish(b"")?;
        let answer = client.request(&request[..len], &mut response)?;
        let Piece { bytes, last, .. } = download.on_response(&answer)?;
        std::io::stdout().write_all(bytes)?;
        if last {
            return Ok(());
        }
    }
}
