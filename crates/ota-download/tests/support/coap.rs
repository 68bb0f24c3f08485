//! A scripted CoAP server on coap-lite, behind a network whose time is simulated.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, ResponseType};
use core::cell::{Cell, RefCell};
use ota_coap::Datagram;
use ota_download::{
    CoapConfig, CoapSource, CoapWindow, ConnectError, ConnectUdp, Failure, Request, Source, SourceError,
};
use ota_hal::{Clock, Millis, Timer};
use ota_testkit::{DatagramFaults, Network, Rng, Unconfirmed};
use std::collections::BTreeMap;

/// A request for a block, as it came: each once, however often it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Number of the request, from 0.
    pub n: usize,
    pub at: Millis,
    pub offset: usize,
    pub size: usize,
    pub host: Option<String>,
    pub path: Vec<String>,
    pub query: Vec<String>,
    pub wants_size: bool,
}

/// What the server does about a request.
pub enum Act {
    /// Serves the block.
    Serve,
    /// The same, changed before it is sent.
    Edit(Box<dyn Fn(&mut Packet)>),
    /// A code, and what Max-Age says.
    Code(ResponseType, Option<u32>),
    /// These bytes as they are.
    Raw(Vec<u8>),
    Reset,
    Silence,
}

/// How responses travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    PiggyBacked,
    /// A bare acknowledgement, and the response this much later, confirmable.
    Separate(u32),
}

pub struct Server {
    pub object: Vec<u8>,
    pub etag: Vec<u8>,
    pub says_size: bool,
    pub block_max: usize,
    pub manner: Manner,
    pub asked: Vec<Asked>,
    next_id: u16,
    answered: BTreeMap<u16, Vec<u8>>,
    /// Responses to be confirmed.
    pending: Unconfirmed,
}

impl Server {
    pub fn new(object: Vec<u8>) -> Self {
        Self {
            object,
            etag: b"v1".to_vec(),
            says_size: true,
            block_max: 1_024,
            manner: Manner::PiggyBacked,
            asked: Vec::new(),
            next_id: 0x8000,
            answered: BTreeMap::new(),
            pending: Unconfirmed::default(),
        }
    }

    /// The honest answer: the block, or 4.00 behind the end.
    fn block(&self, asked: &Asked) -> Packet {
        let mut response = Packet::new();
        let (start, size) = (asked.offset, asked.size.min(self.block_max));
        response.header.code = MessageClass::Response(ResponseType::BadRequest);
        if start > 0 && start >= self.object.len() {
            return response;
        }
        let end = self.object.len().min(start + size);
        response.header.code = MessageClass::Response(ResponseType::Content);
        set_block(&mut response, start, size, end < self.object.len());
        if !self.etag.is_empty() {
            response.add_option(CoapOption::ETag, self.etag.clone());
        }
        if self.says_size && asked.wants_size {
            set_size(&mut response, self.object.len() as u32);
        }
        response.payload = self.object[start..end].to_vec();
        response
    }
}

pub fn set_block(response: &mut Packet, start: usize, size: usize, more: bool) {
    response.clear_option(CoapOption::Block2);
    // By hand: those of coap-lite have 16 bits.
    let value = (start / size) << 4 | usize::from(more) << 3 | (size.ilog2() as usize - 4);
    response.add_option(CoapOption::Block2, (value as u32).to_be_bytes()[1..].to_vec());
}

pub fn set_size(response: &mut Packet, total: u32) {
    response.clear_option(CoapOption::Size2);
    response.add_option(CoapOption::Size2, total.to_be_bytes().to_vec());
}

type Script = Box<dyn FnMut(&Asked, &mut Server) -> Act>;

/// Server, network and clock; the source's connector and timer too.
pub struct World {
    pub network: Network,
    pub server: RefCell<Server>,
    script: RefCell<Script>,
    /// How often the source opened a socket, and where.
    pub connected: RefCell<Vec<(String, u16)>>,
    /// How many sources there were: each has other chance.
    sources: Cell<u64>,
}

impl World {
    pub fn new(server: Server, faults: DatagramFaults, seed: u64) -> Self {
        Self {
            network: Network::new(faults, seed),
            server: RefCell::new(server),
            script: RefCell::new(Box::new(|_, _| Act::Serve)),
            connected: RefCell::default(),
            sources: Cell::default(),
        }
    }

    /// A perfect way that takes no time.
    pub fn near(server: Server) -> Self {
        Self::new(server, DatagramFaults::default(), 1)
    }

    pub fn script(self, script: impl FnMut(&Asked, &mut Server) -> Act + 'static) -> Self {
        *self.script.borrow_mut() = Box::new(script);
        self
    }

    pub fn source<'w>(&'w self, scratch: &'w mut [u8], block_max: u16) -> CoapSource<'w, &'w Self, &'w Self, Rng> {
        let mut config = CoapConfig::DEFAULT;
        config.block_max = block_max;
        self.sources.set(self.sources.get() + 1);
        CoapSource::new(self, self, Rng::new(self.sources.get()), scratch, config)
    }

    /// One that asks for up to `W` blocks at a time.
    pub fn window<'w, const W: usize>(
        &'w self,
        scratch: &'w mut [u8],
        store: &'w mut [u8],
        block_max: u16,
        ack_timeout_ms: u16,
    ) -> CoapWindow<'w, &'w Self, &'w Self, Rng, W> {
        let mut config = CoapConfig::DEFAULT;
        (config.block_max, config.exchange.ack_timeout_ms) = (block_max, ack_timeout_ms);
        self.sources.set(self.sources.get() + 1);
        CoapWindow::new(self, self, Rng::new(self.sources.get()), scratch, store, config)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.server.borrow().asked.clone()
    }

    /// Lets what has arrived at the server be answered.
    fn turn(&self) {
        while let Some(datagram) = self.network.arrived() {
            if let Some(answer) = self.answer(&datagram) {
                self.network.reply(&answer);
            }
        }
        self.server.borrow_mut().pending.turn(self.now(), |bytes| self.network.reply(bytes));
    }

    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        // A flipped bit may make anything of it.
        let request = Packet::from_bytes(datagram).ok()?;
        let id = request.header.message_id;
        let server = &mut *self.server.borrow_mut();
        if request.header.get_type() != MessageType::Confirmable {
            server.pending.drop_where(|bytes| bytes[2..4] == id.to_be_bytes());
            return None;
        }
        if let Some(answer) = server.answered.get(&id) {
            return Some(answer.clone()).filter(|answer| !answer.is_empty());
        }
        let asked = self.read(&request, server.asked.len());
        server.asked.push(asked.clone());
        let mut response = Packet::new();
        match (self.script.borrow_mut())(&asked, server) {
            Act::Serve => response = server.block(&asked),
            Act::Edit(edit) => {
                response = server.block(&asked);
                edit(&mut response);
            }
            Act::Code(code, max_age) => {
                response.header.code = MessageClass::Response(code);
                if let Some(age) = max_age {
                    response.add_option(CoapOption::MaxAge, age.to_be_bytes().to_vec());
                }
            }
            Act::Raw(bytes) => return Some(bytes),
            Act::Reset => return Some(vec![0x70, 0, datagram[2], datagram[3]]),
            Act::Silence => return None,
        }
        response.set_token(request.get_token().to_vec());
        response.header.set_type(MessageType::Acknowledgement);
        response.header.message_id = id;
        let mut answer = response.to_bytes_unlimited().unwrap();
        if let Manner::Separate(delay) = server.manner {
            response.header.set_type(MessageType::Confirmable);
            response.header.message_id = server.next_id;
            server.next_id = server.next_id.wrapping_add(1);
            let bytes = response.to_bytes_unlimited().unwrap();
            server.pending.push(self.now().after(delay), bytes);
            answer = vec![0x60, 0, datagram[2], datagram[3]];
        }
        server.answered.insert(id, answer.clone());
        Some(answer)
    }

    fn read(&self, request: &Packet, n: usize) -> Asked {
        let texts = |option| -> Vec<String> {
            let values = request.get_option(option).into_iter().flatten();
            values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        };
        let block = request.get_option(CoapOption::Block2).and_then(|values| values.front());
        let block = block.map_or(6, |value| value.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)));
        let size = 16 << (block & 7).min(6);
        Asked {
            n,
            at: self.now(),
            offset: (block >> 4) * size,
            size,
            host: texts(CoapOption::UriHost).pop(),
            path: texts(CoapOption::UriPath),
            query: texts(CoapOption::UriQuery),
            wants_size: request.get_option(CoapOption::Size2).is_some(),
        }
    }
}

impl Clock for World {
    fn now(&self) -> Millis {
        self.network.now()
    }
}

impl Timer for World {
    async fn wait_until(&self, at: Millis) {
        self.network.wait_until(at, || self.turn(), || self.server.borrow().pending.next_at()).await;
    }
}

pub struct Socket<'w>(&'w World);

impl<'w> ConnectUdp for &'w World {
    type Error = std::io::Error;
    type Socket = Socket<'w>;
    const DTLS: bool = false;

    async fn connect_udp(
        &mut self,
        host: &str,
        port: u16,
        dtls: bool,
    ) -> Result<Socket<'w>, ConnectError<Self::Error>> {
        assert!(!dtls, "refused before");
        // A new socket hears nothing of what was sent to the one before.
        self.network.forget();
        self.connected.borrow_mut().push((host.into(), port));
        Ok(Socket(self))
    }
}

impl Datagram for Socket<'_> {
    type Error = std::io::Error;
    async fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.0.network.send(datagram).await;
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.0.network.receive(buffer, || self.0.turn()).await)
    }
}

/// What a device holds of an object, and what it knows of it: it continues as the agent does.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Job {
    pub data: Vec<u8>,
    pub validator: Vec<u8>,
    pub total: Option<u32>,
    pub restarts: usize,
    pub errors: Vec<&'static str>,
}

impl Job {
    pub fn new(data: &[u8], validator: &[u8]) -> Self {
        Self { data: data.to_vec(), validator: validator.to_vec(), ..Self::default() }
    }

    /// Opens up to `opens_max` times, and reads until the object is complete or `enough` bytes are there.
    pub async fn go_on(&mut self, source: &mut impl Source, url: &str, opens_max: usize, enough: usize) -> bool {
        for _ in 0..opens_max {
            match self.attempt(source, url, enough).await {
                Ok(()) => return true,
                Err((failure, text)) => {
                    self.errors.push(text);
                    match failure {
                        Failure::Retry { .. } => {}
                        Failure::Restart => {
                            *self = Self {
                                restarts: self.restarts + 1,
                                errors: core::mem::take(&mut self.errors),
                                ..Self::default()
                            };
                        }
                        Failure::Permanent => return false,
                    }
                }
            }
        }
        false
    }

    async fn attempt(
        &mut self,
        source: &mut impl Source,
        url: &str,
        enough: usize,
    ) -> Result<(), (Failure, &'static str)> {
        let told = |error: &dyn SourceError| (error.failure(), error.text());
        let offset = self.data.len() as u32;
        let request = Request { locator: url, offset, end: None, validator: &self.validator };
        let opened = source.open(request).await.map_err(|error| told(&error))?;
        // As `payload_opened` of the agent.
        let known = !self.validator.is_empty() && !opened.validator.is_empty();
        let differs = (known && *opened.validator != *self.validator)
            || (self.total.is_some() && opened.total.is_some() && self.total != opened.total)
            || (opened.offset != offset && !known);
        if offset > 0 && differs {
            return Err((Failure::Restart, "the object changed"));
        }
        assert!(opened.offset == offset || opened.offset == 0, "neither 0 nor what was asked");
        self.data.truncate(opened.offset as usize);
        if offset == 0 {
            self.validator = opened.validator.to_vec();
        }
        self.total = self.total.or(opened.total);
        let mut block = [0; 200];
        while self.data.len() < enough {
            match source.read(&mut block).await.map_err(|error| told(&error))? {
                0 => return Ok(()),
                n => self.data.extend_from_slice(&block[..n]),
            }
        }
        Ok(())
    }
}
