//! Downloads over CoAP from a server that keeps the rules, on ways that do not.

mod support;

use embassy_futures::block_on;
use ota_download::coap::SCRATCH;
use ota_download::{Request, Source};
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng, polled};
use support::coap::{Job, Manner, Server, World};
use support::object;

const URL: &str = "coap://host/fw/1";

/// Fetches what is missing; the whole object, or the job as it stands.
fn fetch(world: &World, job: &mut Job, block_max: u16, opens_max: usize) -> bool {
    let mut scratch = [0; SCRATCH];
    block_on(job.go_on(&mut world.source(&mut scratch, block_max), URL, opens_max, usize::MAX))
}

#[test]
fn a_whole_object_comes_with_one_request_a_block() {
    for len in [0, 1, 15, 16, 17, 1_023, 1_024, 1_025, 10_000] {
        for (says_size, tagged) in [(true, true), (false, false)] {
            let mut server = Server::new(object(len, 0));
            server.says_size = says_size;
            server.etag.truncate(if tagged { 2 } else { 0 });
            let world = World::near(server);
            let mut job = Job::default();
            assert!(fetch(&world, &mut job, 1_024, 1), "{len}: {:?}", job.errors);
            assert!(job.data == object(len, 0));
            assert_eq!(job.validator, if tagged { &b"\xFFv1"[..] } else { b"" });
            assert_eq!(job.total, (says_size || len <= 1_024).then_some(len as u32));
            let asked = world.asked();
            assert_eq!(asked.len(), len.div_ceil(1_024).max(1));
            assert!(asked.iter().all(|asked| asked.wants_size == (asked.n == 0)));
            assert_eq!(world.connected.borrow().as_slice(), [("host".into(), 5683)]);
        }
    }
}

#[test]
fn the_url_becomes_the_options_of_each_request() {
    let world = World::near(Server::new(object(3_000, 0)));
    let mut scratch = [0; SCRATCH];
    let mut source = world.source(&mut scratch, 1_024);
    let mut job = Job::default();
    for url in ["coap://HOST.example:99/a%20b/%C3%A9?v=1&t=a%26b", "coap://10.0.0.1", "coap://[::1]:5683/x"] {
        assert!(block_on(job.go_on(&mut source, url, 1, usize::MAX)));
        job = Job::default();
    }
    let (asked, connected) = (world.asked(), world.connected.borrow().clone());
    assert_eq!(asked.len(), 9);
    for asked in &asked[..3] {
        assert_eq!(asked.host.as_deref(), Some("host.example"));
        assert_eq!(
            (&asked.path[..], &asked.query[..]),
            (&["a b".into(), "é".into()][..], &["v=1".into(), "t=a&b".into()][..])
        );
    }
    assert!(asked[3..].iter().all(|asked| asked.host.is_none() && asked.query.is_empty()));
    assert_eq!((asked[3].path.len(), &asked[8].path[..]), (0, &["x".into()][..]));
    assert_eq!(connected, [("HOST.example".into(), 99), ("10.0.0.1".into(), 5683), ("::1".into(), 5683)]);
}

#[test]
fn resumes_at_every_offset_and_asks_for_no_block_before_it() {
    let whole = object(300, 0);
    for (block_max, server_max) in [(64, 1_024), (1_024, 1_024), (64, 16)] {
        for offset in 1..whole.len() {
            for validator in [&b"\xFFv1"[..], b"", b"\"an HTTP tag\""] {
                let mut server = Server::new(whole.clone());
                server.block_max = server_max;
                let world = World::near(server);
                let mut job = Job::new(&whole[..offset], validator);
                assert!(fetch(&world, &mut job, block_max, 1), "{offset}: {:?}", job.errors);
                assert!(job.data == whole, "{offset}");
                let first = world.asked()[0].clone();
                assert_eq!(first.offset, offset - offset % usize::from(block_max).min(first.size));
            }
        }
    }
}

/// The longest options: a number of three bytes, behind a name alone, with the size asked for.
#[test]
fn resumes_far_in_with_small_blocks() {
    let whole = object(70_100, 0);
    for url in ["coap://a-name", "coap://1.2.3.4/a/b?c"] {
        let world = World::near(Server::new(whole.clone()));
        let mut scratch = [0; SCRATCH];
        let mut job = Job::new(&whole[..70_001], b"\xFFv1");
        assert!(block_on(job.go_on(&mut world.source(&mut scratch, 16), url, 1, usize::MAX)), "{:?}", job.errors);
        assert!(job.data == whole);
        assert_eq!((world.asked()[0].offset, world.asked().len()), (70_000, 7));
    }
}

#[test]
fn no_byte_behind_the_end_is_delivered_or_asked_for() {
    let whole = object(1_000, 0);
    for (offset, end) in [(0, 1), (0, 64), (10, 11), (60, 70), (64, 128), (1, 999), (999, 1_000), (900, 2_000)] {
        let world = World::near(Server::new(whole.clone()));
        let mut scratch = [0; SCRATCH];
        let mut source = world.source(&mut scratch, 64);
        let request = Request { locator: URL, offset: offset as u32, end: Some(end as u32), validator: b"" };
        let (mut got, mut block) = (Vec::new(), [0; 7]);
        block_on(async {
            assert_eq!(source.open(request).await.unwrap().total, Some(1_000));
            loop {
                match source.read(&mut block).await.unwrap() {
                    0 => break,
                    n => got.extend_from_slice(&block[..n]),
                }
            }
            assert_eq!(source.read(&mut block).await.unwrap(), 0);
        });
        assert!(got == whole[offset..end.min(1_000)], "{offset}..{end}");
        assert_eq!(world.asked().len(), (end.min(1_000) - 1) / 64 - offset / 64 + 1);
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
        let mut scratch = [0; SCRATCH];
        let mut source = world.source(&mut scratch, 64);
        block_on(source.open(Request { locator: URL, offset: 0, end: None, validator: b"" })).unwrap();
        world.network.slow.set(rng.one_in(2));
        let (mut got, mut block) = (Vec::new(), [0; 50]);
        let mut dropped = 0;
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

#[test]
fn a_dropped_opening_leaves_the_source_closed() {
    let faults = DatagramFaults { delay_min_ms: 50, delay_max_ms: 50, ..DatagramFaults::default() };
    let world = World::new(Server::new(object(500, 0)), faults, 1);
    let mut scratch = [0; SCRATCH];
    let mut source = world.source(&mut scratch, 64);
    let request = Request { locator: URL, offset: 0, end: None, validator: b"" };
    assert!(polled(source.open(request), 1).is_none());
    assert_eq!(block_on(source.read(&mut [0; 9])).unwrap_err().to_string(), "source misused");
    let mut job = Job::default();
    assert!(block_on(job.go_on(&mut source, URL, 1, usize::MAX)));
    assert!(job.data == object(500, 0));
}

#[test]
fn a_server_may_go_away_and_come_back() {
    let mut away = None;
    let world = World::near(Server::new(object(5_000, 0))).script(move |asked, _| {
        // Dead for five minutes from its fourth request on.
        let since = *away.get_or_insert(asked.at);
        let dead = asked.n >= 3 && asked.at.since(since) < 300_000;
        if dead { support::coap::Act::Silence } else { support::coap::Act::Serve }
    });
    let begun = world.now();
    let mut job = Job::default();
    assert!(fetch(&world, &mut job, 1_024, 10));
    assert!(job.data == object(5_000, 0));
    assert!(job.errors.iter().all(|text| *text == "CoAP: no answer"));
    assert!((3..=5).contains(&job.errors.len()), "{:?}", job.errors);
    assert!(world.now().since(begun) < 400_000);
}

/// The figure behind the decision on RFC 9177: what a window of one costs on a long, lossy link.
#[test]
fn time_of_64_kib_over_a_satellite() {
    let faults = DatagramFaults { lose_percent: 5, delay_min_ms: 250, delay_max_ms: 250, ..DatagramFaults::default() };
    let mut took = Vec::new();
    for seed in 0..200 {
        let world = World::new(Server::new(object(65_536, 0)), faults, seed);
        let begun = world.now();
        let mut job = Job::default();
        assert!(fetch(&world, &mut job, 1_024, 100));
        assert!(job.data == object(65_536, 0));
        took.push(world.now().since(begun));
    }
    took.sort_unstable();
    let mean = took.iter().sum::<u64>() / took.len() as u64;
    println!("64 KiB, 500 ms, 5 % lost each way: mean {mean} ms, {} to {}", took[0], took[199]);
    // 64 round trips are 32 s; about 6.9 of the exchanges lose something, and wait some 2.5 s and more.
    assert!((45_000..60_000).contains(&mean), "{mean} ms");
}
