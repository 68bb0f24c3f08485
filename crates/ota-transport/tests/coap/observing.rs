//! Offers that come, change, are lost and are renewed.

use super::world::{Act, World};
use super::{Buffers, VERSION, heard, identity, offer};
use coap_lite::CoapOption;
use embassy_futures::block_on;
use ota_coap::drive::within;
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng, polled};
use ota_transport::coap::{Plain, SCRATCH, SCRATCH_MIN};
use ota_transport::{Component, Report, Transport};

const MINUTE: u32 = 60_000;

#[test]
fn an_offer_comes_at_once_when_it_is_there_and_by_notification_when_it_is_made() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        assert_eq!(heard(&mut coap, &world, 1_000).await, None);
        assert_eq!(world.asked(), [], "it does not ask before it has said something");
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        for (tag, version) in [(b"a", "2.0.0"), (b"b", "2.1.0")] {
            world.publish(&offer(version, 200), tag);
            assert_eq!(heard(&mut coap, &world, 10).await.as_deref(), Some(version));
        }
    });
    let asked = world.asked();
    assert_eq!(asked.len(), 2, "a notification brings all: {asked:?}");
    assert_eq!((asked[1].path.as_str(), asked[1].observe), ("ota/offer/a1pk/dev.1", Some(0)));
    assert_eq!(world.cloud.borrow().resets, 0);
}

#[test]
fn an_offer_larger_than_a_block_is_fetched_whole() {
    for (scratch, confirms) in [(SCRATCH, true), (SCRATCH_MIN, false)] {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(scratch, 4_096));
        world.cloud.borrow_mut().confirms = confirms;
        world.cloud.borrow_mut().block_max = 256;
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        world.publish(&offer("2.0.0", 1_500), b"a");
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
            world.publish(&offer("2.1.0", 2_048), b"b");
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.1.0"));
        });
        let observing = world.asked().iter().filter(|asked| asked.observe.is_some()).count();
        assert_eq!(observing, 1, "further blocks are plain GETs");
    }
}

#[test]
fn dropping_recv_at_any_moment_loses_nothing() {
    let faults = DatagramFaults { delay_min_ms: 20, delay_max_ms: 40, ..DatagramFaults::default() };
    let (world, device, mut buffers) = (World::new(faults, 3), identity(), Buffers::new(SCRATCH_MIN, 4_096));
    world.cloud.borrow_mut().block_max = 64;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        world.publish(&offer("2.0.0", 900), b"a");
        let mut drops = 0;
        let version = loop {
            match heard(&mut coap, &world, 7).await {
                Some(version) => break version,
                None => drops += 1,
            }
            assert!(drops < 1_000);
        };
        assert_eq!(version, "2.0.0");
        assert!(drops > 50, "{drops}");
    });
    assert!(world.asked().len() < 30, "each block once: {}", world.asked().len());
}

#[test]
fn a_report_after_recv_was_looked_at_any_number_of_times_costs_no_offer() {
    for looks in 0..40 {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 4_096));
        world.network.slow.set(true);
        world.cloud.borrow_mut().block_max = 64;
        // A renewal would make good what was lost.
        world.cloud.borrow_mut().max_age = Some(1_000_000);
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        block_on(async {
            coap.send(&VERSION).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
            world.publish(&offer("2.0.0", 100), b"a");
            let mut buf = [0; 4_096];
            let told = polled(coap.recv(&mut buf), looks).is_some();
            coap.send(&VERSION).await.unwrap();
            let then = if told { None } else { Some("2.0.0") };
            assert_eq!(heard(&mut coap, &world, 500_000).await.as_deref(), then, "{looks} looks");
        });
    }
}

#[test]
fn reports_in_between_cost_a_repetition_and_no_offer() {
    let faults = DatagramFaults { delay_min_ms: 20, delay_max_ms: 40, ..DatagramFaults::default() };
    let (world, device, mut buffers) = (World::new(faults, 3), identity(), Buffers::new(SCRATCH, 4_096));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        // The notification arrives while a report waits for its answer.
        world.publish(&offer("2.0.0", 300), b"a");
        coap.send(&Report::Progress { component: Component::default(), percent: 3 }).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
        // A registration is broken off by a report.
        world.publish(&offer("2.1.0", 300), b"b");
        assert_eq!(heard(&mut coap, &world, 5).await, None);
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.1.0"));
    });
    assert_eq!(world.cloud.borrow().observers.len(), 1, "one registration under one token");
}

#[test]
fn the_registration_is_renewed_when_max_age_has_passed_and_a_server_that_forgot_is_found_so() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    world.cloud.borrow_mut().max_age = Some(30);
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        world.publish(&offer("2.0.0", 100), b"a");
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
        assert_eq!(heard(&mut coap, &world, 10 * MINUTE).await, None, "the same is not told again");
        world.cloud.borrow_mut().forget();
        world.publish(&offer("2.1.0", 100), b"b");
        assert_eq!(heard(&mut coap, &world, 46_000).await.as_deref(), Some("2.1.0"));
    });
    let gets: Vec<_> = world.asked().into_iter().filter(|asked| asked.get).collect();
    assert!((14..22).contains(&gets.len()), "every 35 to 45 s: {}", gets.len());
    assert!(gets.iter().all(|asked| asked.token == gets[0].token && asked.observe == Some(0)));
}

#[test]
fn a_server_that_does_not_observe_is_asked_when_max_age_has_passed() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    world.cloud.borrow_mut().observes = false;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        world.publish(&offer("2.0.0", 100), b"a");
        assert_eq!(heard(&mut coap, &world, 76_000).await.as_deref(), Some("2.0.0"), "the default is a minute");
    });
}

#[test]
fn a_query_brings_what_is_there_once_more() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.publish(&offer("2.0.0", 100), b"a");
    block_on(async {
        for _ in 0..3 {
            coap.send(&Report::Query { component: Component::default() }).await.unwrap();
            assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
            assert_eq!(heard(&mut coap, &world, 30_000).await, None);
        }
    });
}

#[test]
fn offers_that_do_not_fit_are_said_to_once() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 300));
    world.cloud.borrow_mut().max_age = Some(10);
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.publish(&offer("2.0.0", 2_000), b"a");
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("Bad(TooLarge)"));
        assert_eq!(heard(&mut coap, &world, 5 * MINUTE).await, None);
        world.publish(&offer("2.1.0", 100), b"b");
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.1.0"));
    });
}

#[test]
fn a_change_in_mid_fetch_gives_the_new_one_and_never_a_mixture() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 4_096));
    world.cloud.borrow_mut().block_max = 256;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let mut changed = false;
    world.script(move |asked, cloud| {
        if asked.block.is_some_and(|(start, _)| start > 0) && !std::mem::replace(&mut changed, true) {
            (cloud.offers, cloud.etag) = (offer("2.1.0", 1_000), b"b".to_vec());
        }
        Act::Serve
    });
    world.publish(&offer("2.0.0", 1_000), b"a");
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 5_000).await.as_deref(), Some("2.1.0"));
    });
}

#[test]
fn notifications_that_overtake_each_other_end_in_the_last_state() {
    for seed in 0..200 {
        let faults = DatagramFaults {
            lose_percent: 20,
            repeat_one_in: 5,
            delay_min_ms: 1,
            delay_max_ms: 2_000,
            ..DatagramFaults::default()
        };
        let (world, device, mut buffers) = (World::new(faults, seed), identity(), Buffers::new(SCRATCH, 4_096));
        world.cloud.borrow_mut().block_max = 256;
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(seed)));
        let (last, told) = block_on(async {
            while within(&&world, world.now().after(300_000), coap.send(&VERSION))
                .await
                .is_none_or(|sent| sent.is_err())
            {}
            let mut told = Vec::new();
            // In one message, or in more and more.
            let growth = if seed % 2 == 0 { 150 } else { 0 };
            for n in 0..6_u8 {
                world.publish(&offer(&format!("2.{n}.0"), 100 + usize::from(n) * growth), &[n + 1]);
                told.extend(heard_or_lost(&mut coap, &world, 700).await);
            }
            for _ in 0..6 {
                told.extend(heard_or_lost(&mut coap, &world, 2 * MINUTE).await);
            }
            (told.last().cloned(), told)
        });
        assert_eq!(last.as_deref(), Some("2.5.0"), "seed {seed}: {told:?}");
        assert!(told.is_sorted_by(|one, next| one < next), "seed {seed}: told twice, or after a later one: {told:?}");
    }
}

/// As [`heard`]; a server that was not reached is nothing heard.
async fn heard_or_lost(coap: &mut super::Device<'_, Plain<'_>>, world: &World, ms: u32) -> Option<String> {
    let mut buf = [0; 4_096];
    match within(&world, world.now().after(ms), coap.recv(&mut buf)).await? {
        Ok(ota_transport::Event::Offer(offer)) => Some(offer.version.into()),
        Ok(_) | Err(_) => None,
    }
}

#[test]
fn the_last_word_of_an_observation_leads_to_a_new_one() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("NoUpdate"));
        // A server that restarts its numbers far behind, and one that stops: the next registration begins anew.
        world.cloud.borrow_mut().observers.values_mut().for_each(|number| *number = 0xFF_0000);
        world.publish(&offer("2.0.0", 100), b"a");
        assert_eq!(heard(&mut coap, &world, 90_000).await.as_deref(), Some("2.0.0"));
    });
}

#[test]
fn an_answer_with_an_unknown_critical_option_is_not_used() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let mut n = 0;
    world.script(move |asked, _| {
        n += u32::from(asked.get);
        match n {
            1 if asked.get => Act::Edit(Box::new(|response| response.add_option(CoapOption::Unknown(9), vec![1]))),
            _ => Act::Serve,
        }
    });
    world.publish(&offer("2.0.0", 100), b"a");
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 900).await, None);
        assert_eq!(heard(&mut coap, &world, 5_000).await.as_deref(), Some("2.0.0"), "it is asked again after a wait");
    });
}
