//! `ota serve` over CoAP, with packets of coap-lite on a plain socket.

mod device;
mod linkkit;
mod offers;
mod reports;
#[path = "../support/mod.rs"]
mod support;

use coap_lite::{CoapOption, MessageType, RequestType, ResponseType};
use device::*;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use support::{Server, scratch};

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
pub(crate) fn fetch(device: &mut Device, path: &str, szx: u32) -> Vec<u8> {
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
fn what_is_not_confirmable_is_answered_so_and_under_an_id_of_the_servers_own() {
    let (_guard, server) = bench(&[]);
    let mut device = Device::new(&server);
    let (body, mut ids) = (version("1.0.0").to_string(), Vec::new());
    for (method, path, body) in
        [(RequestType::Get, "files/fw.ota", ""), (RequestType::Post, "ota/version/pk/dn", &body)]
    {
        let mut packet = device.packet(method, path, body.as_bytes());
        packet.header.set_type(MessageType::NonConfirmable);
        device.socket.send(&packet.to_bytes_unlimited().unwrap()).unwrap();
        let answer = device.hear();
        assert_eq!((answer.header.get_type(), answer.get_token()), (MessageType::NonConfirmable, packet.get_token()));
        assert!(matches!(code(&answer), ResponseType::Content | ResponseType::Changed));
        ids.push(answer.header.message_id);
    }
    assert_eq!(server.event("version")["version"], "1.0.0");
    assert_ne!(ids[0], ids[1]);
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
