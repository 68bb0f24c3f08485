//! The dialect in which a device asks.

use crate::device::*;
use crate::fetch;
use coap_lite::{CoapOption, RequestType, ResponseType};
use serde_json::{Value, json};

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
