//! Servers that refuse, are away, or lie.

use super::world::{Act, World};
use super::{Buffers, VERSION, heard, identity, offer};
use coap_lite::{CoapOption, ResponseType};
use embassy_futures::block_on;
use ota_coap::Failure;
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng};
use ota_transport::coap::{CoapError, Plain, SCRATCH, SCRATCH_MIN};
use ota_transport::{Component, FailStage, Report, Transport};

#[test]
fn a_refused_report_says_whether_it_may_come_again_and_when() {
    let minute = Some(60_000);
    for (code, age, permanent, after) in [
        (ResponseType::BadRequest, None, true, Some(0)),
        (ResponseType::BadOption, None, true, Some(0)),
        (ResponseType::RequestEntityTooLarge, None, true, Some(0)),
        (ResponseType::UnsupportedContentFormat, None, true, Some(0)),
        (ResponseType::Unauthorized, None, false, Some(0)),
        (ResponseType::NotFound, None, false, Some(0)),
        (ResponseType::MethodNotAllowed, None, false, Some(0)),
        (ResponseType::InternalServerError, None, false, Some(0)),
        (ResponseType::InternalServerError, Some(7), false, Some(7_000)),
        (ResponseType::ServiceUnavailable, None, false, minute),
        (ResponseType::ServiceUnavailable, Some(300), false, Some(300_000)),
        (ResponseType::ServiceUnavailable, Some(u32::MAX), false, Some(3_600_000)),
        (ResponseType::NotImplemented, None, false, Some(0)),
    ] {
        let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
        world.script(move |_, _| Act::Code(code, age));
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
        let error = block_on(coap.send(&VERSION)).unwrap_err();
        assert_eq!((coap.is_permanent(&error), coap.retry_after_ms(&error)), (permanent, after), "{code:?} {age:?}");
        // The way is free again.
        world.script(|_, _| Act::Serve);
        block_on(coap.send(&VERSION)).unwrap();
    }
}

#[test]
fn offers_come_to_a_device_whose_report_is_refused_for_good() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.publish(&offer("2.0.0", 100), b"a");
    block_on(async {
        world.script(|_, _| Act::Code(ResponseType::ServiceUnavailable, Some(1)));
        coap.send(&VERSION).await.unwrap_err();
        assert_eq!(heard(&mut coap, &world, 600_000).await, None, "this one comes again");
        world.script(|asked, _| if asked.get { Act::Serve } else { Act::Code(ResponseType::BadRequest, None) });
        coap.send(&VERSION).await.unwrap_err();
        assert_eq!(heard(&mut coap, &world, 1_000).await.as_deref(), Some("2.0.0"));
    });
}

/// Of the answer to a report only the code counts here, and the wait.
#[test]
fn an_answer_with_more_text_than_fits_still_says_what_became_of_the_report() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH_MIN, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let wordy = |code: u8| {
        Act::Edit(Box::new(move |response| {
            if let Some(more) =
                response.get_option(CoapOption::Block1).and_then(|values| values.front()?.last().copied())
            {
                assert!(more & 8 == 0 || response.header.get_code() == "2.31");
            }
            if code != 0 {
                response.header.set_code(&format!("{}.{:02}", code >> 5, code & 31));
                response.add_option(CoapOption::MaxAge, vec![7]);
            }
            response.payload = vec![b'x'; 900];
        }))
    };
    world.script(move |_, _| wordy(0));
    block_on(coap.send(&VERSION)).unwrap();
    // In blocks, each of which is answered so.
    let (text, before) = ("t".repeat(128), world.asked().len());
    let component = Component { device: 0, module: "a-module-of-some-length" };
    block_on(coap.send(&Report::Failed { component, stage: FailStage::Upgrade, text: &text })).unwrap();
    assert!(world.asked().len() > before + 1, "one message was enough");
    assert!(world.posted("progress")[0].contains(&text), "{:?}", world.posted("progress"));
    world.script(move |_, _| wordy(0xA3));
    let error = block_on(coap.send(&VERSION)).unwrap_err();
    assert_eq!((coap.is_permanent(&error), coap.retry_after_ms(&error)), (false, Some(7_000)));
}

#[test]
fn a_server_that_is_away_is_lost_and_one_that_resets_is_refused() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.script(|_, _| Act::Silence);
    let before = world.now();
    let error = block_on(coap.send(&VERSION)).unwrap_err();
    assert!(matches!(error, CoapError::Exchange(Failure::NoAnswer)), "{error:?}");
    assert!((62_000..94_000).contains(&world.now().since(before)));
    assert_eq!((coap.is_permanent(&error), coap.retry_after_ms(&error)), (false, None));
    world.script(|_, _| Act::Reset);
    let error = block_on(coap.send(&VERSION)).unwrap_err();
    assert!(matches!(error, CoapError::Exchange(Failure::Reset)), "{error:?}");
    // Who only listens learns of the first, and waits after the second.
    world.script(|asked, _| if asked.get { Act::Reset } else { Act::Serve });
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 900).await, None);
        world.script(|asked, _| if asked.get { Act::Silence } else { Act::Serve });
        let error = coap.recv(&mut [0; 100]).await.unwrap_err();
        assert!(matches!(error, CoapError::Exchange(Failure::NoAnswer)), "{error:?}");
    });
}

#[test]
fn refused_offers_are_asked_for_again_after_waits_that_grow_and_a_max_age_is_kept() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 1_024));
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    world.script(|_, cloud| match cloud.asked.len() {
        1 => Act::Serve,
        2..=4 => Act::Code(ResponseType::InternalServerError, None),
        5 => Act::Code(ResponseType::ServiceUnavailable, Some(100)),
        6 => Act::Code(ResponseType::NotFound, None),
        // The renewal, after the offer was there.
        8 => Act::Code(ResponseType::InternalServerError, None),
        _ => Act::Serve,
    });
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        world.publish(&offer("2.0.0", 100), b"a");
        assert_eq!(heard(&mut coap, &world, 1_000_000).await.as_deref(), Some("2.0.0"));
        assert_eq!(heard(&mut coap, &world, 120_000).await, None);
    });
    let at: Vec<_> = world.asked().iter().map(|asked| asked.at).collect();
    let waits: Vec<_> = at.windows(2).map(|pair| pair[1].since(pair[0])).skip(1).collect();
    for (wait, (least, most)) in
        waits.iter().zip([(1_000, 2_001), (2_000, 4_001), (4_000, 8_001), (108_000, 116_001), (300_000, 340_000)])
    {
        assert!((least..most).contains(wait), "{waits:?}");
    }
    let anew = waits.get(6).is_some_and(|wait| (1_000..2_001).contains(wait));
    assert!(anew, "the waits begin anew: {waits:?}");
}

#[test]
fn blocks_that_do_not_fit_together_are_never_an_offer() {
    let (world, device, mut buffers) = (World::near(), identity(), Buffers::new(SCRATCH, 4_096));
    world.cloud.borrow_mut().block_max = 256;
    let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(5)));
    let mut n = 0;
    world.script(move |asked, _| {
        if asked.block.is_none_or(|(start, _)| start == 0) {
            return Act::Serve;
        }
        n += 1;
        match n {
            1 => Act::Edit(Box::new(|response| response.payload.truncate(100))),
            2 => Act::Edit(Box::new(|response| response.clear_option(coap_lite::CoapOption::Block2))),
            3 => Act::Edit(Box::new(|response| {
                response.clear_option(coap_lite::CoapOption::ETag);
                response.add_option(coap_lite::CoapOption::ETag, b"other".to_vec());
            })),
            4 => Act::Code(ResponseType::BadRequest, None),
            _ => Act::Serve,
        }
    });
    world.publish(&offer("2.0.0", 700), b"a");
    block_on(async {
        coap.send(&VERSION).await.unwrap();
        assert_eq!(heard(&mut coap, &world, 300_000).await.as_deref(), Some("2.0.0"));
    });
}

#[test]
fn flipped_bits_end_in_typed_events_and_errors() {
    for seed in 0..300 {
        let faults = DatagramFaults { corrupt_one_in: 2, ..DatagramFaults::default() };
        let (world, device, mut buffers) = (World::new(faults, seed), identity(), Buffers::new(SCRATCH, 2_048));
        world.cloud.borrow_mut().block_max = 64;
        world.cloud.borrow_mut().confirms = false;
        let mut coap = buffers.device(&world, Plain::new(&device, &mut Rng::new(seed)));
        world.publish(&offer("2.0.0", 300), b"a");
        // The cloud's own assertions do not hold for mangled requests; reports are spared.
        world.network.set_faults(DatagramFaults::default());
        block_on(coap.send(&VERSION)).unwrap();
        world.cloud.borrow_mut().forget();
        world.network.set_faults(faults);
        let _ = block_on(super::within(&&world, world.now().after(100_000), coap.recv(&mut [0; 2_048])));
        world.network.set_faults(DatagramFaults::default());
        // A mangled message id may be the next one.
        world.cloud.borrow_mut().forget();
        block_on(coap.send(&VERSION)).unwrap();
    }
}
