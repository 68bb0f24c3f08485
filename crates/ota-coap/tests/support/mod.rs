//! A small server on coap-lite, and a network between it and our endpoint.

use coap_lite::block_handler::BlockValue;
use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use ota_coap::{Endpoint, Event, ExchangeConfig, Failure, Step};
use ota_hal::{Clock, Millis};
use ota_testkit::{DatagramFaults, Datagrams, FakeClock, Rng};
use std::collections::BTreeMap;

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    PiggyBacked,
    /// Bare acknowledgement, and the response this much later, confirmable.
    Separate(u32),
    /// The same, sent once.
    SeparateOnce(u32),
}

pub(crate) struct Server {
    pub(crate) manner: Manner,
    pub(crate) body: Vec<u8>,
    pub(crate) etag: Vec<u8>,
    pub(crate) block_max: usize,
    /// Bodies that were posted completely.
    pub(crate) posted: Vec<Vec<u8>>,
    /// Requests that were acted upon: each once, however often it came.
    pub(crate) served: u32,
    partial: Vec<u8>,
    next_id: u16,
    /// Message id of each request, and what it was answered.
    answered: BTreeMap<u16, Vec<u8>>,
    /// Responses on their way: when, how often still, how long then, and the datagram.
    pending: Vec<(Millis, u32, u32, Vec<u8>)>,
}

impl Server {
    pub(crate) fn new(manner: Manner, body: Vec<u8>, block_max: usize) -> Self {
        Self {
            manner,
            body,
            etag: b"v1".to_vec(),
            block_max,
            posted: Vec::new(),
            served: 0,
            partial: Vec::new(),
            next_id: 0x8000,
            answered: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    pub(crate) fn on_datagram(&mut self, now: Millis, datagram: &[u8]) -> Option<Vec<u8>> {
        let packet = Packet::from_bytes(datagram).unwrap();
        let id = packet.header.message_id;
        match packet.header.get_type() {
            MessageType::Acknowledgement | MessageType::Reset => {
                self.pending.retain(|(.., bytes)| Packet::from_bytes(bytes).unwrap().header.message_id != id);
                return None;
            }
            MessageType::NonConfirmable if self.answered.contains_key(&id) => return None,
            _ => {}
        }
        if let Some(answer) = self.answered.get(&id) {
            return Some(answer.clone());
        }
        self.served += 1;
        let confirmable = packet.header.get_type() == MessageType::Confirmable;
        let response = self.response(&packet);
        let answer = self.dispatch(now, response, id, confirmable);
        self.answered.insert(id, answer.clone().unwrap_or_default());
        answer
    }

    fn dispatch(&mut self, now: Millis, mut response: Packet, id: u16, confirmable: bool) -> Option<Vec<u8>> {
        let (delay, times, kind) = match self.manner {
            Manner::PiggyBacked if confirmable => {
                response.header.set_type(MessageType::Acknowledgement);
                response.header.message_id = id;
                return Some(response.to_bytes_unlimited().unwrap());
            }
            Manner::PiggyBacked => (0, 1, MessageType::NonConfirmable),
            Manner::Separate(delay) => (delay, 5, MessageType::Confirmable),
            Manner::SeparateOnce(delay) => (delay, 1, MessageType::NonConfirmable),
        };
        response.header.set_type(kind);
        response.header.message_id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.pending.push((now.after(delay), times, 2_000, response.to_bytes_unlimited().unwrap()));
        confirmable.then(|| {
            let mut bare = Packet::new();
            bare.header.set_type(MessageType::Acknowledgement);
            bare.header.code = MessageClass::Empty;
            bare.header.message_id = id;
            bare.to_bytes().unwrap()
        })
    }

    fn response(&mut self, request: &Packet) -> Packet {
        let mut response = Packet::new();
        response.set_token(request.get_token().to_vec());
        let block = |option| request.get_first_option_as::<BlockValue>(option).map(Result::unwrap);
        let code = match request.header.code {
            MessageClass::Request(RequestType::Get) => {
                let asked = block(CoapOption::Block2).unwrap_or(BlockValue { num: 0, more: false, size_exponent: 6 });
                self.part(&asked, &mut response)
            }
            _ => self.take(block(CoapOption::Block1), &request.payload, &mut response),
        };
        response.header.code = MessageClass::Response(code);
        response
    }

    fn part(&self, asked: &BlockValue, response: &mut Packet) -> ResponseType {
        let start = usize::from(asked.num) * asked.size();
        if start > self.body.len() || (start == self.body.len() && start > 0) {
            return ResponseType::BadRequest;
        }
        let size = asked.size().min(self.block_max);
        let end = self.body.len().min(start + size);
        let block = BlockValue::new(start / size, end < self.body.len(), size).unwrap();
        response.add_option_as(CoapOption::Block2, block);
        response.add_option(CoapOption::ETag, self.etag.clone());
        if start == 0 {
            let total = (self.body.len() as u32).to_be_bytes();
            response
                .add_option(CoapOption::Size2, total[total.iter().take_while(|byte| **byte == 0).count()..].to_vec());
        }
        response.payload = self.body[start..end].to_vec();
        ResponseType::Content
    }

    fn take(&mut self, block: Option<BlockValue>, payload: &[u8], response: &mut Packet) -> ResponseType {
        let Some(block) = block else {
            self.posted.push(payload.to_vec());
            return ResponseType::Changed;
        };
        if block.num == 0 {
            self.partial.clear();
        }
        if usize::from(block.num) * block.size() != self.partial.len() {
            return ResponseType::RequestEntityIncomplete;
        }
        let wanted = BlockValue::new(block.num.into(), block.more, block.size().min(self.block_max)).unwrap();
        response.add_option_as(CoapOption::Block1, wanted);
        self.partial.extend(payload);
        if block.more {
            return ResponseType::Continue;
        }
        self.posted.push(std::mem::take(&mut self.partial));
        ResponseType::Changed
    }

    fn next_at(&self) -> Option<Millis> {
        self.pending.iter().map(|(at, ..)| *at).min()
    }

    fn due(&mut self, now: Millis) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for (at, left, wait, bytes) in self.pending.iter_mut().filter(|(at, ..)| *at <= now) {
            out.push(bytes.clone());
            *left -= 1;
            *at = now.after(*wait);
            *wait *= 2;
        }
        self.pending.retain(|(_, left, ..)| *left > 0);
        out
    }
}

pub(crate) struct Net {
    pub(crate) clock: FakeClock,
    pub(crate) rng: Rng,
    pub(crate) endpoint: Endpoint,
    pub(crate) server: Server,
    there: Datagrams,
    back: Datagrams,
}

impl Net {
    pub(crate) fn new(server: Server, faults: DatagramFaults, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            clock: FakeClock::new(Millis(1_000 * u64::from(rng.below(1_000)))),
            endpoint: Endpoint::new(ExchangeConfig::default(), &mut rng),
            server,
            there: Datagrams::new(faults, rng.part(1)),
            back: Datagrams::new(faults, rng.part(2)),
            rng,
        }
    }

    /// One request to its end: the response's datagram, or why there is none.
    pub(crate) fn run(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(end) = self.turn() {
                return end;
            }
            let until = match self.endpoint.poll(self.clock.now()) {
                Step::Send => {
                    self.there.send(self.clock.now(), request);
                    continue;
                }
                Step::Wait(until) => until,
                Step::Failed(failure) => return Err(failure),
                Step::Idle => panic!("a request ended without saying so"),
            };
            self.jump(until);
        }
    }

    /// Lets everything under way arrive, for `ms`: how many answers came of it.
    pub(crate) fn aftermath(&mut self, ms: u32) -> u32 {
        let end = self.clock.now().after(ms);
        let mut answers = 0;
        while self.clock.now() < end {
            answers += u32::from(self.turn().is_some());
            self.jump(end);
        }
        answers
    }

    fn jump(&mut self, until: Millis) {
        let events = [self.there.next_at(), self.back.next_at(), self.server.next_at()];
        let next = events.into_iter().flatten().fold(until, Millis::min);
        self.clock.advance(next.since(self.clock.now()) as u32);
    }

    /// Moves what has arrived, until something ends the open request.
    fn turn(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        let now = self.clock.now();
        while let Some(datagram) = self.there.receive(now) {
            if let Some(answer) = self.server.on_datagram(now, &datagram) {
                self.back.send(now, &answer);
            }
        }
        self.server.due(now).iter().for_each(|datagram| self.back.send(now, datagram));
        while let Some(datagram) = self.back.receive(now) {
            let incoming = self.endpoint.on_datagram(now, &datagram);
            let end = match incoming.event {
                Event::Nothing => None,
                Event::Response(_) => Some(Ok(datagram.clone())),
                Event::Notification(_) => panic!("nothing is watched"),
                Event::Failed(failure) => Some(Err(failure)),
            };
            if let Some(reply) = incoming.reply {
                self.there.send(now, &reply);
            }
            if end.is_some() {
                return end;
            }
        }
        None
    }
}
