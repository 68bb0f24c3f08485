//! A device: packets of coap-lite on a plain socket.

use crate::support::{self, Server, release, scratch};
use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::net::UdpSocket;

/// A device: a socket, message ids, what came unasked, and the ids of the notifications that it confirmed.
pub(crate) struct Device {
    pub(crate) socket: UdpSocket,
    pub(crate) id: u16,
    pub(crate) unasked: RefCell<VecDeque<Packet>>,
    pub(crate) confirmed: RefCell<HashSet<u16>>,
}

impl Device {
    pub(crate) fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        socket.connect(("127.0.0.1", server.coap())).unwrap();
        Self { socket, id: 1, unasked: RefCell::default(), confirmed: RefCell::default() }
    }

    pub(crate) fn packet(&mut self, method: RequestType, path: &str, payload: &[u8]) -> Packet {
        let mut packet = Packet::new();
        self.id += 1;
        packet.header.code = MessageClass::Request(method);
        packet.header.message_id = self.id;
        packet.header.set_type(MessageType::Confirmable);
        packet.set_token(vec![7, 7]);
        for part in path.split('/') {
            packet.add_option(CoapOption::UriPath, part.as_bytes().to_vec());
        }
        packet.payload = payload.to_vec();
        packet
    }

    pub(crate) fn hear(&self) -> Packet {
        let mut bytes = [0; 2_048];
        let len = self.socket.recv(&mut bytes).expect("a datagram");
        Packet::from_bytes(&bytes[..len]).unwrap()
    }

    pub(crate) fn ask(&self, packet: &Packet) -> Packet {
        self.socket.send(&packet.to_bytes_unlimited().unwrap()).unwrap();
        let mut answer = self.hear();
        while answer.header.get_type() == MessageType::Confirmable {
            self.unasked.borrow_mut().push_back(answer);
            answer = self.hear();
        }
        assert_eq!(
            (answer.header.message_id, answer.header.get_type()),
            (packet.header.message_id, MessageType::Acknowledgement)
        );
        assert_eq!(answer.get_token(), packet.get_token());
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Packet {
        let packet = self.packet(RequestType::Get, path, b"");
        self.ask(&packet)
    }

    /// A block, by number and size exponent.
    pub(crate) fn block(&mut self, path: &str, number: u32, szx: u32) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Block2, (number << 4 | szx).to_be_bytes()[1..].to_vec());
        self.ask(&packet)
    }

    /// A GET that accepts one format only.
    pub(crate) fn accept(&mut self, path: &str, format: u8) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Accept, vec![format]);
        self.ask(&packet)
    }

    /// A POST of a format.
    pub(crate) fn post_as(&mut self, path: &str, format: u8, payload: &Value) -> Packet {
        let mut packet = self.packet(RequestType::Post, path, payload.to_string().as_bytes());
        packet.add_option(CoapOption::ContentFormat, vec![format]);
        self.ask(&packet)
    }

    pub(crate) fn post(&mut self, path: &str, payload: &Value) -> ResponseType {
        let packet = self.packet(RequestType::Post, path, payload.to_string().as_bytes());
        code(&self.ask(&packet))
    }

    pub(crate) fn observe(&mut self, path: &str, wish: u8) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Observe, vec![wish]);
        self.ask(&packet)
    }

    /// The next notification, confirmed. One that was sent again, as its confirmation took a while, is no other one.
    pub(crate) fn news(&self) -> Packet {
        loop {
            let waiting = self.unasked.borrow_mut().pop_front();
            let news = waiting.unwrap_or_else(|| self.hear());
            assert_eq!((news.header.get_type(), news.get_token()), (MessageType::Confirmable, &[7, 7][..]));
            let [high, low] = news.header.message_id.to_be_bytes();
            self.socket.send(&[0x60, 0, high, low]).unwrap();
            if self.confirmed.borrow_mut().insert(news.header.message_id) {
                return news;
            }
        }
    }

    /// Whether all that happened before led to nothing that it is told. Changes are told in their order, and datagrams
    /// answered in theirs: this is known when an observer of another device was told of a later change, and a later request
    /// of this device has its answer.
    pub(crate) fn is_left_alone(&mut self, server: &Server) -> bool {
        let mut witness = Self::new(server);
        witness.observe("ota/offer/pk/witness", 0);
        assert_eq!(server.offer(&json!({ "device": "pk/witness", "file": "fw.ota" })).0, 200);
        witness.news();
        self.get("nothing");
        self.unasked.borrow().iter().all(|came| self.confirmed.borrow().contains(&came.header.message_id))
    }
}

pub(crate) fn code(packet: &Packet) -> ResponseType {
    match packet.header.code {
        MessageClass::Response(code) => code,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn value(packet: &Packet, option: CoapOption) -> Option<Vec<u8>> {
    packet.get_option(option).and_then(|values| values.front().cloned())
}

pub(crate) fn number(packet: &Packet, option: CoapOption) -> Option<u32> {
    value(packet, option).map(|bytes| bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
}

pub(crate) fn bench(more: &[&str]) -> (tempfile::TempDir, Server) {
    let (guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let server = Server::start(&dir, &[&["--coap-port", "0"], more].concat());
    (guard, server)
}

pub(crate) fn version(text: &str) -> Value {
    json!({ "id": "1", "params": { "version": text } })
}

pub(crate) fn progress(step: &str) -> Value {
    json!({ "id": "1", "params": { "step": step, "desc": "" } })
}
