//! Downloads over CoAP with several blocks on their way at a time.

mod support;

use coap_lite::{CoapOption, ResponseType};
use embassy_futures::block_on;
use ota_download::coap::SCRATCH;
use ota_download::{Request, Source};
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng, polled};
use support::coap::{Act, Job, Manner, Server, World};
use support::object;

const URL: &str = "coap://host/fw/1";

/// Fetches what is missing with four at a time; the whole object, or the job as it stands.
fn fetch(world: &World, job: &mut Job, block_max: u16, opens_max: usize) -> bool {
    let (mut scratch, mut store) = ([0; SCRATCH], [0; 4_096]);
    let store = &mut store[..4 * usize::from(block_max)];
    let mut source = world.window::<4>(&mut scratch, store, block_max, 2_000);
    block_on(job.go_on(&mut source, URL, opens_max, usize::MAX))
}

#[test]
fn a_whole_object_comes_with_one_request_a_block() {
    for len in [0, 1, 15, 16, 17, 1_023, 1_024, 1_025, 10_000] {
        for tag in [2, 0] {
            let mut server = Server::new(object(len, 0));
            server.etag.truncate(tag);
            let world = World::near(server);
            let mut job = Job::default();
            assert!(fetch(&world, &mut job, 1_024, 1), "{len}: {:?}", job.errors);
            assert!(job.data == object(len, 0), "{len}");
            assert_eq!((job.total, world.asked().len()), (Some(len as u32), len.div_ceil(1_024).max(1)));
        }
    }
}

/// Without a size, what is asked for behind the end is refused, and does no harm.
#[test]
fn an_object_of_unknown_size_ends_where_it_ends() {
    for len in [1, 1_024, 1_025, 4_096, 5_000, 10_000] {
        let mut server = Server::new(object(len, 0));
        server.says_size = false;
        let world = World::near(server);
        let mut job = Job::default();
        assert!(fetch(&world, &mut job, 1_024, 1), "{len}: {:?}", job.errors);
        assert!(job.data == object(len, 0), "{len}");
        assert!(world.asked().len() <= len.div_ceil(1_024) + 4);
    }
}

#[test]
fn resumes_at_every_offset() {
    let whole = object(300, 0);
    for (block_max, server_max) in [(64, 1_024), (64, 16)] {
        for offset in 1..whole.len() {
            for end in [None, Some(offset as u32 + 90)] {
                let mut server = Server::new(whole.clone());
                server.block_max = server_max;
                let world = World::near(server);
                let (mut scratch, mut store) = ([0; SCRATCH], [0; 200]);
                let mut source = world.window::<4>(&mut scratch, &mut store, block_max, 2_000);
                let request = Request { locator: URL, offset: offset as u32, end, validator: b"\xFFv1" };
                let (mut got, mut block) = (Vec::new(), [0; 7]);
                block_on(async {
                    source.open(request).await.unwrap();
                    while let n @ 1.. = source.read(&mut block).await.unwrap() {
                        got.extend_from_slice(&block[..n]);
                    }
                });
                let end = end.map_or(whole.len(), |end| whole.len().min(end as usize));
                assert!(got == whole[offset..end], "{offset}..{end}: {} bytes", got.len());
            }
        }
    }
}

/// Whatever is lost, repeated and overtaken: every byte, once, in order.
#[test]
fn nothing_is_lost_or_mixed_on_bad_ways() {
    let mut reopened = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let delay_max_ms = [0, 20, 300, 3_000][rng.below(4) as usize];
        let faults = DatagramFaults {
            lose_percent: [0, 10, 30][rng.below(3) as usize],
            repeat_one_in: rng.below(6),
            delay_min_ms: delay_max_ms / 10,
            delay_max_ms,
            corrupt_one_in: 0,
        };
        let mut server = Server::new(rng.bytes(1 + rng.part(1).below(6_000) as usize));
        let whole = server.object.clone();
        server.block_max = 16 << rng.below(7);
        server.says_size = rng.one_in(2);
        if rng.one_in(2) {
            server.manner = Manner::Separate(rng.below(5_000));
        }
        let world = World::new(server, faults, seed);
        let begun = if rng.one_in(2) { rng.below(whole.len() as u32) as usize } else { 0 };
        let mut job = Job::new(&whole[..begun], b"");
        assert!(fetch(&world, &mut job, 16 << rng.below(7), 1_000), "seed {seed}: {:?}", job.errors);
        assert!(job.data == whole, "seed {seed}");
        assert_eq!(job.restarts, 0, "seed {seed}");
        reopened += job.errors.len();
    }
    assert!(reopened > 10, "{reopened}: the ways were not bad enough");
}

/// The object changes at some request, on a way where answers overtake each other: never a mix.
#[test]
fn an_object_that_changes_is_never_mixed() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let faults = DatagramFaults { delay_min_ms: 1, delay_max_ms: 500, ..DatagramFaults::default() };
        let changes_at = 1 + rng.below(11) as usize;
        let mut server = Server::new(object(3_000, 0));
        server.says_size = rng.one_in(2);
        let world = World::new(server, faults, seed).script(move |asked, server| {
            if asked.n == changes_at {
                (server.object, server.etag) = (object(3_000, 0xFF), b"v2".to_vec());
            }
            Act::Serve
        });
        let mut job = Job::default();
        assert!(fetch(&world, &mut job, 256, 9), "seed {seed}: {:?}", job.errors);
        assert!(job.data == object(3_000, 0xFF), "seed {seed}");
        assert_eq!((job.restarts, &job.errors[..]), (1, &["CoAP: object changed"][..]), "seed {seed}");
    }
}

/// A server that is busy as soon as two ask, lies about a block ahead, or gives smaller ones: the turn decides.
#[test]
fn what_is_refused_before_its_turn_is_asked_for_again() {
    let edits: [fn() -> Act; 4] = [
        || Act::Code(ResponseType::ServiceUnavailable, Some(60)),
        || Act::Code(ResponseType::BadRequest, None),
        || Act::Edit(Box::new(|response| response.payload.truncate(9))),
        || Act::Edit(Box::new(|response| response.clear_option(CoapOption::ETag))),
    ];
    for edit in edits {
        for ahead in 2..5 {
            // The first one asked for behind the opening is lost, so that those asked for with it come before their turn.
            let world = World::near(Server::new(object(2_000, 0))).script(move |asked, _| match asked.n {
                1 => Act::Silence,
                n if n == ahead => edit(),
                _ => Act::Serve,
            });
            let begun = world.now();
            let mut job = Job::default();
            assert!(fetch(&world, &mut job, 64, 1), "{ahead}: {:?}", job.errors);
            assert!(job.data == object(2_000, 0), "{ahead}");
            assert!(world.now().since(begun) < 3_001, "{ahead}: {:?}", world.now().since(begun));
            assert!(world.asked().len() <= 32 + 1 + 3, "{ahead}");
        }
    }
}

/// While a block before it is missing, one that was refused is not asked for again and again.
#[test]
fn what_is_refused_waits_for_its_turn() {
    let faults = DatagramFaults { delay_min_ms: 20, delay_max_ms: 20, ..DatagramFaults::default() };
    let mut server = Server::new(object(130, 0));
    server.says_size = false;
    let world = World::new(server, faults, 1);
    // The second block is lost for a while; the third is the last, and of the next ones there are none.
    let world = world.script(|asked, _| if asked.offset == 64 && asked.n < 6 { Act::Silence } else { Act::Serve });
    let mut job = Job::default();
    assert!(fetch(&world, &mut job, 64, 1), "{:?}", job.errors);
    assert!(job.data == object(130, 0));
    assert!(world.asked().len() <= 9, "{}", world.asked().len());
}

/// A server that wants smaller blocks on the way is asked for those from there on.
#[test]
fn smaller_blocks_on_the_way_are_taken_at_the_next_opening() {
    for n in 1..20 {
        let world = World::near(Server::new(object(2_000, 0))).script(move |asked, server| {
            server.block_max = if asked.n >= n { 32 } else { 64 };
            Act::Serve
        });
        let mut job = Job::default();
        assert!(fetch(&world, &mut job, 64, 2), "{n}: {:?}", job.errors);
        assert!(job.data == object(2_000, 0), "{n}");
        assert_eq!(job.errors, ["CoAP: wrong block size"], "{n}");
    }
}

/// An error that lasts counts when its turn has come, and all before it is delivered.
#[test]
fn an_error_that_lasts_comes_in_its_turn() {
    let world = World::near(Server::new(object(2_000, 0))).script(|asked, _| match asked.offset {
        640 => Act::Code(ResponseType::NotFound, None),
        _ => Act::Serve,
    });
    let mut job = Job::default();
    assert!(!fetch(&world, &mut job, 64, 1));
    assert!(job.data == object(2_000, 0)[..640]);
    assert_eq!(job.errors, ["CoAP 4.04"]);
}

/// A read that is dropped while it waits loses no byte, repeats none, and asks for no block twice.
#[test]
fn dropped_reads_lose_nothing() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let faults = DatagramFaults { delay_min_ms: 5, delay_max_ms: 400, ..DatagramFaults::default() };
        let mut server = Server::new(object(2_000, 0));
        if rng.one_in(2) {
            server.manner = Manner::Separate(rng.below(1_000));
        }
        let world = World::new(server, faults, seed);
        let (mut scratch, mut store) = ([0; SCRATCH], [0; 256]);
        let mut source = world.window::<4>(&mut scratch, &mut store, 64, 2_000);
        block_on(source.open(Request { locator: URL, offset: 0, end: None, validator: b"" })).unwrap();
        world.network.slow.set(rng.one_in(2));
        let (mut got, mut block, mut dropped) = (Vec::new(), [0; 50], 0);
        loop {
            match polled(source.read(&mut block), 1 + rng.below(4)) {
                Some(Ok(0)) => break,
                Some(Ok(n)) => got.extend_from_slice(&block[..n]),
                Some(Err(error)) => panic!("seed {seed}: {error}"),
                None => dropped += 1,
            }
        }
        assert!(got == object(2_000, 0), "seed {seed}");
        assert_eq!(world.asked().len(), 32, "seed {seed}: a block was asked for twice");
        assert!(dropped > 10, "seed {seed}: {dropped}");
    }
}

/// The mean time of 64 KiB in blocks of 1,024 over a link of 500 ms that loses 5 % in each direction, in milliseconds.
fn satellite<const W: usize>(ack_timeout_ms: u16) -> u64 {
    let faults = DatagramFaults { lose_percent: 5, delay_min_ms: 250, delay_max_ms: 250, ..DatagramFaults::default() };
    let times = (0..100).map(|seed| {
        let world = World::new(Server::new(object(65_536, 0)), faults, seed);
        let begun = world.now();
        let (mut scratch, mut store) = ([0; SCRATCH], vec![0; W * 1_024]);
        let mut job = Job::default();
        let mut source = world.window::<W>(&mut scratch, &mut store, 1_024, ack_timeout_ms);
        assert!(block_on(job.go_on(&mut source, URL, 100, usize::MAX)));
        assert!(job.data == object(65_536, 0));
        world.now().since(begun)
    });
    let mean = times.sum::<u64>() / 100;
    println!(
        "64 KiB, 500 ms, 5 % lost each way, window {W}, acknowledgement within {ack_timeout_ms} ms: mean {mean} ms"
    );
    mean
}

/// The figures behind the decision on windows.
#[test]
fn time_of_64_kib_over_a_satellite() {
    let usual = [satellite::<1>(2_000), satellite::<2>(2_000), satellite::<4>(2_000), satellite::<8>(2_000)];
    let known = [satellite::<1>(750), satellite::<2>(750), satellite::<4>(750), satellite::<8>(750)];
    assert!(usual.windows(2).chain(known.windows(2)).all(|pair| pair[1] * 10 < pair[0] * 8), "{usual:?} {known:?}");
    assert!(known[2] * 3 < usual[0], "{usual:?} {known:?}");
}
