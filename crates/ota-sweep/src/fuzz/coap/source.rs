//! The source with its driver: a server that keeps the rules, or not, on a way that loses, repeats and delays.

use super::Bytes;
use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;
use ota_coap::{Block, Code, Datagram, Encoder, Kind, Message, option};
use ota_download::coap::SCRATCH;
use ota_download::{CoapConfig, CoapSource, CoapWindow, ConnectError, ConnectUdp, Request, Source};
use ota_hal::Millis;
use ota_service::block_on;
use ota_testkit::{FakeClock, Rng};
use std::collections::VecDeque;

const URL: &str = "coap://host/fw/1";
const LEN: usize = 600;

/// The server and the way to it.
struct Server<'a> {
    /// A request that comes behind its end is lost.
    script: Bytes<'a>,
    object: Vec<u8>,
    under_way: VecDeque<Vec<u8>>,
    last: Vec<u8>,
    /// Whether the client holds the object's tag from the start.
    bound: bool,
    /// Whether the client may have been told what the object does not hold.
    lied: bool,
}

/// The first bytes say where the download begins, and how; then a byte for each request says what becomes of it.
pub(super) fn body(data: &[u8]) {
    let mut script = Bytes(data);
    let (Some(at), Some(block), Some(how)) = (script.next(), script.next(), script.next()) else { return };
    let offset = u32::from(at) * 2;
    let object: Vec<u8> = (0..LEN).map(|n| (n * 7 + n / 256) as u8).collect();
    let bound = how & 1 == 1 && offset > 0;
    let (under_way, last) = (VecDeque::new(), Vec::new());
    let network = Network(RefCell::new(Server { script, object: object.clone(), under_way, last, bound, lied: false }));
    let validator: &[u8] = if how & 1 == 1 { b"\xFFv1" } else { b"" };
    let end = (how & 2 == 2).then_some(offset + 100);
    let request = Request { locator: URL, offset, end, validator };
    let (clock, mut scratch, mut store) = (FakeClock::new(Millis(9)), [0; SCRATCH], [0; 4 * 64]);
    let (mut config, rng, piece) = (CoapConfig::DEFAULT, Rng::new(3), 1 + usize::from(block) % 50);
    config.block_max = 16 << (block % 7);
    let (got, whole) = if how & 4 == 4 {
        let mut source = CoapWindow::<_, _, _, 4>::new(&network, &clock, rng, &mut scratch, &mut store, config);
        fetched(&mut source, request, piece)
    } else {
        fetched(&mut CoapSource::new(&network, &clock, rng, &mut scratch, config), request, piece)
    };
    let wanted = object.get(offset as usize..end.map_or(LEN, |end| LEN.min(end as usize))).unwrap_or_default();
    if !network.0.borrow().lied {
        assert!(wanted.starts_with(&got), "bytes that the object does not hold");
        assert!(!whole || got == wanted, "an early end");
    }
    assert!(end.is_none() || got.len() <= 100, "more than was asked for");
}

/// What a source delivers until it ends or fails, and whether it ended.
fn fetched(source: &mut impl Source, request: Request<'_>, piece: usize) -> (Vec<u8>, bool) {
    let (mut got, mut bytes) = (Vec::new(), [0; 50]);
    let work = async {
        let Ok(opened) = source.open(request).await else { return false };
        assert_eq!(opened.offset, request.offset, "opened elsewhere");
        while let Ok(n) = source.read(&mut bytes[..piece]).await {
            got.extend_from_slice(&bytes[..n]);
            assert!(got.len() <= 1 << 20, "a body without end");
            if n == 0 {
                return true;
            }
        }
        false
    };
    let whole = block_on(work, || {});
    (got, whole)
}

impl Server<'_> {
    fn hear(&mut self, datagram: &[u8]) {
        let Ok(request) = Message::decode(datagram) else { panic!("the client sends no message") };
        if request.kind != Kind::Confirmable {
            return;
        }
        let Some(act) = self.script.next() else { return };
        let honest = self.block(&request, Kind::Acknowledgement, request.id, b"v1", 0);
        match act % 12 {
            0..=3 => self.send(honest),
            4 => {
                self.send(honest.clone());
                self.send(honest);
            }
            5 => {}
            6 => self.under_way.push_back(self.last.clone()),
            7 => {
                self.under_way.push_back([b"\x60\0", &datagram[2..4]].concat());
                self.send(self.block(&request, Kind::Confirmable, u16::from(act) << 4, b"v1", 0));
            }
            8 => {
                // Another object; who has nothing of the first one cannot know.
                self.lied |= !self.bound && self.last.is_empty();
                self.send(self.block(&request, Kind::Acknowledgement, request.id, b"v2", 0x55));
            }
            9 => self.under_way.push_back([b"\x70\0", &datagram[2..4]].concat()),
            10 => self.edited(honest),
            _ => self.raw(&request),
        }
    }

    fn send(&mut self, datagram: Vec<u8>) {
        self.last.clone_from(&datagram);
        self.under_way.push_back(datagram);
    }

    /// The block that was asked for, of an object whose bytes are changed by `flip`.
    fn block(&self, request: &Message<'_>, kind: Kind, id: u16, etag: &[u8], flip: u8) -> Vec<u8> {
        let asked = request.option(option::BLOCK2).and_then(Block::decode).expect("the client asks for a block");
        let (start, mut bytes) = (asked.offset() as usize, [0; 1_200]);
        let end = self.object.len().min(start + asked.szx.bytes() as usize);
        let code = if start >= LEN { Code::BAD_REQUEST } else { Code::CONTENT };
        let mut answer = Encoder::new(&mut bytes, kind, code, id, request.token);
        let more = end < self.object.len();
        answer.option(option::ETAG, etag).uint(option::BLOCK2, Block { more, ..asked }.encode());
        let body: Vec<u8> = self.object.get(start..end).unwrap_or_default().iter().map(|byte| byte ^ flip).collect();
        let len = answer.finish(&body).expect("it fits");
        bytes[..len].to_vec()
    }

    /// The honest answer with one byte changed, or cut: an answer may then say anything.
    fn edited(&mut self, mut honest: Vec<u8>) {
        self.lied = true;
        let (at, byte) = (self.script.next().unwrap_or(0), self.script.next().unwrap_or(0));
        let at = usize::from(at) % honest.len();
        if byte == 0 {
            honest.truncate(at)
        } else {
            honest[at] ^= byte
        }
        self.under_way.push_back(honest);
    }

    /// Any options and payload under the request's token.
    fn raw(&mut self, request: &Message<'_>) {
        self.lied = true;
        let (code, len) = (self.script.next().unwrap_or(0), self.script.next().unwrap_or(0));
        let id = request.id.to_be_bytes();
        let head = [0x60 | request.token.len() as u8, code, id[0], id[1]];
        self.under_way.push_back([&head[..], request.token, self.script.take(usize::from(len))].concat());
    }
}

/// A way to it.
struct Network<'a>(RefCell<Server<'a>>);

struct Socket<'w, 'a>(&'w RefCell<Server<'a>>);

impl<'w, 'a> ConnectUdp for &'w Network<'a> {
    type Error = Infallible;
    type Socket = Socket<'w, 'a>;
    const DTLS: bool = false;

    async fn connect_udp(
        &mut self,
        host: &str,
        port: u16,
        _: bool,
    ) -> Result<Socket<'w, 'a>, ConnectError<Infallible>> {
        assert_eq!((host, port), ("host", 5683));
        Ok(Socket(&self.0))
    }
}

impl Datagram for Socket<'_, '_> {
    type Error = Infallible;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().hear(datagram);
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| match self.0.borrow_mut().under_way.pop_front() {
            Some(datagram) => {
                let n = datagram.len().min(buffer.len());
                buffer[..n].copy_from_slice(&datagram[..n]);
                Poll::Ready(Ok(n))
            }
            None => Poll::Pending,
        })
        .await
    }
}

/// A clean download, one resumed with every kind of trouble, a changed object, one that ends early, and lies.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![
        [&[0, 2, 0][..], &[0; 12]].concat(),
        vec![100, 1, 1, 0, 4, 5, 0, 6, 0, 7, 5, 5, 0, 0, 7, 4, 6, 5, 0, 0, 0, 0, 0, 0],
        vec![10, 2, 1, 0, 0, 8, 0],
        [&[100, 1, 3][..], &[0; 9]].concat(),
        [&[0, 2, 4][..], &[0; 12]].concat(),
        vec![100, 1, 5, 0, 5, 0, 4, 0, 7, 0, 6, 0, 0, 5, 7, 9, 0, 0, 0, 8, 0, 0],
        [&[20, 1, 4][..], &[0, 5, 0, 10, 9, 1, 0, 8, 0, 0, 0, 0, 0, 0]].concat(),
        [&[0, 3, 0][..], &[0, 10, 9, 1], &[0], &[11, 0x45, 10], b"\x42v1\xD1\x06\x1A\xFFabc"].concat(),
    ]
}
