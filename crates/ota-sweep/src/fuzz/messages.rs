//! JSON, and the messages of the Linkkit dialect in both directions.

use ota_testkit::Rng;
use ota_transport::json::{JsonError, Reader, Writer};
use ota_transport::linkkit::{Identity, Linkkit, MESSAGE_MAX, URL_MAX};
use ota_transport::{Checksum, Component, Event, FailStage, Locator, Offer, Report};

const TOPICS: [&str; 4] = [
    "/ota/device/upgrade/a1Fuzz/lamp",
    "/sys/a1Fuzz/lamp/thing/ota/firmware/get_reply",
    "/ota/device/upgrade/a1Sub/bulb",
    "/ota/device/upgrade/a1Other/lamp",
];

/// The first byte chooses the topic, the others are the payload.
pub(super) fn body(data: &[u8]) {
    let Some((first, payload)) = data.split_first() else { return };
    let (lamp, subs) = (Identity::new("a1Fuzz", "lamp").unwrap(), [Identity::new("a1Sub", "bulb").unwrap()]);
    let codec = Linkkit::new(&lamp, &subs, &mut Rng::new(1));
    let topic = TOPICS[usize::from(first % 4)];
    let mut buf = payload.to_vec();
    match codec.decode(topic, &mut buf) {
        None => assert_eq!(first % 4, 3, "a message for us is not heard"),
        Some(Event::Offer(offer)) => {
            reasonable(&offer);
            comes_back(&codec, topic, &offer);
            is_json(payload);
        }
        Some(Event::NoUpdate | Event::Cancel | Event::Bad(_)) => {}
    }
    if skipped(payload).is_ok() {
        is_json(payload);
    }
    if let Ok(text) = core::str::from_utf8(payload) {
        text_comes_back(text);
        reports(&codec, text);
        let _ = codec.device_of(text);
    }
}

/// What the documentation of `decode` promises of an offer.
fn reasonable(offer: &Offer<'_>) {
    assert!((1..=64).contains(&offer.version.len()) && offer.component.module.len() <= 64);
    assert_ne!(offer.size, Some(0));
    assert!(matches!(offer.cloud_signature.len(), 0 | 256..=512));
    if let Locator::Url(url) = offer.locator {
        assert!((1..=URL_MAX).contains(&url.len()) && url.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// The offer, written in the plain form of the platform, is the same offer.
fn comes_back(codec: &Linkkit<'_>, topic: &str, offer: &Offer<'_>) {
    if !offer.cloud_signature.is_empty() {
        return;
    }
    let mut buf = [0; 4096];
    let mut json = Writer::new(&mut buf);
    json.begin(b'{').key("id").number_string(7).key("code").string("1000").key("data").begin(b'{');
    json.key("version").string(offer.version).key("isDiff").number(offer.delta.into());
    if !offer.component.module.is_empty() {
        json.key("module").string(offer.component.module);
    }
    if let Some(size) = offer.size {
        json.key("size").number(size);
    }
    match offer.locator {
        Locator::Url(url) => json.key("url").string(url),
        Locator::Stream { stream, file } => {
            json.key("dProtocol").string("mqtt").key("streamId").number(stream).key("streamFileId").number(file)
        }
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match &offer.checksum {
        Some(Checksum::Sha256(digest)) => {
            json.key("signMethod").string("SHA256").key("sign").string(&hex(digest));
        }
        Some(Checksum::Md5(digest)) => {
            json.key("signMethod").string("Md5").key("sign").string(&hex(digest));
        }
        None => {}
    }
    json.end(b'}').end(b'}');
    let mut text = json.finish().expect("no offer is longer").as_bytes().to_vec();
    assert_eq!(codec.decode(topic, &mut text), Some(Event::Offer(*offer)), "the offer changed on its way");
}

fn skipped(payload: &[u8]) -> Result<(), JsonError> {
    let mut copy = payload.to_vec();
    let mut reader = Reader::new(&mut copy);
    reader.skip()?;
    reader.finish()
}

/// Another reader takes it too: numbers beyond its range and halves of surrogate pairs apart, nothing else is excused.
fn is_json(payload: &[u8]) {
    let text = payload.strip_suffix(&[0]).unwrap_or(payload);
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
        let why = error.to_string();
        let excused = ["number out of range", "surrogate", "hex escape"].iter().any(|known| why.contains(known));
        assert!(excused, "taken, but no JSON: {why}");
    }
}

fn text_comes_back(text: &str) {
    let mut buf = vec![0; 6 * text.len() + 2];
    let mut json = Writer::new(&mut buf);
    json.string(text);
    let mut written = json.finish().expect("six bytes a character are enough").as_bytes().to_vec();
    is_json(&written);
    assert_eq!(Reader::new(&mut written).string(), Ok(text), "the text changed on its way");
}

/// Every report with this text is JSON, or is refused.
fn reports(codec: &Linkkit<'_>, text: &str) {
    let component = Component { device: (text.len() % 3) as u8, module: text };
    let lines = [
        Report::Version { component, version: text },
        Report::Progress { component, percent: text.len() as u8 },
        Report::Failed { component, stage: FailStage::Verify, text },
        Report::Query { component },
        Report::Tag { key: text, value: text },
    ];
    for report in lines {
        for len in [MESSAGE_MAX, 8 * text.len() + 600] {
            if let Ok(message) = codec.encode(&report, 7, &mut vec![0; len]) {
                is_json(message.payload.as_bytes());
            }
        }
    }
}

/// Offers of the platform: both topics, each field, both protocols.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let digest = "0123456789abcdef".repeat(4);
    let signature = "QUJD".repeat(86);
    [
        format!(
            r#"0{{"code":"1000","data":{{"size":93796291,"sign":"{digest}","version":"1.0.1.9-2","isDiff":1,"url":"https://host/a?b=c","signMethod":"SHA256","digestsign":"{signature}","module":"mcu","extData":{{"k":"v"}}}},"id":1507707025,"message":"success"}}"#
        ),
        r#"1{"id":"1","code":200,"data":{"size":"11472299","sign":"83254fd66b9fcb0c8a0c5bde0b5ad4ff","version":"2.0","url":"http://h/x","signMethod":"Md5"},"message":"SUCCESS"}"#.into(),
        r#"2{"code":1000,"data":{"version":"3","size":9,"dProtocol":"mqtt","streamId":4294967295,"streamFileId":1,"files":[{"fileName":"a","fileUrl":"b","fileSize":1}]}}"#.into(),
        r#"3{"data":null,"x":[true,false,null,-1.5e+3,"\u00e9\ud83d\ude00\n",[[[{}]]]]}"#.into(),
        "0{\"code\":\"1000\",\"data\":{\"version\":\"1\",\"url\":\"http://h/\",\"md5\":\"83254fd66b9fcb0c8a0c5bde0b5ad4ff\"}}\0".into(),
        "1{}".into(),
    ]
    .map(String::into_bytes)
    .into()
}
