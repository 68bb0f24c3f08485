//! Offers, and who observes them.

use crate::device::*;
use coap_lite::{CoapOption, RequestType, ResponseType};
use serde_json::{Value, json};

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
