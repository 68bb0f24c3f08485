//! `ota serve` over CoAP, with packets of coap-lite on a plain socket.

mod support;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;
use support::{Server, release, scratch};

/// A device: a socket, message ids, what came unasked, and the ids of the notifications that it confirmed.
struct Device {
    socket: UdpSocket,
    id: u16,
    unasked: RefCell<VecDeque<Packet>>,
    confirmed: RefCell<HashSet<u16>>,
}

impl Device {
    fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        socket.connect(("127.0.0.1", server.coap())).unwrap();
        Self { socket, id: 1, unasked: RefCell::default(), confirmed: RefCell::default() }
    }

    fn packet(&mut self, method: RequestType, path: &str, payload: &[u8]) -> Packet {
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

    fn hear(&self) -> Packet {
        let mut bytes = [0; 2_048];
        let len = self.socket.recv(&mut bytes).expect("a datagram");
        Packet::from_bytes(&bytes[..len]).unwrap()
    }

    fn ask(&self, packet: &Packet) -> Packet {
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

    fn get(&mut self, path: &str) -> Packet {
        let packet = self.packet(RequestType::Get, path, b"");
        self.ask(&packet)
    }

    /// A block, by number and size exponent.
    fn block(&mut self, path: &str, number: u32, szx: u32) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Block2, (number << 4 | szx).to_be_bytes()[1..].to_vec());
        self.ask(&packet)
    }

    /// A GET that accepts one format only.
    fn accept(&mut self, path: &str, format: u8) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Accept, vec![format]);
        self.ask(&packet)
    }

    /// A POST of a format.
    fn post_as(&mut self, path: &str, format: u8, payload: &Value) -> Packet {
        let mut packet = self.packet(RequestType::Post, path, payload.to_string().as_bytes());
        packet.add_option(CoapOption::ContentFormat, vec![format]);
        self.ask(&packet)
    }

    fn post(&mut self, path: &str, payload: &Value) -> ResponseType {
        let packet = self.packet(RequestType::Post, path, payload.to_string().as_bytes());
        code(&self.ask(&packet))
    }

    fn observe(&mut self, path: &str, wish: u8) -> Packet {
        let mut packet = self.packet(RequestType::Get, path, b"");
        packet.add_option(CoapOption::Observe, vec![wish]);
        self.ask(&packet)
    }

    /// The next notification, confirmed. One that was sent again, as its confirmation took a while, is no other one.
    fn news(&self) -> Packet {
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
    fn is_left_alone(&mut self, server: &Server) -> bool {
        let mut witness = Self::new(server);
        witness.observe("ota/offer/pk/witness", 0);
        assert_eq!(server.offer(&json!({ "device": "pk/witness", "file": "fw.ota" })).0, 200);
        witness.news();
        self.get("nothing");
        self.unasked.borrow().iter().all(|came| self.confirmed.borrow().contains(&came.header.message_id))
    }
}

fn code(packet: &Packet) -> ResponseType {
    match packet.header.code {
        MessageClass::Response(code) => code,
        other => panic!("{other:?}"),
    }
}

fn value(packet: &Packet, option: CoapOption) -> Option<Vec<u8>> {
    packet.get_option(option).and_then(|values| values.front().cloned())
}

fn number(packet: &Packet, option: CoapOption) -> Option<u32> {
    value(packet, option).map(|bytes| bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
}

fn bench(more: &[&str]) -> (tempfile::TempDir, Server) {
    let (guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let server = Server::start(&dir, &[&["--coap-port", "0"], more].concat());
    (guard, server)
}

fn version(text: &str) -> Value {
    json!({ "id": "1", "params": { "version": text } })
}

fn progress(step: &str) -> Value {
    json!({ "id": "1", "params": { "step": step, "desc": "" } })
}

#[test]
fn an_update_from_offer_to_version_report() {
    let (guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    assert_eq!(device.post("ota/version/pk/dn", &version("1.0.0")), ResponseType::Changed);
    assert_eq!(server.event("version")["version"], "1.0.0");
    let first = device.observe("ota/offer/pk/dn", 0);
    assert_eq!((code(&first), &first.payload[..]), (ResponseType::Content, &b""[..]));
    assert!(number(&first, CoapOption::Observe).is_some() && number(&first, CoapOption::MaxAge).is_some());

    assert_eq!(server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" })).0, 200);
    let news = device.news();
    assert!(number(&news, CoapOption::Observe) > number(&first, CoapOption::Observe));
    assert_ne!(value(&news, CoapOption::ETag), value(&first, CoapOption::ETag));
    let offer: Value = serde_json::from_slice(&news.payload).unwrap();
    let url = format!("coap://127.0.0.1:{}/files/fw.ota", server.coap());
    assert_eq!((&offer["data"]["url"], &offer["data"]["version"]), (&json!(url), &json!("1.1.0")));

    let wanted = std::fs::read(guard.path().join("fw.ota")).unwrap();
    assert_eq!(fetch(&mut device, "files/fw.ota", 4), wanted);
    assert_eq!(fetch(&mut device, "files/fw.ota", 6), wanted);

    assert_eq!(device.post("ota/progress/pk/dn", &progress("40")), ResponseType::Changed);
    assert_eq!(server.event("progress")["percent"], 40);
    assert_eq!(device.news().payload, b"", "at work: nothing more to offer");
    assert_eq!(device.post("ota/version/pk/dn", &version("1.1.0")), ResponseType::Changed);
    server.event("done");
    assert!(device.is_left_alone(&server));
}

/// A file, block by block; each with the same tag.
fn fetch(device: &mut Device, path: &str, szx: u32) -> Vec<u8> {
    let (mut body, mut tag, mut total) = (Vec::new(), None, None);
    for n in 0.. {
        let part = device.block(path, n, szx);
        let block = number(&part, CoapOption::Block2).unwrap();
        assert_eq!((code(&part), block >> 4, block & 7), (ResponseType::Content, n, szx));
        let now = value(&part, CoapOption::ETag);
        assert_eq!(tag.get_or_insert_with(|| now.clone()), &now);
        total = total.or(number(&part, CoapOption::Size2));
        body.extend(part.payload);
        if block & 8 == 0 {
            break;
        }
    }
    assert_eq!(total, Some(body.len() as u32));
    body
}

#[test]
fn an_observation_has_one_format() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    device.post("ota/version/pk/dn", &version("1.0.0"));
    let first = device.observe("ota/offer/pk/dn", 0);
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let offer = device.news();
    device.post("ota/progress/pk/dn", &progress("40"));
    let last = device.news();
    for (packet, empty) in [(first, true), (offer, false), (last, true)] {
        assert_eq!((packet.payload.is_empty(), number(&packet, CoapOption::ContentFormat)), (empty, Some(50)));
    }
}

#[test]
fn a_message_that_comes_twice_is_acted_upon_once() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let packet = device.packet(RequestType::Post, "ota/progress/pk/dn", progress("7").to_string().as_bytes());
    let answers: Vec<_> = (0..3).map(|_| device.ask(&packet).to_bytes_unlimited().unwrap()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    device.post("ota/progress/pk/dn", &progress("8"));
    assert_eq!(
        (server.event("progress")["percent"].as_i64(), server.event("progress")["percent"].as_i64()),
        (Some(7), Some(8))
    );
}

#[test]
fn blocks_far_into_a_file_are_found() {
    let (guard, server) = bench(&[]);
    let large: Vec<u8> = (0..6_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(guard.path().join("large.bin"), &large).unwrap();
    let mut device = Device::new(&server);
    let part = device.block("files/large.bin", 5_000, 6);
    assert_eq!(part.payload, large[5_000 * 1_024..5_001 * 1_024]);
    assert_eq!(number(&part, CoapOption::Block2), Some(5_000 << 4 | 8 | 6));
    assert_eq!(code(&device.block("files/large.bin", 6_000, 6)), ResponseType::BadRequest, "behind the end");
}

#[test]
fn what_cannot_be_answered_is_refused_by_its_code() {
    let (guard, server) = bench(&[]);
    std::fs::write(guard.path().join(".hidden"), "x").unwrap();
    let mut device = Device::new(&server);
    for path in
        ["nothing", "files/none", "files/.hidden", "files/k.pem", "files/..", "ota/offer/pk", "ota/offer/p k/dn"]
    {
        assert_eq!(code(&device.get(path)), ResponseType::NotFound, "{path}");
    }
    assert_eq!(device.post("ota/unknown/pk/dn", &json!({})), ResponseType::NotFound);
    assert_eq!(device.post("topic/ota/device/upgrade/pk/dn", &json!({})), ResponseType::NotFound);
    assert_eq!(device.post("files/fw.ota", &json!({})), ResponseType::MethodNotAllowed);
    assert_eq!(device.post("ota/version/pk/dn", &json!({})), ResponseType::BadRequest);
    let garbage = device.packet(RequestType::Post, "ota/progress/pk/dn", b"{");
    assert_eq!(code(&device.ask(&garbage)), ResponseType::BadRequest);
    let mut critical = device.packet(RequestType::Get, "files/fw.ota", b"");
    critical.add_option(CoapOption::Unknown(65_001), vec![1]);
    assert_eq!(code(&device.ask(&critical)), ResponseType::BadOption);
    let mut twice = device.packet(RequestType::Get, "ota/offer/pk/dn", b"");
    for value in [50, 50] {
        twice.add_option(CoapOption::Accept, vec![value]);
    }
    assert_eq!(code(&device.ask(&twice)), ResponseType::BadOption, "one that does not repeat");
    for (proxy, value) in [(CoapOption::ProxyUri, "coap://h/x"), (CoapOption::ProxyScheme, "coap")] {
        let mut through = device.packet(RequestType::Get, "files/fw.ota", b"");
        through.add_option(proxy, value.into());
        assert_eq!(code(&device.ask(&through)), ResponseType::ProxyingNotSupported, "{value}");
    }
    let reserved = device.block("files/fw.ota", 0, 7);
    assert_eq!(code(&reserved), ResponseType::BadRequest);
    // A request that is not to be confirmed gets no 4.02 for it: it is ignored (RFC 7252 §5.4.1).
    critical.header.set_type(MessageType::NonConfirmable);
    critical.header.message_id += 1_000;
    device.socket.send(&critical.to_bytes_unlimited().unwrap()).unwrap();
    assert!(device.is_left_alone(&server));
    // Another version of the protocol is no message; a ping is reset; noise is nothing.
    for (datagram, answered) in
        [(&[0x80, 1, 0, 1][..], false), (&[0x40, 0, 9, 9], true), (&[1, 2, 3], false), (&[], false)]
    {
        device.socket.send(datagram).unwrap();
        if answered {
            assert_eq!(device.hear().header.get_type(), MessageType::Reset);
        }
        assert!(device.is_left_alone(&server), "{datagram:?}");
    }
}

#[test]
fn what_there_is_comes_in_its_format_or_not_at_all() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let download = "topic/ota/device/download/pk/dn";
    for (path, format, other) in [("files/fw.ota", 42, 50), (download, 42, 0), ("ota/offer/pk/dn", 50, 60)] {
        assert_eq!(code(&device.accept(path, other)), ResponseType::NotAcceptable, "{path}");
        for answer in [device.accept(path, format), device.get(path)] {
            assert_eq!(code(&answer), ResponseType::Content, "{path}");
            assert_eq!(number(&answer, CoapOption::ContentFormat), Some(format.into()), "{path}");
        }
    }
    assert_eq!(code(&device.post_as("ota/version/pk/dn", 60, &version("1"))), ResponseType::UnsupportedContentFormat);
    assert_eq!(code(&device.post_as("ota/version/pk/dn", 50, &version("1"))), ResponseType::Changed);
}

#[test]
fn a_linkkit_device_may_want_its_offer_as_octets() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let mut ask = |format: Option<u8>| {
        let mut packet = device.packet(RequestType::Post, "topic/ota/device/request/pk/dn", &[]);
        packet.payload = version("1.0.0").to_string().into_bytes();
        if let Some(format) = format {
            packet.add_option(CoapOption::Accept, vec![format]);
        }
        device.ask(&packet)
    };
    for (wanted, format) in [(None, 50), (Some(50), 50), (Some(42), 42)] {
        let answer = ask(wanted);
        assert_eq!((code(&answer), answer.payload.is_empty()), (ResponseType::Content, false));
        assert_eq!(number(&answer, CoapOption::ContentFormat), Some(format));
    }
    assert_eq!(code(&ask(Some(60))), ResponseType::NotAcceptable);
}

#[test]
fn an_offer_that_is_an_answer_fits_one_message() {
    let (guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    // In a URL, three bytes for each.
    let long = "\u{e4}".repeat(100);
    let parts = [long.as_str(); 3].join("/");
    std::fs::create_dir_all(guard.path().join(&parts)).unwrap();
    std::fs::copy(guard.path().join("fw.ota"), guard.path().join(&parts).join("fw.ota")).unwrap();
    let mut ask = || {
        let payload = version("1.0.0").to_string();
        let packet = device.packet(RequestType::Post, "topic/ota/device/request/pk/dn", payload.as_bytes());
        device.ask(&packet)
    };
    assert_eq!(server.offer(&json!({ "device": "pk/dn", "file": format!("{parts}/fw.ota") })).0, 200);
    let answer = ask();
    assert!((1..=960).contains(&answer.payload.len()), "{} bytes", answer.payload.len());
    let offer: Value = serde_json::from_slice(&answer.payload).unwrap();
    let path = "topic/ota/device/download/pk/dn";
    assert_eq!(offer["data"]["url"], format!("coap://127.0.0.1:{}/{path}", server.coap()));
    assert_eq!(fetch(&mut device, path, 6), std::fs::read(guard.path().join("fw.ota")).unwrap());
}

#[test]
fn the_short_url_stands_for_the_offer_that_named_it() {
    let (guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let long = ["p".repeat(200), "q".repeat(200), "r".repeat(200), "s".repeat(200)].join("/");
    std::fs::create_dir_all(guard.path().join(&long)).unwrap();
    std::fs::write(guard.path().join(&long).join("module.bin"), "of the module").unwrap();
    let offer = |file: &str, module: &str| {
        let body = json!({ "device": "pk/dn", "file": file, "module": module, "version": "2.0.0" });
        assert_eq!(server.offer(&body).0, 200);
    };
    offer(&format!("{long}/module.bin"), "a");
    let packet =
        device.packet(RequestType::Post, "topic/ota/device/request/pk/dn", version("1.0.0").to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&device.ask(&packet).payload).unwrap();
    let path = "topic/ota/device/download/pk/dn";
    assert!(answer["data"]["url"].as_str().unwrap().ends_with(path), "{answer}");
    // Of a module whose name comes first.
    offer("app.bin", "");
    assert_eq!(device.get(path).payload, b"of the module");
}

#[test]
fn an_offer_that_fits_no_message_is_told_to_people_instead() {
    let base = format!("coap://h{}", format!("/{}", "p".repeat(200)).repeat(5));
    let (_guard, server) = bench(&["--public-coap-url", &base]);
    let mut device = Device::new(&server);
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let payload = version("1.0.0").to_string();
    let packet = device.packet(RequestType::Post, "topic/ota/device/request/pk/dn", payload.as_bytes());
    let answer = device.ask(&packet);
    assert_eq!((code(&answer), &answer.payload[..]), (ResponseType::Content, &b""[..]), "the report was taken");
    assert!(server.event("error")["reason"].as_str().unwrap().contains("at most 960"));
}

#[test]
fn a_report_in_blocks_is_put_together() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let text = progress("33").to_string();
    let parts: Vec<&[u8]> = text.as_bytes().chunks(16).collect();
    for (n, part) in parts.iter().enumerate() {
        let mut packet = device.packet(RequestType::Post, "ota/progress/pk/dn", part);
        let more = n + 1 < parts.len();
        packet.add_option(CoapOption::Block1, vec![(n << 4) as u8 | u8::from(more) << 3]);
        let wanted = if more { ResponseType::Continue } else { ResponseType::Changed };
        assert_eq!(code(&device.ask(&packet)), wanted);
    }
    assert_eq!(server.event("progress")["percent"], 33);
    let mut late = device.packet(RequestType::Post, "ota/progress/pk/dn", b"x");
    late.add_option(CoapOption::Block1, vec![1 << 4]);
    assert_eq!(code(&device.ask(&late)), ResponseType::RequestEntityIncomplete);
    for payload in [&[b' '; 15][..], &[b' '; 17]] {
        let mut uneven = device.packet(RequestType::Post, "ota/progress/pk/dn", payload);
        uneven.add_option(CoapOption::Block1, vec![8]);
        assert_eq!(code(&device.ask(&uneven)), ResponseType::BadRequest, "a block that is not the last is full");
    }
}

#[test]
fn a_query_offers_again_what_is_pending_and_who_observes_is_told_whoever_else_does() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    server.offer(&json!({ "devices": ["pk/dn"], "file": "fw.ota" }));
    let first = device.observe("ota/offer/pk/dn", 0);
    assert!(!first.payload.is_empty(), "what was offered before is there");
    device.post("ota/progress/pk/dn", &progress("5"));
    assert_eq!(device.news().payload, b"");
    assert_eq!(device.post("ota/query/pk/dn", &json!({ "id": "1", "params": {} })), ResponseType::Changed);
    let again = device.news();
    assert!(!again.payload.is_empty());
    assert_ne!(value(&again, CoapOption::ETag), value(&first, CoapOption::ETag), "or a device would not look at it");
    // After a restart it comes from another port.
    let mut restarted = Device::new(&server);
    restarted.observe("ota/offer/pk/dn", 0);
    restarted.post("ota/progress/pk/dn", &progress("6"));
    assert_eq!(restarted.news().payload, b"");
    assert_eq!(device.news().payload, b"", "nobody else takes its place");
    restarted.observe("ota/offer/pk/dn", 1);
    restarted.post("ota/query/pk/dn", &json!({ "id": "1", "params": {} }));
    assert!(restarted.is_left_alone(&server), "it said that it observes no more");
    assert!(!device.news().payload.is_empty());
}

#[test]
fn a_linkkit_device_asks_and_the_answer_is_the_offer() {
    let (_guard, server) = bench(&["--public-host", "10.0.2.2"]);
    let mut device = Device::new(&server);
    let request = json!({ "id": 0, "params": { "mode": "coap", "version": "1.0.0" } }).to_string();
    let mut ask = |text: &str| {
        let packet = device.packet(RequestType::Post, "topic/ota/device/request/pk/dn", text.as_bytes());
        device.ask(&packet).payload
    };
    assert_eq!(ask(&request), b"");
    assert_eq!(server.event("version")["version"], "1.0.0");
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let without = json!({ "id": 0, "params": { "mode": "coap" } }).to_string();
    for text in [&request, &without] {
        let offer: Value = serde_json::from_slice(&ask(text)).unwrap();
        assert_eq!(offer["data"]["url"], format!("coap://10.0.2.2:{}/files/fw.ota", server.coap()));
    }
    assert_eq!(device.post("topic/ota/device/progress/pk/dn", &progress("9")), ResponseType::Changed);
    assert_eq!(server.event("progress")["percent"], 9);
}

#[test]
fn a_linkkit_device_fetches_what_is_pending_by_its_own_name() {
    let (guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let path = "topic/ota/device/download/pk/dn";
    assert_eq!(code(&device.get(path)), ResponseType::NotFound, "nothing was offered");
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let wanted = std::fs::read(guard.path().join("fw.ota")).unwrap();
    assert_eq!(fetch(&mut device, path, 5), wanted);
    device.post("topic/ota/device/progress/pk/dn", &progress("50"));
    assert_eq!(fetch(&mut device, path, 6), wanted, "it goes on in mid-update");
    device.post("topic/ota/device/inform/pk/dn", &version("1.1.0"));
    assert_eq!(code(&device.get(path)), ResponseType::NotFound, "it is done");
    assert_eq!(code(&device.get("topic/ota/device/download/p k/dn")), ResponseType::NotFound);
}

#[test]
fn a_report_that_there_is_no_room_for_is_not_acknowledged_as_taken() {
    let (_guard, dir) = scratch();
    let device = json!({ "last_seen": null, "tags": {}, "modules": {} });
    let known: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("pk/{n}"), device.clone())).collect();
    std::fs::write(dir.join(".ota-serve.json"), json!({ "devices": known }).to_string()).unwrap();
    let server = Server::start(&dir, &["--coap-port", "0"]);
    let mut device = Device::new(&server);
    let report = device.packet(RequestType::Post, "ota/version/pk/new", version("1.0.0").to_string().as_bytes());
    let answer = device.ask(&report);
    assert_eq!((code(&answer), number(&answer, CoapOption::MaxAge)), (ResponseType::ServiceUnavailable, Some(60)));
    assert!(server.event("error")["reason"].as_str().unwrap().contains("10000 devices"));
    assert_eq!(device.post("ota/version/pk/7", &version("1.0.0")), ResponseType::Changed, "it is known");
}

#[test]
fn a_module_that_there_is_no_room_for_is_refused_for_good_and_the_others_go_on() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let report = |module: u32| json!({ "id": "1", "params": { "version": "1.0.0", "module": format!("m{module}") } });
    for module in 0..16 {
        assert_eq!(device.post("ota/version/pk/dn", &report(module)), ResponseType::Changed);
    }
    let firmware = json!({ "id": "1", "params": { "version": "1.0.0" } });
    assert_eq!(device.post("ota/version/pk/dn", &firmware), ResponseType::Changed, "the firmware has its place");
    // Not 5.03: a device of ours would send it again for ever.
    assert_eq!(device.post("ota/version/pk/dn", &report(16)), ResponseType::BadRequest);
    assert!(server.event("error")["reason"].as_str().unwrap().contains("16 modules"));
    let step = json!({ "id": "1", "params": { "step": "5", "desc": "", "module": "m16" } });
    assert_eq!(device.post("ota/progress/pk/dn", &step), ResponseType::BadRequest);
    assert_eq!(device.post("ota/version/pk/dn", &report(3)), ResponseType::Changed, "it is known");
}

#[test]
fn a_further_block_of_the_offers_is_no_registration() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let mut second = device.packet(RequestType::Get, "ota/offer/pk/dn", b"");
    second.add_option(CoapOption::Observe, vec![0]);
    second.add_option(CoapOption::Block2, vec![1 << 4 | 2]);
    let answer = device.ask(&second);
    assert_eq!((code(&answer), number(&answer, CoapOption::Observe)), (ResponseType::Content, None));
    device.post("ota/progress/pk/dn", &progress("5"));
    assert!(device.is_left_alone(&server), "the offers have changed, and it does not observe them");
}

#[test]
fn a_notification_comes_in_blocks_of_the_size_that_was_asked_for() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    device.post("ota/version/pk/dn", &version("1.0.0"));
    let mut first = device.packet(RequestType::Get, "ota/offer/pk/dn", b"");
    first.add_option(CoapOption::Observe, vec![0]);
    first.add_option(CoapOption::Block2, vec![2]);
    assert!(number(&device.ask(&first), CoapOption::Observe).is_some());
    server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    let news = device.news();
    assert_eq!((news.payload.len(), number(&news, CoapOption::Block2)), (64, Some(8 | 2)));
    let mut body = news.payload.clone();
    for n in 1.. {
        let part = device.block("ota/offer/pk/dn", n, 2);
        assert_eq!(value(&part, CoapOption::ETag), value(&news, CoapOption::ETag));
        body.extend(&part.payload);
        if number(&part, CoapOption::Block2).unwrap() & 8 == 0 {
            break;
        }
    }
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["data"]["version"], "1.1.0");
}

#[test]
fn a_large_report_is_taken_whole_or_refused() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let mut report = |len: usize| {
        let text = progress("12").to_string();
        let packet = device.packet(RequestType::Post, "ota/progress/pk/dn", format!("{text:len$}").as_bytes());
        code(&device.ask(&packet))
    };
    assert_eq!(report(4_096), ResponseType::Changed);
    assert_eq!(report(4_097), ResponseType::RequestEntityTooLarge);
}

#[test]
fn the_rate_holds_for_blocks_too() {
    let (_guard, server) = bench(&["--rate", "10"]);
    let mut device = Device::new(&server);
    let begin = std::time::Instant::now();
    for n in 0..5 {
        device.block("files/fw.ota", n, 6);
    }
    assert!(begin.elapsed() >= Duration::from_millis(490), "{:?}", begin.elapsed());
}

#[test]
fn without_the_option_no_coap_is_spoken() {
    let (_guard, dir) = scratch();
    let server = Server::start(Path::new(&dir), &[]);
    assert!(!server.ready.contains("coap="), "{}", server.ready);
}
