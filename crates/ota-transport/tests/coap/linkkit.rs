//! The dialect in which a device asks.

use super::world::{Act, World};
use super::{Buffers, VERSION, heard, identity, offer};
use coap_lite::{Packet, ResponseType};
use embassy_futures::block_on;
use ota_testkit::Rng;
use ota_transport::coap::{LinkkitCoap, SCRATCH, SCRATCH_MIN};
use ota_transport::{Component, Report, Transport};

const HOUR: u32 = 3_600_000;

#[test]
fn the_answer_to_a_version_is_the_offer_and_it_is_asked_for_every_hour() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH_MIN, 1_024));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    world.cloud.borrow_mut().answer = offer("2.0.0", 100);
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 10).await.as_deref(), Some("2.0.0"));
        world.cloud.borrow_mut().answer = String::new();
        coap.send(&Report::Progress { component: Component::default(), percent: 50 }).await.unwrap();
        assert_eq!(heard(&mut coap, &world, HOUR + 4_000).await, None);
        assert_eq!(heard(&mut coap, &world, 12_000).await.as_deref(), Some("NoUpdate"));
        world.cloud.borrow_mut().answer = r#"{"code":"1000","data":{},"id":1,"message":"success"}"#.into();
        coap.send(&Report::Query { component: Component::default() }).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 10).await.as_deref(), Some("NoUpdate"));
    });
    let cloud = world.cloud.borrow();
    let request = "topic/ota/device/request/a1pk/dev.1";
    let paths: Vec<_> = cloud.posted.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, [request, "topic/ota/device/progress/a1pk/dev.1", request, request]);
    for (path, text) in &cloud.posted {
        let text: serde_json::Value = serde_json::from_str(text).unwrap();
        if path == request {
            assert!(text["id"].is_u64());
            assert_eq!(text["params"], serde_json::json!({ "mode": "coap", "version": "1.0.0" }));
        } else {
            assert_eq!(text["params"]["step"], "50");
        }
    }
}

#[test]
fn a_question_before_the_version_is_known_has_none() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    block_on(coap.send(&Report::Query { component: Component::default() })).unwrap();
    let posted: serde_json::Value = serde_json::from_str(&world.posted("request")[0]).unwrap();
    assert_eq!(posted["params"], serde_json::json!({ "mode": "coap" }));
    block_on(coap.send(&Report::Tag { key: "k", value: "v" })).unwrap();
    assert_eq!(world.posted("topic/sys/a1pk/dev.1/thing/deviceinfo/update").len(), 1);
}

#[test]
fn a_refusal_waits_and_an_answer_that_does_not_fit_is_said_to() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 256));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    world.cloud.borrow_mut().answer = offer("2.0.0", 600);
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 10).await.as_deref(), Some("Bad(TooLarge)"));
        world.script(|_, _| Act::Code(ResponseType::ServiceUnavailable, Some(600)));
        assert_eq!(heard(&mut coap, &world, HOUR + 16_000).await, None);
        world.script(|_, _| Act::Serve);
        world.cloud.borrow_mut().answer = offer("2.0.0", 60);
        assert_eq!(heard(&mut coap, &world, 580_000).await, None);
        assert_eq!(heard(&mut coap, &world, 25_000).await.as_deref(), Some("2.0.0"));
    });
}

/// The answer to a report holds the offers, in one message however large.
#[test]
fn a_report_whose_answer_the_scratch_buffer_does_not_hold_has_arrived() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH_MIN, 1_024));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    world.cloud.borrow_mut().answer = offer("2.0.0", 900);
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 10).await.as_deref(), Some("Bad(TooLarge)"));
        assert_eq!(world.posted("request").len(), 1, "it is not sent again");
        world.cloud.borrow_mut().answer = offer("2.0.0", 60);
        assert_eq!(heard(&mut coap, &world, HOUR + 16_000).await.as_deref(), Some("2.0.0"));
    });
}

#[test]
fn a_refusal_with_more_text_than_fits_is_a_refusal() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH_MIN, 1_024));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    let wordy = |response: &mut Packet| {
        response.header.set_code("5.03");
        response.payload = vec![b'x'; 900];
    };
    world.script(move |_, _| Act::Edit(Box::new(wordy)));
    let error = block_on(coap.send(&VERSION)).unwrap_err();
    assert_eq!((coap.is_permanent(&error), coap.retry_after_ms(&error)), (false, Some(60_000)));
}
