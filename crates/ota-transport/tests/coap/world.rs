//! A cloud on coap-lite, behind a network whose time is simulated.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use core::cell::RefCell;
use ota_coap::Datagram;
use ota_hal::{Clock, Millis, Timer};
use ota_testkit::{DatagramFaults, Network, Unconfirmed};
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
    /// Notifications to be confirmed.
    pending: Unconfirmed,
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
            pending: Unconfirmed::default(),
        }
    }

    /// It starts anew: whom it knew, and what it had to confirm, is gone.
    pub fn forget(&mut self) {
        self.observers.clear();
        self.answered.clear();
        self.pending = Unconfirmed::default();
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
    pub network: Network,
    pub cloud: RefCell<Cloud>,
    script: RefCell<Script>,
}

impl World {
    pub fn new(faults: DatagramFaults, seed: u64) -> Self {
        let script: Script = Box::new(|_, _| Act::Serve);
        Self { network: Network::new(faults, seed), cloud: RefCell::new(Cloud::new()), script: RefCell::new(script) }
    }

    /// A perfect way that takes no time.
    pub fn near() -> Self {
        Self::new(DatagramFaults::default(), 1)
    }

    pub fn script(&self, script: impl FnMut(&Asked, &mut Cloud) -> Act + 'static) {
        *self.script.borrow_mut() = Box::new(script);
    }

    /// Whether all notifications were acknowledged.
    pub fn is_confirmed(&self) -> bool {
        self.cloud.borrow().pending.next_at().is_none()
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
            cloud.pending.push(self.now(), bytes);
        } else {
            self.network.reply(&bytes);
        }
    }

    /// Lets what has arrived at the cloud be answered.
    pub fn turn(&self) {
        while let Some(datagram) = self.network.arrived() {
            if let Some(answer) = self.answer(&datagram) {
                self.network.reply(&answer);
            }
        }
        self.cloud.borrow_mut().pending.turn(self.now(), |bytes| self.network.reply(bytes));
    }

    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        // A flipped bit may make anything of it.
        let request = Packet::from_bytes(datagram).ok()?;
        let id = request.header.message_id;
        let cloud = &mut *self.cloud.borrow_mut();
        if request.header.get_type() != MessageType::Confirmable {
            cloud.pending.drop_where(|bytes| bytes[2..4] == id.to_be_bytes());
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
            at: self.now(),
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
        self.network.now()
    }
}

impl Timer for World {
    async fn wait_until(&self, at: Millis) {
        self.network.wait_until(at, || self.turn(), || self.cloud.borrow().pending.next_at()).await;
    }
}

impl Datagram for &World {
    type Error = std::io::Error;
    async fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.network.send(datagram).await;
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.network.receive(buffer, || self.turn()).await)
    }
}
