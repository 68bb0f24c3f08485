//! An update begun over HTTP and finished over CoAP, and the other way round: real sources, the agent, its journal.

mod common;

use common::{Draft, End, OwnedOffer, Say, World};
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use embedded_io_async::{ErrorType, Read, Write};
use ota_coap::{Block, Code, Datagram, ETag, Encoder, Kind, Message, option};
use ota_download::{CoapConfig, CoapSource, Connect, ConnectError, ConnectUdp, Either, HttpConfig, HttpSource};
use ota_testkit::{FakeClock, Rng};
use std::collections::VecDeque;

const HTTP: &str = "http://cloud/object";
const COAP: &str = "coap://cloud/object";

/// One object behind two servers, which answer at once. What each was asked for is counted.
struct Servers {
    object: RefCell<Vec<u8>>,
    /// A change of the object changes it at both.
    generation: Cell<u8>,
    /// Offset and length of each answer over HTTP; over CoAP.
    http: RefCell<Vec<(usize, usize)>>,
    coap: RefCell<Vec<(usize, usize)>>,
}

impl Servers {
    fn new(object: Vec<u8>) -> Self {
        Self {
            object: RefCell::new(object),
            generation: Cell::new(1),
            http: RefCell::default(),
            coap: RefCell::default(),
        }
    }

    fn source<'w>(&'w self, clock: &'w FakeClock, scratch: &'w mut [[u8; 1_280]; 2], seed: u64) -> Links<'w> {
        let [first, second] = scratch;
        let coap = CoapSource::new(self, clock, Rng::new(seed), first, CoapConfig::DEFAULT);
        Either::new(coap, HttpSource::new(self, second, HttpConfig::DEFAULT))
    }

    fn offer(&self, url: &str, named: bool) -> Say {
        let mut offer = OwnedOffer::new("2.0.0", &self.object.borrow());
        offer.url = url.into();
        if !named {
            (offer.size, offer.checksum) = (None, None);
        }
        Say::Offer(offer)
    }

    fn bytes(&self) -> usize {
        self.http.borrow().iter().chain(self.coap.borrow().iter()).map(|(_, n)| n).sum()
    }

    /// The response to a request over HTTP.
    fn answer(&self, head: &str) -> Vec<u8> {
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let (object, tag) = (self.object.borrow(), format!("\"{}\"", self.generation.get()));
        let fresh = field("If-Range: ").is_none_or(|wanted| wanted == tag);
        let range = field("Range: bytes=").filter(|_| fresh).and_then(|range| range.split_once('-'));
        let (first, end) = range.map_or((0, object.len()), |(first, last)| {
            let end = last.parse().map_or(object.len(), |last: usize| last + 1);
            (first.parse().unwrap(), end.min(object.len()))
        });
        let status = if range.is_some() { 206 } else { 200 };
        let part = format!("Content-Range: bytes {first}-{}/{}\r\n", end - 1, object.len());
        let part = if range.is_some() { part.as_str() } else { "" };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nETag: {tag}\r\n{part}\r\n", end - first);
        self.http.borrow_mut().push((first, 0));
        [head.as_bytes(), &object[first..end]].concat()
    }

    /// The response to a request over CoAP.
    fn block(&self, request: &[u8]) -> Vec<u8> {
        let request = Message::decode(request).unwrap();
        assert_eq!((request.code, request.option(option::URI_HOST)), (Code::GET, Some(&b"cloud"[..])));
        let object = self.object.borrow();
        let block = Block::decode(request.option(option::BLOCK2).unwrap()).unwrap();
        let (start, mut bytes) = (block.offset() as usize, [0; 1_200]);
        let end = object.len().min(start + block.szx.bytes() as usize);
        let mut answer = Encoder::new(&mut bytes, Kind::Acknowledgement, Code::CONTENT, request.id, request.token);
        answer.option(option::ETAG, ETag::new(&[self.generation.get()]).as_bytes());
        answer.uint(option::BLOCK2, Block { more: end < object.len(), ..block }.encode());
        answer.uint(option::SIZE2, object.len() as u32);
        let len = answer.finish(&object[start..end]).unwrap();
        self.coap.borrow_mut().push((start, end - start));
        bytes[..len].to_vec()
    }
}

type Links<'w> = Either<CoapSource<'w, &'w Servers, &'w FakeClock, Rng>, HttpSource<'w, &'w Servers>>;

/// A connection of either kind: what was sent and what is to come.
struct Socket<'w> {
    servers: &'w Servers,
    sent: Vec<u8>,
    coming: VecDeque<u8>,
    datagrams: VecDeque<Vec<u8>>,
}

impl<'w> Socket<'w> {
    fn new(servers: &'w Servers) -> Self {
        Self { servers, sent: Vec::new(), coming: VecDeque::new(), datagrams: VecDeque::new() }
    }
}

impl ErrorType for Socket<'_> {
    type Error = Infallible;
}
impl Read for Socket<'_> {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let n = bytes.len().min(self.coming.len());
        bytes.iter_mut().zip(self.coming.drain(..n)).for_each(|(to, from)| *to = from);
        self.servers.http.borrow_mut().last_mut().unwrap().1 += n;
        Ok(n)
    }
}
impl Write for Socket<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.sent.extend(bytes);
        if self.sent.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(core::mem::take(&mut self.sent)).unwrap();
            self.coming.extend(self.servers.answer(&head));
        }
        Ok(bytes.len())
    }
    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
impl Datagram for Socket<'_> {
    type Error = Infallible;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Infallible> {
        self.datagrams.push_back(self.servers.block(datagram));
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(datagram) = self.datagrams.pop_front() else {
            return core::future::pending().await;
        };
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl<'w> Connect for &'w Servers {
    type Error = Infallible;
    type Socket = Socket<'w>;
    const TLS: bool = false;
    async fn connect(&mut self, _: &str, _: u16, _: bool) -> Result<Socket<'w>, ConnectError<Infallible>> {
        Ok(Socket::new(self))
    }
}
impl<'w> ConnectUdp for &'w Servers {
    type Error = Infallible;
    type Socket = Socket<'w>;
    const DTLS: bool = false;
    async fn connect_udp(&mut self, _: &str, _: u16, _: bool) -> Result<Socket<'w>, ConnectError<Infallible>> {
        Ok(Socket::new(self))
    }
}

/// A device and its servers.
struct Case {
    world: World,
    servers: Servers,
    /// Whether offers name size and checksum of the object.
    named: bool,
    chance: u64,
}

impl Case {
    fn new(named: bool) -> Self {
        let package = Draft::new(2).package();
        Self { world: World::new(package.clone()), servers: Servers::new(package), named, chance: 0 }
    }

    /// One start of the device, until `quit`.
    fn session(&mut self, quit: impl FnMut(&World) -> bool) -> End {
        self.chance += 1;
        let mut scratch = [[0; 1_280]; 2];
        let mut source = self.servers.source(&self.world.clock, &mut scratch, self.chance);
        self.world.session_over(&mut source, quit)
    }

    /// Goes off after so many bytes over this link.
    fn begin(&mut self, url: &str, bytes: usize) {
        self.world.say(self.servers.offer(url, self.named));
        let Self { world, servers, .. } = self;
        let mut scratch = [[0; 1_280]; 2];
        let mut source = servers.source(&world.clock, &mut scratch, 99);
        assert_eq!(world.session_over(&mut source, |_| servers.bytes() > bytes), End::Quit);
    }

    /// Comes back with an offer of this link, and must end with this version.
    fn finish(&mut self, url: &str, version: &str) {
        self.world.say(self.servers.offer(url, self.named));
        for _ in 0..20 {
            let end = self.session(|w| w.cloud.has_heard(version));
            assert!(self.world.cloud.failures().is_empty(), "{:?}", self.world.cloud.failures());
            if end == End::Quit {
                return;
            }
            self.world.cause = ota_hal::ResetCause::Software;
        }
        panic!("resets without end: {:?}", self.world.cloud.heard.borrow());
    }
}

fn restarts(world: &World) -> usize {
    world.notices().iter().filter(|n| *n == "Restarted").count()
}

#[test]
fn begun_over_one_link_and_finished_over_the_other() {
    let len = Draft::new(2).package().len();
    for (first, second) in [(HTTP, COAP), (COAP, HTTP), (COAP, COAP), (HTTP, HTTP)] {
        for bytes in [5_000, len / 2, len - 3_000] {
            let mut case = Case::new(true);
            case.begin(first, bytes);
            let began = [case.servers.http.borrow().len(), case.servers.coap.borrow().len()];
            case.finish(second, "version 2.0.0");
            assert_eq!((restarts(&case.world), case.world.product.asked.get()), (0, 1), "{first} {second} {bytes}");
            // Envelope, one sector and one read: nothing else comes twice.
            let twice = case.servers.bytes() - len;
            assert!(twice < 8_192, "{first} {second} {bytes}: {twice} bytes too many");
            let answers = if second == HTTP { &case.servers.http } else { &case.servers.coap };
            let (at, _) = answers.borrow()[if second == HTTP { began[0] } else { began[1] }];
            assert!(at + 8_192 > bytes, "{first} {second} {bytes}: went on at {at}");
            case.world.is_well(2);
        }
    }
}

/// Neither size nor tag of the other link tells that the object is another one: the digest does, and it is fetched anew.
#[test]
fn a_mixture_of_two_objects_is_never_started() {
    for (first, second) in [(HTTP, COAP), (COAP, HTTP), (COAP, COAP), (HTTP, HTTP)] {
        let mut case = Case::new(false);
        case.begin(first, 20_000);
        let other = Draft { payload: Draft::new(2).payload, ..Draft::new(3) }.package();
        assert_eq!(other.len(), case.servers.object.borrow().len());
        *case.servers.object.borrow_mut() = other;
        case.servers.generation.set(2);
        case.finish(second, "version 3.0.0");
        assert_eq!(restarts(&case.world), 1, "{first} {second}");
        case.world.is_well(3);
    }
}
