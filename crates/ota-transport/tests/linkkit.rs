//! Messages as they are seen in the field, and everything that can be wrong with them.

use base64::prelude::*;
use ota_hal::Entropy;
use ota_transport::linkkit::{Identity, Linkkit, MESSAGE_MAX, agent_id};
use ota_transport::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Fixed;
impl Entropy for Fixed {
    fn next_u32(&mut self) -> u32 {
        u32::MAX
    }
}

const UPGRADE: &str = "/ota/device/upgrade/a1B2c3D4e5F/lamp-7";
const GET_REPLY: &str = "/sys/a1B2c3D4e5F/lamp-7/thing/ota/firmware/get_reply";

fn with<T>(text: impl AsRef<[u8]>, topic: &str, check: impl FnOnce(Event<'_>) -> T) -> T {
    let device = Identity::new("a1B2c3D4e5F", "lamp-7").unwrap();
    let mut payload = text.as_ref().to_vec();
    check(Linkkit::new(&device, &[], &mut Fixed).decode(topic, &mut payload).expect("a message of ours"))
}

fn bad(text: impl AsRef<[u8]>) -> OfferError {
    with(&text, UPGRADE, |event| match event {
        Event::Bad(error) => error,
        other => panic!("{} is {other:?}", text.as_ref().escape_ascii()),
    })
}

fn offered<T>(text: impl AsRef<[u8]>, check: impl FnOnce(Offer<'_>) -> T) -> T {
    with(text, UPGRADE, |event| match event {
        Event::Offer(offer) => check(offer),
        other => panic!("{other:?}"),
    })
}

/// A signed object-store URL of 1.2 KiB, with the slashes escaped as the platform does it.
fn signed_url() -> String {
    let token = "CAIS9wF1q6Ft5B2yfSjIr5fcCM%2FAiQYd%2B".repeat(29);
    let url = format!(
        "https://iotx-ota.oss-cn-shanghai.example.com/ota/a1B2c3D4e5F/9c2f/cku04bhhu000b2v5o.bin?Expires=1502955804&OSSAccessKeyId=STS.NTx3&Signature=XfgJu7P6DW%2FsBb%3D&security-token={token}"
    );
    assert!((1200..1300).contains(&url.len()), "{}", url.len());
    url
}

/// The platform's push for one file over HTTPS, with everything it can say.
fn push() -> String {
    let signature = BASE64_STANDARD.encode([7; 256]).replace('/', "\\/");
    let url = signed_url().replace('/', "\\/");
    format!(
        r#"{{"code":"1000","data":{{"size":432945,"digestsign":"{signature}","version":"2.0.0","isDiff":1,"url":"{url}","signMethod":"MD5","sign":"93230c3bde425a9d7984a594ac55ea1e","md5":"93230c3bde425a9d7984a594ac55ea1e","module":"MCU","extData":{{"key1":"value1","key2":["}}",{{"x":null}}],"_package_udi":"{{\"ota_notice\":\"\u5347\u7ea7\"}}"}}}},"id":1507707025,"message":"success"}}"#
    )
}

#[test]
fn a_full_push_is_read() {
    offered(push(), |offer| {
        assert_eq!(offer.component, Component { device: 0, module: "MCU" });
        assert_eq!((offer.version, offer.size, offer.delta), ("2.0.0", Some(432_945), true));
        assert_eq!(offer.locator, Locator::Url(&signed_url()));
        let md5 = *b"\x93\x23\x0c\x3b\xde\x42\x5a\x9d\x79\x84\xa5\x94\xac\x55\xea\x1e";
        assert_eq!(offer.checksum, Some(Checksum::Md5(md5)));
        assert_eq!(offer.cloud_signature, [7; 256]);
    });
}

#[test]
fn the_oldest_form_is_read() {
    let text = "{ \"id\" : \"12\",\r\n\t\"message\":\"success\",\"data\":{\"md5\":\"93230C3BDE425A9D7984A594AC55EA1E\",\"size\":\"17\",\"url\":\"http://h/f\",\"version\":\"1\"},\"code\":1000}\n\0";
    offered(text, |offer| {
        assert_eq!((offer.version, offer.size), ("1", Some(17)));
        assert_eq!(offer.component, Component::default());
        assert!(matches!(offer.checksum, Some(Checksum::Md5([0x93, .., 0x1e]))));
        assert!(offer.cloud_signature.is_empty() && !offer.delta);
    });
}

#[test]
fn the_answer_to_a_query_is_read() {
    let text = r#"{"id":"123","code":200,"data":{"size":93796291,"sign":"f8d85b250d4d787a9f483d89a974733f00112233445566778899aabbccddeeff","version":"1.0.1.9.20171112.1432","url":"https://the_firmware_url","signMethod":"Sha256","module":"default"},"message":"success"}"#;
    with(text, GET_REPLY, |event| match event {
        Event::Offer(offer) => {
            assert_eq!(offer.component.module, "");
            assert!(matches!(offer.checksum, Some(Checksum::Sha256([0xf8, .., 0xff]))));
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn nothing_to_do_is_not_an_error() {
    for text in [
        r#"{"code":200,"data":{},"id":"1"}"#,
        r#"{"code":"200","data":null,"id":"1","message":"success"}"#,
        r#"{"code":200,"id":"1"}"#,
        r#"{"code":200,"data":{"module":"MCU","version":"1"},"message":"Success"}"#,
        r#"{"code":200,"data":{"url":null,"size":null}}"#,
        "{}",
    ] {
        with(text, GET_REPLY, |event| assert_eq!(event, Event::NoUpdate, "{text}"));
    }
}

#[test]
fn an_error_of_the_cloud_is_a_refusal() {
    for text in [
        r#"{"code":"429","data":{},"message":"too many requests"}"#,
        r#"{"code":1000,"data":{"url":"http://h/f","version":"1"},"message":"fail"}"#,
        r#"{"code":460,"data":{"url":"http://h/f","version":"1"},"message":"success"}"#,
        r#"{"message":7,"data":{"url":"http://h/f","version":"1"}}"#,
        r#"{"code":true}"#,
    ] {
        assert_eq!(bad(text), OfferError::Refused, "{text}");
    }
}

/// The data of a plain offer, changed by `change`.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut data = json!({
        "size": 432_945, "version": "2.0.0", "url": "https://h/f", "signMethod": "Md5",
        "sign": "93230c3bde425a9d7984a594ac55ea1e",
    });
    change(&mut data);
    serde_json::to_vec(&json!({"code": "1000", "data": data, "id": 1, "message": "success"})).unwrap()
}

fn set(name: &str, value: impl Into<Value>) -> Vec<u8> {
    let value = value.into();
    changed(|data| data[name] = value)
}

#[test]
fn fields_are_checked() {
    let missing = |name: &str| changed(|data| drop(data.as_object_mut().unwrap().remove(name)));
    assert_eq!(bad(missing("version")), OfferError::Missing("version"));
    assert_eq!(bad(missing("url")), OfferError::Missing("url"));
    assert_eq!(bad(missing("sign")), OfferError::Missing("sign"));
    offered(missing("size"), |offer| assert_eq!(offer.size, None));
    offered(missing("signMethod"), |offer| assert!(matches!(offer.checksum, Some(Checksum::Md5(_)))));

    let long = "v".repeat(65);
    let wrong: &[(&str, &[Value])] = &[
        ("version", &["".into(), long.into(), "1 0".into(), "1/0".into(), "é".into(), 7.into(), json!(["1"])]),
        ("size", &[0.into(), json!(4_294_967_296_u64), (-1).into(), json!(1.5), "".into(), "0x10".into(), json!({})]),
        (
            "url",
            &[
                "".into(),
                "x".repeat(2049).into(),
                "http://h/\r\nX: y".into(),
                "http://h/ f".into(),
                "http://é/".into(),
                1.into(),
            ],
        ),
        ("sign", &["".into(), "93".into(), "g3230c3bde425a9d7984a594ac55ea1e".into(), 1.into()]),
        ("signMethod", &["".into(), "CRC".into(), "SHA1".into(), 2.into()]),
        ("module", &["a/b".into(), "m".repeat(65).into(), "é".into(), 1.into()]),
        ("isDiff", &[2.into(), "yes".into(), json!([])]),
        (
            "digestsign",
            &[
                "AAAA".into(),
                "*".into(),
                BASE64_STANDARD.encode([1; 255]).into(),
                BASE64_STANDARD.encode([1; 513]).into(),
                1.into(),
            ],
        ),
        ("files", &[json!([]), json!([{}, {}]), json!({}), json!([1]), "x".into()]),
        ("dProtocol", &[1.into(), json!([])]),
        ("streamId", &["x".into(), json!(1e20)]),
    ];
    for (name, values) in wrong {
        for value in *values {
            assert_eq!(bad(set(name, value.clone())), OfferError::Invalid(name), "{name} = {value}");
        }
    }
    assert_eq!(bad(r#"{"data":[]}"#), OfferError::Invalid("data"));
    assert_eq!(bad(r#"{"data":"x"}"#), OfferError::Invalid("data"));
}

#[test]
fn fields_are_read_in_all_their_forms() {
    for method in ["MD5", "Md5", "md5", "mD5"] {
        offered(set("signMethod", method), |offer| assert!(matches!(offer.checksum, Some(Checksum::Md5(_)))));
    }
    for method in ["SHA256", "Sha256", "sha256", "SHA-256", "Sha-256"] {
        let text = changed(|data| {
            data["signMethod"] = method.into();
            data["sign"] = "aB".repeat(32).into();
        });
        offered(text, |offer| assert_eq!(offer.checksum, Some(Checksum::Sha256([0xab; 32]))));
    }
    for (size, read) in [(json!("1"), 1), (json!(u32::MAX), u32::MAX), (json!("4294967295"), u32::MAX)] {
        offered(set("size", size), |offer| assert_eq!(offer.size, Some(read)));
    }
    for (flag, read) in
        [(json!(0), false), (json!(1), true), (json!(true), true), (json!("1"), true), (Value::Null, false)]
    {
        offered(set("isDiff", flag), |offer| assert_eq!(offer.delta, read));
    }
    for bytes in [0, 256, 384, 512] {
        let text = set("digestsign", BASE64_STANDARD.encode(vec![bytes as u8; bytes]));
        offered(text, |offer| assert_eq!(offer.cloud_signature, vec![bytes as u8; bytes]));
    }
    let longest = format!("http://h/{}", "x".repeat(2039));
    offered(set("url", longest.clone()), |offer| assert_eq!(offer.locator, Locator::Url(&longest)));
    let version = "aZ0._-".repeat(11).split_off(2);
    offered(set("version", version.clone()), |offer| assert_eq!(offer.version, version));
    offered(set("module", ""), |offer| assert_eq!(offer.component.module, ""));
}

#[test]
fn an_object_can_be_a_stream_of_the_link() {
    let text = r#"{"code":"1000","data":{"size":432945,"digestsign":null,"dProtocol":"mqtt","streamId":1397,"streamFileId":"1","version":"2.0.0","signMethod":"MD5","sign":"93230c3bde425a9d7984a594ac55ea1e"},"id":1507707025,"message":"success"}"#;
    offered(text, |offer| assert_eq!(offer.locator, Locator::Stream { stream: 1397, file: 1 }));
    assert_eq!(bad(text.replace("\"streamId\"", "\"x\"")), OfferError::Missing("streamId"));
    assert_eq!(bad(text.replace("\"streamFileId\"", "\"x\"")), OfferError::Missing("streamFileId"));
    assert_eq!(bad(text.replace("\"size\"", "\"x\"")), OfferError::Missing("size"));
    let both = text.replace("\"version\"", "\"url\":\"http://h/f\",\"version\"");
    offered(&both, |offer| assert!(matches!(offer.locator, Locator::Stream { .. })));
    offered(both.replace("\"mqtt\"", "\"https\""), |offer| assert_eq!(offer.locator, Locator::Url("http://h/f")));
}

#[test]
fn one_file_of_a_list_is_an_offer_and_two_are_not() {
    let file = r#"{"fileSize":432944,"fileName":"1_7.bin","fileUrl":"https:\/\/h\/f","fileMd5":"93230c3bde425a9d7984a594ac55ea1e","fileSign":"93230c3bde425a9d7984a594ac55ea1e"}"#;
    let push = |files: &str| {
        format!(
            r#"{{"code":"1000","data":{{"version":"2.0.0","signMethod":"Md5","files":[{files}]}},"id":1,"message":"success"}}"#
        )
    };
    offered(push(file), |offer| {
        assert_eq!((offer.size, offer.locator), (Some(432_944), Locator::Url("https://h/f")));
        assert!(matches!(offer.checksum, Some(Checksum::Md5(_))));
    });
    assert_eq!(bad(push("")), OfferError::Invalid("files"));
    assert_eq!(bad(push(&format!("{file},{file}"))), OfferError::Invalid("files"));
    assert_eq!(bad(push("7")), OfferError::Invalid("files"));
    assert_eq!(bad(push(&file.replace("432944", "\"a\""))), OfferError::Invalid("fileSize"));
    assert_eq!(bad(push(&file.replace("fileUrl", "x"))), OfferError::Missing("url"));
}

#[test]
fn what_is_not_a_message_is_malformed() {
    let deep = format!(r#"{{"data":{{"extData":{}}}}}"#, "[".repeat(2000));
    for text in [
        "x",
        "[]",
        "7",
        "null",
        "\"success\"",
        "{",
        "{}}",
        "{}{}",
        "{\"data\":{}",
        "{\"data\":{},}",
        "{\"code\":1000 \"data\":{}}",
        "{'code':1000}",
        "{\"code\":01}",
        "{\"data\":{\"url\":\"\\x\"}}",
        "{\"data\":{\"url\":\"\\ud800\"}}",
        "{}\0\0",
        deep.as_str(),
    ] {
        assert_eq!(bad(text), OfferError::Malformed, "{text}");
    }
    for text in [b"{\"data\":{\"url\":\"\xff\"}}".as_slice(), b"{\"\xff\":1}", &[0; 64], &[0xff; 64]] {
        assert_eq!(bad(text), OfferError::Malformed);
    }
}

#[test]
fn every_truncation_is_malformed() {
    let push = push();
    // Nothing at all is how a retained offer is cleared.
    with("", UPGRADE, |event| assert!(matches!(event, Event::NoUpdate), "{event:?}"));
    for end in 1..push.len() {
        assert_eq!(bad(&push[..end]), OfferError::Malformed, "{end}");
    }
}

/// Every bit of every byte: an offer whose changed field is believed, or a typed error; never a panic.
#[test]
fn every_flipped_bit_is_some_event() {
    let push = push();
    let (mut offers, mut errors) = (0, 0);
    // Only a message whose `data` has lost its name may pass for one without an offer.
    let name = push.find("data").unwrap();
    let data = name..name + "data".len();
    for at in 0..push.len() {
        for bit in 0..8 {
            let mut text = push.clone().into_bytes();
            text[at] ^= 1 << bit;
            with(&text, UPGRADE, |event| match event {
                Event::Offer(offer) => {
                    offers += 1;
                    let Locator::Url(url) = offer.locator else { panic!("{}", text.escape_ascii()) };
                    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
                    assert!((1..=64).contains(&offer.version.len()) && offer.size != Some(0));
                }
                Event::Bad(_) => errors += 1,
                Event::NoUpdate => assert!(data.contains(&at), "{}", text.escape_ascii()),
                Event::Cancel => panic!("{}", text.escape_ascii()),
            });
        }
    }
    assert!(offers > 1000 && errors > 1000, "{offers} offers, {errors} errors");
}

#[test]
fn reports_are_what_the_platform_documents() {
    let device = Identity::new("a1B2c3D4e5F", "lamp-7").unwrap();
    let subs = [Identity::new("a1Sub", "bulb@1").unwrap()];
    let mut codec = Linkkit::new(&device, &subs, &mut Fixed);
    let (main, mcu) = (Component::default(), Component { device: 1, module: "MCU" });
    let mut buf = [0; MESSAGE_MAX];
    let value = agent_id("0.1.0", "mqtt", "none", "linux", &mut buf).unwrap().to_owned();
    assert_eq!(value, "OTA-RS-0.1.0-mqtt-none-linux");
    assert!(agent_id("0.1.0", "mqtt", "none", "linux", &mut buf[..27]).is_err());
    let cases = [
        (
            Report::Version { component: main, version: "1.0.1" },
            "/ota/device/inform/a1B2c3D4e5F/lamp-7",
            r#"{"id":"4294967295","params":{"version":"1.0.1"}}"#,
        ),
        (
            Report::Version { component: mcu, version: "1.0.1" },
            "/ota/device/inform/a1Sub/bulb@1",
            r#"{"id":"0","params":{"version":"1.0.1","module":"MCU"}}"#,
        ),
        (
            Report::Progress { component: main, percent: 0 },
            "/ota/device/progress/a1B2c3D4e5F/lamp-7",
            r#"{"id":"1","params":{"step":"1","desc":"in progress"}}"#,
        ),
        (
            Report::Progress { component: mcu, percent: 100 },
            "/ota/device/progress/a1Sub/bulb@1",
            r#"{"id":"2","params":{"step":"100","desc":"complete","module":"MCU"}}"#,
        ),
        (
            Report::Failed { component: main, stage: FailStage::Upgrade, text: "" },
            "/ota/device/progress/a1B2c3D4e5F/lamp-7",
            r#"{"id":"3","params":{"step":"-1","desc":"upgrade failed"}}"#,
        ),
        (
            Report::Failed { component: main, stage: FailStage::Download, text: "HTTP 404" },
            "/ota/device/progress/a1B2c3D4e5F/lamp-7",
            r#"{"id":"4","params":{"step":"-2","desc":"HTTP 404"}}"#,
        ),
        (
            Report::Failed { component: main, stage: FailStage::Verify, text: "a\"b\\c\n\u{1}é" },
            "/ota/device/progress/a1B2c3D4e5F/lamp-7",
            r#"{"id":"5","params":{"step":"-3","desc":"a\"b\\c\n\u0001é"}}"#,
        ),
        (
            Report::Failed { component: mcu, stage: FailStage::Burn, text: "" },
            "/ota/device/progress/a1Sub/bulb@1",
            r#"{"id":"6","params":{"step":"-4","desc":"burn failed","module":"MCU"}}"#,
        ),
        (
            Report::Query { component: main },
            "/sys/a1B2c3D4e5F/lamp-7/thing/ota/firmware/get",
            r#"{"id":"7","version":"1.0","params":{},"method":"thing.ota.firmware.get"}"#,
        ),
        (
            Report::Query { component: mcu },
            "/sys/a1Sub/bulb@1/thing/ota/firmware/get",
            r#"{"id":"8","version":"1.0","params":{"module":"MCU"},"method":"thing.ota.firmware.get"}"#,
        ),
        (
            Report::Tag { key: "SYS_OTA_ID", value: &value },
            "/sys/a1B2c3D4e5F/lamp-7/thing/deviceinfo/update",
            r#"{"id":"9","version":"1.0","params":[{"attrKey":"SYS_OTA_ID","attrValue":"OTA-RS-0.1.0-mqtt-none-linux"}],"method":"thing.deviceinfo.update"}"#,
        ),
    ];
    for (report, topic, payload) in &cases {
        let id = codec.next_id();
        let message = codec.encode(report, id, &mut buf).unwrap();
        assert_eq!((message.topic, message.payload), (*topic, *payload));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_some_event(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        with(bytes, UPGRADE, |_| ());
    }

    #[test]
    fn any_topic_is_ours_or_not(topic in "(/ota/device/|/sys/)?(upgrade/)?[a-zA-Z0-9/+#]{0,20}(/thing/ota/firmware/get_reply)?") {
        let device = Identity::new("a1B2c3D4e5F", "lamp-7").unwrap();
        let ours = Linkkit::new(&device, &[], &mut Fixed).device_of(&topic);
        prop_assert_eq!(ours.is_some(), topic == UPGRADE || topic == GET_REPLY);
    }

    #[test]
    fn whatever_text_a_failure_has_the_cloud_can_read_it(text in ".*", id in any::<u32>()) {
        let device = Identity::new("a1B2c3D4e5F", "lamp-7").unwrap();
        let mut buf = [0; 2048];
        let report = Report::Failed { component: Component::default(), stage: FailStage::Burn, text: &text };
        let codec = Linkkit::new(&device, &[], &mut Fixed);
        let message = codec.encode(&report, id, &mut buf).unwrap();
        let value: Value = serde_json::from_str(message.payload).unwrap();
        prop_assert_eq!(value["id"].as_str().unwrap(), id.to_string());
        let sent = value["params"]["desc"].as_str().unwrap();
        prop_assert!(text.starts_with(sent) || text.is_empty());
        prop_assert!(sent.len() > 124 || sent.len() == text.len() || text.is_empty());
    }
}
