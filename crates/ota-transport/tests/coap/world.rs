//! A cloud on coap-lite, behind a network whose time is simulated.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;
use ota_coap::Datagram;
use ota_hal::{Clock, Millis, Timer};
use ota_testkit::{DatagramFaults, Datagrams, Rng};
use std::collections::BTreeMap;

/// How the cloud answers a request instead of as it should.
pub enum Act {
    Serve,
    /// A code, and what Max-Age says.
    Code(ResponseType, Option<u32>),
    /// As it should, changed before it is sent.
    Edit(Box<dyn Fn(&mut Packet)>),
    Reset,
    Silence,
}

/// A request, as it came: each once, however often it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub at: Millis,
    pub get: bool,
    pub path: String,
    pub observe: Option<u32>,
    pub token: Vec<u8>,
    pub block: Option<(usize, usize)>,
    pub payload: String,
}

type Script = Box<dyn FnMut(&Asked, &mut Cloud) -> Act>;

pub struct Cloud {
    /// The offers.
    pub offers: String,
    pub etag: Vec<u8>,
    pub max_age: Option<u32>,
    pub observes: bool,
    /// Notifications are to be confirmed.
    pub confirms: bool,
    pub block_max: usize,
    /// The answer to a POST.
    pub answer: String,
    pub asked: Vec<Asked>,
    /// Payloads that were posted whole: path and text.
    pub posted: Vec<(String, String)>,
    /// Who observes, with which number.
    pub observers: BTreeMap<Vec<u8>, u32>,
    /// Resets that came.
    pub resets: u32,
    partial: Vec<u8>,
    answered: BTreeMap<u16, Vec<u8>>,
    next_id: u16,
    /// Notifications to be confirmed: when next, how often still, how long then.
    pending: Vec<(Millis, u32, u32, Vec<u8>)>,
}

impl Cloud {
    pub fn new() -> Self {
        Self {
            offers: String::new(),
            etag: b"none".to_vec(),
            max_age: None,
            observes: true,
            confirms: true,
            block_max: 1_024,
            answer: String::new(),
            asked: Vec::new(),
            posted: Vec::new(),
            observers: BTreeMap::new(),
            resets: 0,
            partial: Vec::new(),
            answered: BTreeMap::new(),
            next_id: 0x9000,
            pending: Vec::new(),
        }
    }

    /// It starts anew: whom it knew, and what it had to confirm, is gone.
    pub fn forget(&mut self) {
        self.observers.clear();
        self.answered.clear();
        self.pending.clear();
    }

    fn content(&self, start: usize, size: usize) -> Packet {
        let mut response = Packet::new();
        let (size, body) = (size.min(self.block_max), self.offers.as_bytes());
        let end = body.len().min(start + size);
        response.header.code = MessageClass::Response(ResponseType::Content);
        if !self.etag.is_empty() {
            response.add_option(CoapOption::ETag, self.etag.clone());
        }
        if let Some(age) = self.max_age {
            response.add_option(CoapOption::MaxAge, age.to_be_bytes().to_vec());
        }
        if end < body.len() || start > 0 {
            let value = (start / size) << 4 | usize::from(end < body.len()) << 3 | (size.ilog2() as usize - 4);
            response.add_option(CoapOption::Block2, (value as u32).to_be_bytes()[1..].to_vec());
        }
        response.payload = body.get(start..end).unwrap_or_default().to_vec();
        response
    }

    fn serve(&mut self, asked: &Asked, raw: &Packet) -> Packet {
        if asked.get {
            let (start, size) = asked.block.unwrap_or((0, 1_024));
            let mut response = self.content(start, size);
            if self.observes && asked.observe == Some(0) {
                let number = self.observers.entry(asked.token.clone()).or_insert(1);
                response.add_option(CoapOption::Observe, number.to_be_bytes()[1..].to_vec());
            }
            return response;
        }
        let mut response = Packet::new();
        response.header.code = MessageClass::Response(ResponseType::Changed);
        response.payload = self.answer.clone().into_bytes();
        let Some((start, size)) = block(raw, CoapOption::Block1) else {
            self.posted.push((asked.path.clone(), asked.payload.clone()));
            return response;
        };
        if start == 0 {
            self.partial.clear();
        }
        assert_eq!(start, self.partial.len());
        self.partial.extend(asked.payload.as_bytes());
        let value = raw.get_option(CoapOption::Block1).unwrap().front().unwrap().clone();
        let more = value.last().is_some_and(|last| last & 8 != 0);
        assert!(!more || asked.payload.len() == size);
        response.add_option(CoapOption::Block1, value);
        if more {
            response.header.code = MessageClass::Response(ResponseType::Continue);
            response.payload.clear();
        } else {
            self.posted.push((asked.path.clone(), String::from_utf8(core::mem::take(&mut self.partial)).unwrap()));
        }
        response
    }
}

fn block(request: &Packet, option: CoapOption) -> Option<(usize, usize)> {
    let value = request.get_option(option)?.front()?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let size = 16 << (value & 7).min(6);
    Some(((value >> 4) * size, size))
}

/// Cloud, network and clock; the device's timer too.
pub struct World {
    now: Cell<Millis>,
    pub cloud: RefCell<Cloud>,
    script: RefCell<Script>,
    there: RefCell<Datagrams>,
    back: RefCell<Datagrams>,
    alarms: RefCell<Vec<Millis>>,
    /// Sending takes a while, before the datagram is on its way and after.
    pub slow: Cell<bool>,
}

impl World {
    pub fn new(faults: DatagramFaults, seed: u64) -> Self {
        let rng = Rng::new(seed);
        Self {
            now: Cell::new(Millis(5_000)),
            cloud: RefCell::new(Cloud::new()),
            script: RefCell::new(Box::new(|_, _| Act::Serve)),
            there: RefCell::new(Datagrams::new(faults, rng.part(1))),
            back: RefCell::new(Datagrams::new(faults, rng.part(2))),
            alarms: RefCell::default(),
            slow: Cell::default(),
        }
    }

    /// A perfect way that takes no time.
    pub fn near() -> Self {
        Self::new(DatagramFaults::default(), 1)
    }

    pub fn script(&self, script: impl FnMut(&Asked, &mut Cloud) -> Act + 'static) {
        *self.script.borrow_mut() = Box::new(script);
    }

    pub fn set_faults(&self, faults: DatagramFaults) {
        self.there.borrow_mut().set_faults(faults);
        self.back.borrow_mut().set_faults(faults);
    }

    /// What was posted to paths with this word.
    pub fn posted(&self, word: &str) -> Vec<String> {
        let cloud = self.cloud.borrow();
        cloud.posted.iter().filter(|(path, _)| path.contains(word)).map(|(_, text)| text.clone()).collect()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.cloud.borrow().asked.clone()
    }

    /// Offers something else, and tells all that observe.
    pub fn publish(&self, offers: &str, etag: &[u8]) {
        let mut cloud = self.cloud.borrow_mut();
        (cloud.offers, cloud.etag) = (offers.into(), etag.to_vec());
        for (token, number) in cloud.observers.clone() {
            self.notify(&mut cloud, &token, number + 1);
        }
    }

    /// Ends all observations, with an error that names a wait.
    pub fn end(&self, code: ResponseType, max_age: Option<u32>) {
        let mut cloud = self.cloud.borrow_mut();
        for (token, _) in core::mem::take(&mut cloud.observers) {
            let mut last = Packet::new();
            last.header.code = MessageClass::Response(code);
            if let Some(age) = max_age {
                last.add_option(CoapOption::MaxAge, age.to_be_bytes().to_vec());
            }
            self.tell(&mut cloud, &token, last);
        }
    }

    fn notify(&self, cloud: &mut Cloud, token: &[u8], number: u32) {
        cloud.observers.insert(token.to_vec(), number);
        let mut news = cloud.content(0, 1_024);
        news.add_option(CoapOption::Observe, number.to_be_bytes()[1..].to_vec());
        self.tell(cloud, token, news);
    }

    fn tell(&self, cloud: &mut Cloud, token: &[u8], mut news: Packet) {
        news.set_token(token.to_vec());
        news.header.set_type(if cloud.confirms { MessageType::Confirmable } else { MessageType::NonConfirmable });
        news.header.message_id = cloud.next_id;
        cloud.next_id += 1;
        let bytes = news.to_bytes_unlimited().unwrap();
        if cloud.confirms {
            cloud.pending.push((self.now.get(), 5, 2_000, bytes));
        } else {
            self.back.borrow_mut().send(self.now.get(), &bytes);
        }
    }

    fn next_at(&self) -> Option<Millis> {
        let due = self.cloud.borrow().pending.iter().map(|(at, ..)| *at).min();
        // One that has rung holds the clock until whom it is for has looked.
        let alarm = self.alarms.borrow().iter().copied().min();
        [self.there.borrow().next_at(), self.back.borrow().next_at(), due, alarm].into_iter().flatten().min()
    }

    /// Lets what has arrived at the cloud be answered.
    fn turn(&self) {
        let now = self.now.get();
        loop {
            let arrived = self.there.borrow_mut().receive(now);
            let Some(datagram) = arrived else { break };
            if let Some(answer) = self.answer(&datagram) {
                self.back.borrow_mut().send(now, &answer);
            }
        }
        let mut cloud = self.cloud.borrow_mut();
        for (at, left, wait, bytes) in cloud.pending.iter_mut().filter(|(at, ..)| *at <= now) {
            self.back.borrow_mut().send(now, bytes);
            (*left, *at, *wait) = (*left - 1, now.after(*wait), *wait * 2);
        }
        cloud.pending.retain(|(_, left, ..)| *left > 0);
    }

    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        // A flipped bit may make anything of it.
        let request = Packet::from_bytes(datagram).ok()?;
        let id = request.header.message_id;
        let cloud = &mut *self.cloud.borrow_mut();
        if request.header.get_type() != MessageType::Confirmable {
            cloud.pending.retain(|(.., bytes)| bytes[2..4] != id.to_be_bytes());
            cloud.resets += u32::from(request.header.get_type() == MessageType::Reset);
            return None;
        }
        if let Some(answer) = cloud.answered.get(&id) {
            return Some(answer.clone()).filter(|answer| !answer.is_empty());
        }
        let asked = self.read(&request);
        cloud.asked.push(asked.clone());
        let mut response = Packet::new();
        match (self.script.borrow_mut())(&asked, cloud) {
            Act::Serve => response = cloud.serve(&asked, &request),
            Act::Edit(edit) => {
                response = cloud.serve(&asked, &request);
                edit(&mut response);
            }
            Act::Code(code, max_age) => {
                response.header.code = MessageClass::Response(code);
                if let Some(age) = max_age {
                    response.add_option(CoapOption::MaxAge, age.to_be_bytes().to_vec());
                }
            }
            Act::Reset => return Some(vec![0x70, 0, datagram[2], datagram[3]]),
            Act::Silence => return None,
        }
        response.set_token(request.get_token().to_vec());
        response.header.set_type(MessageType::Acknowledgement);
        response.header.message_id = id;
        let answer = response.to_bytes_unlimited().unwrap();
        cloud.answered.insert(id, answer.clone());
        Some(answer)
    }

    fn read(&self, request: &Packet) -> Asked {
        let path = request.get_option(CoapOption::UriPath).into_iter().flatten();
        let path: Vec<_> = path.map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let observe = request.get_option(CoapOption::Observe).and_then(|values| values.front());
        Asked {
            at: self.now.get(),
            get: request.header.code == MessageClass::Request(RequestType::Get),
            path: path.join("/"),
            observe: observe.map(|value| value.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))),
            token: request.get_token().to_vec(),
            block: block(request, CoapOption::Block2),
            payload: String::from_utf8_lossy(&request.payload).into_owned(),
        }
    }
}

impl Clock for World {
    fn now(&self) -> Millis {
        self.now.get()
    }
}

impl Timer for World {
    /// Jumps from event to event, and lets others look at each. An alarm of somebody else's is an event too.
    async fn wait_until(&self, at: Millis) {
        let alarm = Alarm::set(self, at);
        // Whoever waits around this one sets the alarm first.
        yielded().await;
        while self.now.get() < at {
            self.now.set(self.next_at().unwrap_or(at).min(at).max(self.now.get()));
            self.turn();
            yielded().await;
        }
        drop(alarm);
    }
}

/// A moment that somebody waits for.
struct Alarm<'w>(&'w World, Millis);

impl<'w> Alarm<'w> {
    fn set(world: &'w World, at: Millis) -> Self {
        world.alarms.borrow_mut().push(at);
        Self(world, at)
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        let mut alarms = self.0.alarms.borrow_mut();
        if let Some(index) = alarms.iter().position(|at| *at == self.1) {
            alarms.swap_remove(index);
        }
    }
}

/// Pending once.
async fn yielded() {
    let mut looked = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if core::mem::replace(&mut looked, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Datagram for &World {
    type Error = std::io::Error;
    async fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        if self.slow.get() {
            yielded().await;
        }
        self.there.borrow_mut().send(self.now.get(), datagram);
        if self.slow.get() {
            yielded().await;
        }
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        poll_fn(|_| {
            self.turn();
            let Some(datagram) = self.back.borrow_mut().receive(self.now.get()) else {
                return Poll::Pending;
            };
            let n = datagram.len().min(buffer.len());
            buffer[..n].copy_from_slice(&datagram[..n]);
            Poll::Ready(Ok(n))
        })
        .await
    }
}
