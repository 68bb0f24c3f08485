//! Servers that keep to the protocol and make a device's life hard.

use super::world::{Act, World};
use super::{Buffers, VERSION, heard, identity, offer};
use coap_lite::ResponseType;
use embassy_futures::block_on;
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng, polled};
use ota_transport::coap::{LinkkitCoap, Plain, SCRATCH, SCRATCH_MIN};
use ota_transport::{Component, Event, Locator, Offer, Report, Transport};
use std::collections::BTreeSet;

const MINUTE: u32 = 60_000;
const HOUR: u32 = 60 * MINUTE;
const QUERY: Report<'static> = Report::Query { component: Component { device: 0, module: "" } };

#[test]
fn no_max_age_silences_a_device_for_longer_than_an_hour() {
    for (observes, notified) in [(true, false), (true, true), (false, false)] {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
        world.cloud.borrow_mut().max_age = Some(u32::MAX);
        world.cloud.borrow_mut().observes = observes;
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            if notified {
                world.publish(&offer("2.0.0", 100), b"a");
                assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
            }
            world.cloud.borrow_mut().forget();
            world.publish(&offer("2.1.0", 100), b"b");
            assert_eq!(heard(&mut coap, &world, HOUR - MINUTE).await, None);
            assert_eq!(heard(&mut coap, &world, 2 * MINUTE).await.as_deref(), Some("2.1.0"), "{observes} {notified}");
        });
    }
}

#[test]
fn devices_that_were_answered_together_do_not_ask_together() {
    let mut at = BTreeSet::new();
    for seed in 0..20 {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
        world.cloud.borrow_mut().observes = false;
        let mut coap = buffers.chancy(&world, Plain::new(&device, &mut Rng::new(5)), seed);
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            while world.asked().iter().filter(|asked| asked.get).count() < 2 {
                heard(&mut coap, &world, 1_000).await;
            }
        });
        at.insert(world.asked().last().unwrap().at);
    }
    assert!(at.len() > 10, "{at:?}");
}

#[test]
fn offers_without_an_entity_tag_are_told_once_and_again_when_asked_for() {
    for block_max in [1_024, 64] {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
        world.cloud.borrow_mut().block_max = block_max;
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        world.publish(&offer("2.0.0", 100), b"");
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
            assert_eq!(heard(&mut coap, &world, 10 * MINUTE).await, None);
            coap.send(&QUERY).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
            for version in ["2.1.0", "2.0.0"] {
                world.publish(&offer(version, 100), b"");
                assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some(version));
            }
        });
    }
}

#[test]
fn where_a_device_asks_the_same_answer_is_told_once_and_again_when_asked_for() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, LinkkitCoap::new(&device, &mut Rng::new(5)));
    world.cloud.borrow_mut().answer = offer("2.0.0", 100);
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
        assert_eq!(heard(&mut coap, &world, 3 * HOUR).await, None);
        coap.send(&QUERY).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
        assert_eq!(heard(&mut coap, &world, HOUR - MINUTE).await, None, "one question, one answer");
        world.cloud.borrow_mut().answer = offer("2.1.0", 100);
        assert_eq!(heard(&mut coap, &world, 2 * MINUTE).await.as_deref(), Some("2.1.0"));
    });
}

#[test]
fn a_notification_that_the_scratch_buffer_does_not_hold_leads_to_smaller_blocks() {
    for delay in [30, 60] {
        let faults = DatagramFaults { delay_min_ms: delay, delay_max_ms: delay, ..DatagramFaults::default() };
        let (world, device) = (World::new(faults, 3), identity());
        let mut buffers = Buffers::new(SCRATCH_MIN, 4_096);
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            world.publish(&offer("2.1.0", 600), b"b");
            assert_eq!(heard(&mut coap, &world, 10_000).await.as_deref(), Some("2.1.0"));
            // While a block is on its way: the response to it is the old offer's.
            world.publish(&offer("2.2.0", 2_000), b"c");
            assert_eq!(heard(&mut coap, &world, delay * 3).await, None);
            world.publish(&offer("2.3.0", 2_000), b"d");
            assert_eq!(heard(&mut coap, &world, 10_000).await.as_deref(), Some("2.3.0"));
        });
    }
}

#[test]
fn the_max_age_of_a_last_word_is_kept() {
    for (code, age, wait) in [
        (ResponseType::ServiceUnavailable, Some(600), 600_000..605_000),
        (ResponseType::ServiceUnavailable, None, 60_000..65_000),
        (ResponseType::ServiceUnavailable, Some(u32::MAX), 3_600_000..3_605_000),
        (ResponseType::InternalServerError, None, 1_000..2_001),
        (ResponseType::NotFound, None, 300_000..305_000),
    ] {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            let before = (world.now(), world.asked().len());
            world.end(code, age);
            assert_eq!(heard(&mut coap, &world, 2 * HOUR).await, None);
            let waited = world.asked()[before.1].at.since(before.0);
            assert!(wait.contains(&waited), "{code:?} {age:?}: {waited}");
        });
    }
}

#[test]
fn a_report_that_is_dropped_at_any_moment_costs_no_offer() {
    for looks in 0..40 {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 4_096));
        world.network.slow.set(true);
        // A renewal would make good what was lost.
        world.cloud.borrow_mut().max_age = Some(1_000_000);
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            world.publish(&offer("2.0.0", 100), b"a");
            // The report is not answered before the notification has come.
            world.script(|asked, _| if asked.get { Act::Serve } else { Act::Silence });
            let _ = polled(coap.send(&VERSION), looks);
            assert_eq!(heard(&mut coap, &world, 500_000).await.as_deref(), Some("2.0.0"), "{looks} looks");
        });
    }
}

/// Nobody answers the renewal: what was notified must not be lost for it.
#[test]
fn a_notification_that_was_not_told_yet_is_told_although_a_renewal_is_due() {
    let mut acknowledged = 0;
    for looks in 0..40 {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 4_096));
        world.network.slow.set(true);
        world.cloud.borrow_mut().max_age = Some(30);
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            world.script(|_, _| Act::Silence);
            world.publish(&offer("2.0.0", 100), b"a");
            let mut buf = [0; 4_096];
            let told = polled(coap.recv(&mut buf), looks).is_some();
            world.turn();
            // One that was not acknowledged comes again.
            if world.is_confirmed() && !told {
                acknowledged += 1;
                world.network.pass(MINUTE);
                assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"), "{looks} looks");
            }
        });
    }
    assert!(acknowledged > 0, "no drop between the acknowledgement and the news");
}

#[test]
fn a_notification_that_does_not_fit_during_a_renewal_costs_no_offer() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH_MIN, 4_096));
    world.cloud.borrow_mut().max_age = Some(30);
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        world.script(|_, _| Act::Silence);
        while world.asked().len() < 3 {
            assert_eq!(heard(&mut coap, &world, 100).await, None);
        }
        // The renewal is on its way; its repetition is answered after the notification.
        world.cloud.borrow_mut().max_age = Some(1_000_000);
        world.script(|_, _| Act::Serve);
        world.publish(&offer("2.0.0", 600), b"a");
        assert_eq!(heard(&mut coap, &world, MINUTE).await.as_deref(), Some("2.0.0"));
    });
}

/// The numbers are the server's when it renews; it has told 2.0.0 under 2 and 2.1.0 under 3.
#[test]
fn an_older_notification_is_no_response_to_a_renewal() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    world.cloud.borrow_mut().max_age = Some(30);
    world.cloud.borrow_mut().confirms = false;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        for (tag, version) in [(b"a", "2.0.0"), (b"b", "2.1.0")] {
            world.publish(&offer(version, 100), tag);
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some(version));
        }
        world.script(|_, _| Act::Silence);
        while world.asked().len() < 3 {
            assert_eq!(heard(&mut coap, &world, 100).await, None);
        }
        // The renewal is on its way; a copy of the first notification comes now.
        world.cloud.borrow_mut().observers.values_mut().for_each(|number| *number = 1);
        world.publish(&offer("2.0.0", 100), b"a");
        world.cloud.borrow_mut().observers.values_mut().for_each(|number| *number = 3);
        (world.cloud.borrow_mut().offers, world.cloud.borrow_mut().etag) = (offer("2.1.0", 100), b"b".to_vec());
        world.script(|_, _| Act::Serve);
        assert_eq!(heard(&mut coap, &world, 10 * MINUTE).await, None, "2.1.0 is known, 2.0.0 is over");
    });
}

/// Without entity tags nothing but the order of messages tells them apart.
#[test]
fn a_block_of_the_offer_before_is_no_part_of_the_next_one() {
    let delayed = |ms| DatagramFaults { delay_min_ms: ms, delay_max_ms: ms, ..DatagramFaults::default() };
    let (world, device, mut buffers) = (World::new(delayed(20), 3), identity(), Buffers::new(SCRATCH, 4_096));
    world.cloud.borrow_mut().block_max = 256;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.publish(&offer("2.0.0", 300), b"");
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        while world.asked().len() < 3 {
            assert_eq!(heard(&mut coap, &world, 1).await, None);
        }
        // The second block, the last one, is under way; what is told now is faster.
        world.network.set_faults(delayed(1));
        world.publish(&offer("2.1.0", 300).replace("uuu", "vvv"), b"");
        let mut buf = [0; 4_096];
        match coap.recv(&mut buf).await.unwrap() {
            Event::Offer(Offer { version: "2.1.0", locator: Locator::Url(url), .. }) => {
                assert!(url.ends_with("vvv") && !url.contains("uuu"), "{url}");
            }
            other => panic!("{other:?}"),
        }
    });
}
