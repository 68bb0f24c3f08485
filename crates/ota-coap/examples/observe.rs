//! Observes a path on a CoAP server over UDP and prints what it is told. A body larger than a block is cut behind the
//! first.
//!
//! `cargo run -p ota-coap --example observe -- 127.0.0.1:5683 /path`

use ota_coap::observe::REGISTER;
use ota_coap::{Code, Endpoint, Event, ExchangeConfig, Message, Notice, Observation, Step, Token, option};
use ota_hal::{Entropy, Millis};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// How long to leave a server alone that does not know us, or the path.
const PAUSE_MS: u32 = 5_000;

/// Chance from the keys of the standard library's maps. A device has a generator.
struct Host;
impl Entropy for Host {
    fn next_u32(&mut self) -> u32 {
        RandomState::new().hash_one(0) as u32
    }
}

/// What is known of the server's side.
struct Watch {
    endpoint: Endpoint,
    observation: Option<Observation>,
    token: Option<Token>,
    /// When to register, for the first time or again.
    register_at: Millis,
}

impl Watch {
    /// Opens the registration when it is due: the length of its message.
    fn register(&mut self, now: Millis, path: &str, request: &mut [u8]) -> Result<usize, Box<dyn Error>> {
        // A renewal bears the token of what it renews.
        let opening = match self.token.filter(|_| self.observation.is_some()) {
            Some(token) => self.endpoint.begin_as(now, true, token, &mut Host)?,
            None => self.endpoint.begin(now, true, &mut Host)?,
        };
        self.token = Some(opening.token());
        let mut message = opening.encode(request, Code::GET);
        message.uint(option::OBSERVE, REGISTER).path(path);
        Ok(message.finish(b"")?)
    }

    fn on_response(&mut self, now: Millis, message: &Message<'_>) {
        self.observation = Observation::begin(now, message, &mut Host);
        let Some(observation) = &self.observation else {
            return self.lost(now, &format!("not observed: {:?}", message.code));
        };
        self.register_at = observation.next_deadline();
        self.token.into_iter().for_each(|token| self.endpoint.watch(token));
        println!("registered: {}", message.payload.escape_ascii());
    }

    fn on_notification(&mut self, now: Millis, message: &Message<'_>) {
        let Some(observation) = &mut self.observation else { return };
        match observation.on_notification(now, message, &mut Host) {
            Notice::Fresh => println!("news: {}", message.payload.escape_ascii()),
            Notice::Stale => println!("overtaken"),
            Notice::Ended => return self.lost(now, &format!("ended: {:?}", message.code)),
        }
        self.register_at = observation.next_deadline();
    }

    /// Registers anew, after a while.
    fn lost(&mut self, now: Millis, why: &str) {
        println!("{why}");
        self.observation = None;
        self.endpoint.unwatch();
        self.register_at = now.after(PAUSE_MS);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: observe HOST:PORT /PATH".into());
    };
    let socket = UdpSocket::bind(if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect(server)?;
    let begun = Instant::now();
    let now = || Millis(begun.elapsed().as_millis() as u64);
    let endpoint = Endpoint::new(ExchangeConfig::default(), &mut Host);
    let mut watch = Watch { endpoint, observation: None, token: None, register_at: now() };
    let (mut request, mut len, mut buffer) = ([0; 256], 0, [0; 1_280]);
    loop {
        let until = match watch.endpoint.poll(now()) {
            Step::Send => {
                // One that is lost is sent again.
                let _ = socket.send(&request[..len]);
                continue;
            }
            Step::Wait(until) => until,
            Step::Failed(failure) => {
                watch.lost(now(), failure.text());
                continue;
            }
            Step::Idle if now() >= watch.register_at => {
                len = watch.register(now(), &path, &mut request)?;
                continue;
            }
            Step::Idle => watch.register_at,
        };
        socket.set_read_timeout(Some(Duration::from_millis(until.since(now()).max(1))))?;
        let Ok(n) = socket.recv(&mut buffer) else { continue };
        let incoming = watch.endpoint.on_datagram(now(), &buffer[..n]);
        if let Some(reply) = incoming.reply {
            let _ = socket.send(&reply);
        }
        match incoming.event {
            Event::Response(message) => watch.on_response(now(), &message),
            Event::Notification(message) => watch.on_notification(now(), &message),
            Event::Failed(failure) => watch.lost(now(), failure.text()),
            Event::Nothing => {}
        }
    }
}
