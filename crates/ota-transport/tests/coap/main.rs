//! The CoAP driver against a cloud on coap-lite.

mod linkkit;
mod observing;
mod refused;
mod unkind;
mod world;

use embassy_futures::block_on;
use ota_coap::drive::within;
use ota_hal::{Clock, Millis, Timer};
use ota_testkit::Rng;
use ota_transport::coap::{Coap, CoapConfig, CoapError, Dialect, Plain, SCRATCH};
use ota_transport::linkkit::Identity;
use ota_transport::{Component, Event, Offer, Report, Transport};
use world::World;

type Device<'w, D> = Coap<'w, &'w World, &'w World, Rng, D>;

const VERSION: Report<'static> = Report::Version { component: Component { device: 0, module: "" }, version: "1.0.0" };

fn identity() -> Identity {
    Identity::new("a1pk", "dev.1").unwrap()
}

/// An upgrade message whose URL has so many bytes.
fn offer(version: &str, url_len: usize) -> String {
    let url = format!("coap://h/{}", "u".repeat(url_len - 9));
    format!(r#"{{"code":"1000","data":{{"size":9,"version":"{version}","url":"{url}"}},"id":1,"message":"success"}}"#)
}

struct Buffers {
    scratch: Vec<u8>,
    body: Vec<u8>,
}

impl Buffers {
    fn new(scratch: usize, body: usize) -> Self {
        Self { scratch: vec![0; scratch], body: vec![0; body] }
    }
    fn device<'w, D: Dialect>(&'w mut self, world: &'w World, dialect: D) -> Device<'w, D> {
        self.chancy(world, dialect, 11)
    }
    /// One whose chance begins at `seed`.
    fn chancy<'w, D: Dialect>(&'w mut self, world: &'w World, dialect: D, seed: u64) -> Device<'w, D> {
        let memory = (&mut self.scratch[..], &mut self.body[..]);
        Coap::new(world, world, Rng::new(seed), dialect, memory, CoapConfig::DEFAULT)
    }
}

/// The version of the offer that comes within `ms`; the event in words when it is none.
async fn heard<D: Dialect>(device: &mut Device<'_, D>, world: &World, ms: u32) -> Option<String> {
    let mut buf = [0; 4_096];
    let event = within(&world, world.now().after(ms), device.recv(&mut buf)).await?.expect("the link is there");
    Some(match event {
        Event::Offer(Offer { version, .. }) => version.into(),
        other => format!("{other:?}"),
    })
}

#[test]
fn reports_go_where_they_belong_and_are_answered() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let component = Component::default();
    let failed = Report::Failed { component, stage: ota_transport::FailStage::Verify, text: "no" };
    for report in [
        VERSION,
        Report::Progress { component, percent: 35 },
        failed,
        Report::Query { component },
        Report::Tag { key: "k", value: "v" },
    ] {
        block_on(coap.send(&report)).unwrap();
    }
    let cloud = world.cloud.borrow();
    let paths: Vec<_> = cloud.posted.iter().map(|(path, _)| path.as_str()).collect();
    let wanted = ["version", "progress", "progress", "query", "tag"].map(|kind| format!("ota/{kind}/a1pk/dev.1"));
    assert_eq!(paths, wanted);
    let texts: Vec<serde_json::Value> =
        cloud.posted.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    assert_eq!((&texts[0]["params"]["version"], &texts[1]["params"]["step"]), (&"1.0.0".into(), &"35".into()));
    assert_eq!((&texts[2]["params"]["step"], &texts[2]["params"]["desc"]), (&"-3".into(), &"no".into()));
    assert_eq!(&texts[4]["params"][0]["attrValue"], "v");
}

#[test]
fn a_report_that_does_not_fit_one_message_travels_in_blocks() {
    let (world, device) = (World::near(), identity());
    let mut buffers = Buffers::new(ota_transport::coap::SCRATCH_MIN, 512);
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let text = "x".repeat(128);
    let report = Report::Failed {
        component: Component { device: 0, module: "a-module-of-some-length" },
        stage: ota_transport::FailStage::Burn,
        text: &text,
    };
    block_on(coap.send(&report)).unwrap();
    assert!(world.asked().len() > 1);
    let posted = world.posted("progress");
    let whole: serde_json::Value = serde_json::from_str(&posted[0]).unwrap();
    assert_eq!((posted.len(), whole["params"]["desc"].as_str()), (1, Some(text.as_str())));
}

#[test]
fn what_cannot_be_written_is_permanent() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 512));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let of_sub = Component { device: 1, module: "" };
    let long = "v".repeat(2_000);
    for report in [
        Report::Version { component: of_sub, version: "1" },
        Report::Version { component: Component::default(), version: "a b" },
        Report::Tag { key: "k", value: &long },
    ] {
        let error = block_on(coap.send(&report)).unwrap_err();
        assert!(coap.is_permanent(&error), "{error:?}");
        assert!(matches!(error, CoapError::Report(_)), "{error:?}");
    }
    assert_eq!(world.asked(), []);
    block_on(coap.send(&VERSION)).unwrap();
}

#[test]
fn a_dropped_report_leaves_the_way_free() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 512));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.script(|_, cloud| if cloud.asked.len() == 1 { world::Act::Silence } else { world::Act::Serve });
    block_on(async {
        assert!(within(&&world, world.now().after(500), coap.send(&VERSION)).await.is_none());
        assert_eq!(heard(&mut coap, &world, 1_000).await, None, "nothing is asked before a report was answered");
        coap.send(&VERSION).await.unwrap();
        world.publish(&offer("2.0.0", 30), b"a");
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
    });
    assert_eq!(world.posted("version").len(), 1);
}

#[test]
fn the_timer_is_the_worlds() {
    // `within` of a reference to a reference: one less thing to go wrong in what the others assume.
    let world = World::near();
    block_on(Timer::wait_until(&&world, Millis(6_000)));
    assert_eq!(world.now(), Millis(6_000));
}
