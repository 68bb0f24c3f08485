//! Reports: whole, in blocks, too many, too large.

use crate::device::*;
use crate::support::{Server, scratch};
use coap_lite::{CoapOption, RequestType, ResponseType};
use serde_json::json;

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
