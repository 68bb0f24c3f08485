//! What decoding and encoding promise beyond the vectors in `tests/linkkit.rs`.

use super::*;
use crate::{Component, Event, OfferError, Report};
use std::string::String;
use std::vec::Vec;

struct Fixed(u32);
impl Entropy for Fixed {
    fn next_u32(&mut self) -> u32 {
        self.0
    }
}

fn lamp() -> Identity {
    Identity::new("a1B2c3D4e5F", "lamp-7").unwrap()
}

#[test]
fn names_are_checked_before_they_reach_a_topic() {
    for (product_key, device_name) in
        [("", "d"), ("pk", ""), ("p/k", "d"), ("pk", "d/x"), ("pk", "+"), ("pk", "#"), ("pk", "d\0"), ("pk", "dé")]
    {
        assert!(Identity::new(product_key, device_name).is_err(), "{product_key} {device_name}");
    }
    let (product_key, device_name) = ("k".repeat(20), "d".repeat(32));
    let longest = Identity::new(&product_key, &device_name).unwrap();
    assert_eq!(Identity::new(&(product_key + "k"), "d"), Err(IdentityError::ProductKey));
    assert_eq!(Identity::new("k", &(device_name + "d")), Err(IdentityError::DeviceName));
    for topic in [Topic::Inform, Topic::Upgrade, Topic::Progress, Topic::Get, Topic::GetReply, Topic::DeviceInfo] {
        let mut buf = [0; TOPIC_MAX];
        let text = topic.write(&longest, &mut buf).unwrap();
        assert_eq!(Topic::parse(text), Some((topic, longest.product_key(), longest.device_name())));
        for short in 0..text.len() {
            assert!(topic.write(&longest, &mut [0; TOPIC_MAX][..short]).is_err());
        }
    }
}

#[test]
fn a_message_is_for_the_device_its_topic_names() {
    let (lamp, subs) = (lamp(), [Identity::new("a1Sub", "bulb:1").unwrap(), Identity::new("a1Sub", "bulb:2").unwrap()]);
    let codec = Linkkit::new(&lamp, &subs, &mut Fixed(0));
    for (topic, device) in [
        ("/ota/device/upgrade/a1B2c3D4e5F/lamp-7", Some(0)),
        ("/ota/device/upgrade/a1Sub/bulb:2", Some(2)),
        ("/sys/a1Sub/bulb:1/thing/ota/firmware/get_reply", Some(1)),
        ("/ota/device/upgrade/a1Sub/bulb:3", None),
        ("/ota/device/upgrade/a1Sub/bulb:1/x", None),
        ("/ota/device/upgrade/a1Other/lamp-7", None),
        ("/ota/device/upgrade/a1B2c3D4e5F/bulb:1", None),
        ("/ota/device/upgrade/a1Sub", None),
        ("/ota/device/inform/a1B2c3D4e5F/lamp-7", None),
        ("/sys/a1Sub/bulb:1/thing/ota/firmware/get", None),
        ("/sys//thing/ota/firmware/get_reply", None),
        ("/sys/thing/ota/firmware/get_reply", None),
        ("/ota/device/upgrade/lamp-7/a1B2c3D4e5F", None),
        ("", None),
    ] {
        assert_eq!(codec.device_of(topic), device, "{topic}");
    }
}

#[test]
fn at_most_255_sub_devices_take_part() {
    let subs: Vec<_> =
        (1..=300).map(|n: u32| Identity::new("k", &std::string::ToString::to_string(&n)).unwrap()).collect();
    let lamp = lamp();
    let codec = Linkkit::new(&lamp, &subs, &mut Fixed(0));
    assert_eq!(codec.device_of("/ota/device/upgrade/k/255"), Some(255));
    assert_eq!(codec.device_of("/ota/device/upgrade/k/256"), None);
}

#[test]
fn every_report_fits_the_advertised_buffer_and_no_smaller_one_is_overrun() {
    let name = "\u{1}".repeat(64);
    let text = "\u{1}".repeat(500);
    let longest = Identity::new(&"k".repeat(20), &"d".repeat(32)).unwrap();
    let codec = Linkkit::new(&longest, &[], &mut Fixed(0));
    let component = Component { device: 0, module: "m23456789012345678901234567890_2" };
    let version = "9".repeat(VERSION_MAX);
    let plain = "é".repeat(100);
    for report in [
        Report::Version { component, version: &version },
        Report::Progress { component, percent: 255 },
        Report::Failed { component, stage: crate::FailStage::Burn, text: &plain },
        Report::Query { component },
    ] {
        let mut buf = [0; MESSAGE_MAX];
        let message = codec.encode(&report, u32::MAX, &mut buf).unwrap();
        serde_json::from_str::<serde_json::Value>(message.payload).unwrap();
        let need = message.topic.len() + message.payload.len();
        let mut buf = [0; MESSAGE_MAX];
        assert!(codec.encode(&report, u32::MAX, &mut buf[..need]).is_ok());
        assert_eq!(codec.encode(&report, u32::MAX, &mut buf[..need - 1]), Err(EncodeError::TooLarge));
    }
    let escaped = Report::Tag { key: &name, value: &text };
    assert_eq!(codec.encode(&escaped, 0, &mut [0; MESSAGE_MAX]), Err(EncodeError::TooLarge));
    let mut buf = [0; 8192];
    let message = codec.encode(&escaped, 0, &mut buf).unwrap();
    let value: serde_json::Value = serde_json::from_str(message.payload).unwrap();
    assert_eq!(value["params"][0]["attrValue"], text);
}

#[test]
fn a_version_that_the_cloud_would_refuse_is_not_sent() {
    let lamp = lamp();
    let codec = Linkkit::new(&lamp, &[], &mut Fixed(0));
    for version in ["", "1 0", "1\"", "é", &"1".repeat(65)] {
        let report = Report::Version { component: Component::default(), version };
        assert_eq!(codec.encode(&report, 0, &mut [0; MESSAGE_MAX]), Err(EncodeError::Version));
    }
}

#[test]
fn a_wrong_field_is_named_wherever_the_message_says_that_it_failed() {
    let lamp = lamp();
    let codec = Linkkit::new(&lamp, &[], &mut Fixed(0));
    let read = |text: &str| {
        let mut bytes = String::from(text).into_bytes();
        std::format!("{:?}", codec.decode("/ota/device/upgrade/a1B2c3D4e5F/lamp-7", &mut bytes))
    };
    let refused = std::format!("{:?}", Some(Event::Bad(OfferError::Refused)));
    assert_eq!(read(r#"{"data":{"size":"x"},"message":"busy"}"#), refused);
    assert_eq!(read(r#"{"message":"busy","data":{"size":"x"}}"#), refused);
    assert_eq!(read(r#"{"message":{"text":"busy"},"data":{}}"#), refused);
    assert_eq!(read(r#"{"code":[1000],"data":{}}"#), refused);
    let wrong = std::format!("{:?}", Some(Event::Bad(OfferError::Invalid("size"))));
    assert_eq!(read(r#"{"data":{"size":[{}],"url":{}}}"#), wrong);
    let malformed = std::format!("{:?}", Some(Event::Bad(OfferError::Malformed)));
    assert_eq!(read(r#"{"data":{"size":"x"}}}"#), malformed);
}
