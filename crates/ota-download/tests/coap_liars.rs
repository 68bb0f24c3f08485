//! CoAP servers that refuse, change their object, break the rules, or are none.

mod support;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, ResponseType};
use embassy_futures::block_on;
use ota_coap::{BlockError, Failure as Exchange};
use ota_download::coap::SCRATCH;
use ota_download::{CoapError, CoapSource, Failure, HttpSource, Request, Source, SourceError};
use ota_hal::{Clock, Entropy};
use ota_testkit::{DatagramFaults, Rng};
use std::io;
use support::coap::{Act, Job, Server, World, set_block, set_size};
use support::object;

const URL: &str = "coap://10.1.2.3/fw";

type Error = CoapError<io::Error>;

/// A server of 500 bytes in blocks of 64 whose answer to request `at` is changed.
fn lying(at: usize, lie: impl Fn(&mut Packet) + Clone + 'static) -> World {
    World::near(Server::new(object(500, 0))).script(move |asked, _| {
        let lie = lie.clone();
        if asked.n == at { Act::Edit(Box::new(move |packet| lie(packet))) } else { Act::Serve }
    })
}

/// Opens at `offset` with the right tag and reads to the end: the first error, and how many bytes came before it.
fn failing(world: &World, offset: usize) -> (Error, usize) {
    let mut scratch = [0; SCRATCH];
    let mut source = world.source(&mut scratch, 64);
    let mut block = [0; 100];
    let mut got = 0;
    block_on(async {
        let request = Request { locator: URL, offset: offset as u32, end: None, validator: b"\xFFv1" };
        if let Err(error) = source.open(request).await {
            return (error, 0);
        }
        loop {
            match source.read(&mut block).await {
                Ok(0) => panic!("complete after {got} bytes"),
                Ok(n) => got += n,
                Err(error) => {
                    assert!(matches!(source.read(&mut block).await, Err(CoapError::Misuse)), "still open");
                    return (error, got);
                }
            }
        }
    })
}

fn retry(after_ms: u32) -> Failure {
    Failure::Retry { after_ms }
}

#[test]
fn broken_rules_are_found_where_they_are_broken() {
    type Lie = fn(&mut Packet);
    let lies: [(Lie, BlockError, Failure); 10] = [
        (|p| set_block(p, 128, 64, true), BlockError::Order, retry(0)),
        (|p| set_block(p, 0, 64, true), BlockError::Order, retry(0)),
        (|p| set_block(p, 0, 128, true), BlockError::Size, retry(0)),
        (|p| p.clear_option(CoapOption::Block2), BlockError::Size, retry(0)),
        (|p| p.payload.truncate(63), BlockError::Length, retry(0)),
        (|p| p.payload.push(0), BlockError::Length, retry(0)),
        (|p| p.payload.clear(), BlockError::Length, retry(0)),
        (|p| set_size(p, 501), BlockError::Changed, Failure::Restart),
        (|p| p.clear_option(CoapOption::ETag), BlockError::Changed, Failure::Restart),
        (
            |p| {
                p.clear_option(CoapOption::ETag);
                p.add_option(CoapOption::ETag, b"v2".to_vec());
            },
            BlockError::Changed,
            Failure::Restart,
        ),
    ];
    for (n, (lie, error, failure)) in lies.into_iter().enumerate() {
        let (found, got) = failing(&lying(1, lie), 0);
        assert_eq!(found.to_string(), error.text(), "{n}");
        assert_eq!((found.failure(), got), (failure, 64), "{n}");
        // As the first block of a resumed download too; only the total is not known then.
        if error != BlockError::Changed || n > 7 {
            let (found, _) = failing(&lying(0, lie), 64);
            assert_eq!((found.to_string().as_str(), found.failure()), (error.text(), failure), "{n}");
        }
    }
    // An end where the total says that there is none.
    let (found, got) = failing(&lying(2, |p| set_block(p, 128, 64, false)), 0);
    assert_eq!((found.to_string().as_str(), got), ("CoAP: wrong block length", 128));
}

#[test]
fn codes_say_what_they_mean() {
    use ResponseType::{
        BadRequest, Forbidden, InternalServerError, MethodNotAllowed, NotFound, NotImplemented, ServiceUnavailable,
        TooManyRequests, Unauthorized, Valid,
    };
    let table = [
        (NotFound, None, Failure::Permanent, "CoAP 4.04"),
        (Forbidden, None, Failure::Permanent, "CoAP 4.03"),
        (Unauthorized, Some(9), Failure::Permanent, "CoAP 4.01"),
        (MethodNotAllowed, None, Failure::Permanent, "CoAP 4.xx"),
        (BadRequest, None, Failure::Permanent, "CoAP 4.00"),
        (NotImplemented, None, Failure::Permanent, "CoAP 5.xx"),
        (ServiceUnavailable, None, retry(60_000), "CoAP 5.03"),
        (ServiceUnavailable, Some(120), retry(120_000), "CoAP 5.03"),
        (ServiceUnavailable, Some(u32::MAX), retry(3_600_000), "CoAP 5.03"),
        (TooManyRequests, Some(7), retry(7_000), "CoAP 4.xx"),
        (InternalServerError, None, retry(0), "CoAP 5.xx"),
        (InternalServerError, Some(5), retry(5_000), "CoAP 5.xx"),
        (Valid, None, Failure::Permanent, "CoAP: unexpected code"),
    ];
    for (code, age, failure, text) in table {
        for at in [0, 2] {
            let world = World::near(Server::new(object(500, 0)));
            let world = world.script(move |asked, _| if asked.n == at { Act::Code(code, age) } else { Act::Serve });
            let (error, got) = failing(&world, 0);
            // Behind the first block, 4.00 is how servers say that there is none.
            let failure = if code == BadRequest && at > 0 { Failure::Restart } else { failure };
            let text = if code == BadRequest && at > 0 { "CoAP: past the end" } else { text };
            assert_eq!((error.failure(), error.text(), got), (failure, text, at * 64), "{code:?}");
            assert_eq!(world.asked().len(), at + 1);
        }
    }
}

/// libcoap answers a block behind the end with 5.00. What the first block says decides.
#[test]
fn a_refused_resumption_asks_for_the_first_block_once() {
    let refusing = |server: Server, first: Option<ResponseType>| {
        World::near(server).script(move |asked, _| match (asked.offset, first) {
            (0, Some(code)) => Act::Code(code, None),
            (0, None) => Act::Serve,
            _ => Act::Code(ResponseType::InternalServerError, Some(3)),
        })
    };
    let sized = |len, says_size, etag: &[u8]| {
        let mut server = Server::new(object(len, 0));
        (server.says_size, server.etag) = (says_size, etag.to_vec());
        server
    };
    let cases = [
        // The object is shorter now, and says so; or is another; or nobody knows.
        (sized(300, true, b"v1"), None, Failure::Restart),
        (sized(40, false, b"v1"), None, Failure::Restart),
        (sized(500, true, b"v2"), None, Failure::Restart),
        (sized(500, false, b"v1"), None, Failure::Restart),
        // It reaches beyond the offset: the server has another trouble.
        (sized(500, true, b"v1"), None, retry(3_000)),
        (sized(500, true, b"v1"), Some(ResponseType::InternalServerError), retry(0)),
        (sized(500, true, b"v1"), Some(ResponseType::NotFound), Failure::Permanent),
    ];
    for (n, (server, first, failure)) in cases.into_iter().enumerate() {
        let world = refusing(server, first);
        let (error, _) = failing(&world, 320);
        assert_eq!(error.failure(), failure, "{n}");
        assert_eq!(world.asked().iter().map(|asked| asked.offset).collect::<Vec<_>>(), [320, 0], "{n}");
    }
}

#[test]
fn an_object_that_changes_is_fetched_anew_and_never_mixed() {
    for says_size in [true, false] {
        for len in [100, 500, 900] {
            let mut server = Server::new(object(500, 0));
            server.says_size = says_size;
            let world = World::near(server).script(move |asked, server| {
                if asked.n == 5 {
                    (server.object, server.etag) = (object(len, 77), b"v2".to_vec());
                }
                Act::Serve
            });
            let mut scratch = [0; SCRATCH];
            let mut job = Job::default();
            assert!(block_on(job.go_on(&mut world.source(&mut scratch, 64), URL, 3, usize::MAX)), "{:?}", job.errors);
            assert!(job.data == object(len, 77), "{len}");
            assert_eq!((job.restarts, job.validator.as_slice()), (1, &b"\xFFv2"[..]));
        }
    }
}

/// The caller's validator is another link's, or there is none: the tag of the last opening guards the next.
#[test]
fn a_change_between_two_openings_is_noticed_without_a_validator() {
    for validator in [&b""[..], b"\"http\""] {
        let world = World::near(Server::new(object(500, 0)));
        let mut scratch = [0; SCRATCH];
        let mut source = world.source(&mut scratch, 64);
        let mut job = Job::new(&object(500, 0)[..10], validator);
        assert!(block_on(job.go_on(&mut source, URL, 1, 100)));
        world.server.borrow_mut().object = object(500, 9);
        world.server.borrow_mut().etag = b"v2".to_vec();
        assert!(block_on(job.go_on(&mut source, URL, 3, usize::MAX)));
        assert_eq!((job.restarts, job.data == object(500, 9)), (1, true), "{validator:?}");
    }
}

#[test]
fn blocks_may_become_smaller_on_the_way_at_any_offset() {
    for offset in [0, 1, 63, 64, 100, 499] {
        let world = World::near(Server::new(object(500, 0))).script(|asked, server| {
            server.block_max = [1_024, 128, 64, 64, 32, 16][asked.n.min(5)];
            Act::Serve
        });
        let mut scratch = [0; SCRATCH];
        let mut job = Job::new(&object(500, 0)[..offset], b"\xFFv1");
        assert!(block_on(job.go_on(&mut world.source(&mut scratch, 256), URL, 1, usize::MAX)), "{:?}", job.errors);
        assert!(job.data == object(500, 0), "{offset}");
    }
}

#[test]
fn a_body_too_long_for_the_buffer_is_an_error_and_no_cut_body() {
    for len in [1_300, 4_000] {
        let world = World::near(Server::new(object(len, 0))).script(move |_, _| {
            Act::Edit(Box::new(move |packet| {
                packet.clear_option(CoapOption::Block2);
                packet.clear_option(CoapOption::Size2);
                packet.payload = object(len, 0);
            }))
        });
        let (error, got) = failing(&world, 0);
        assert_eq!((error.failure(), error.text(), got), (Failure::Permanent, "CoAP: message too long", 0));
    }
}

#[test]
fn a_peer_that_is_no_server() {
    let with = |act: fn() -> Act| World::near(Server::new(object(500, 0))).script(move |_, _| act());
    let (error, _) = failing(&with(|| Act::Reset), 0);
    assert!(matches!(error, CoapError::Exchange(Exchange::Reset)) && error.failure() == retry(0));

    let silent = with(|| Act::Silence);
    let begun = silent.now();
    let (error, _) = failing(&silent, 0);
    assert!(matches!(error, CoapError::Exchange(Exchange::NoAnswer)) && error.failure() == retry(0));
    assert!((62_000..=93_000).contains(&silent.now().since(begun)), "{}", silent.now().since(begun));

    let critical = with(|| Act::Edit(Box::new(|packet| packet.add_option(CoapOption::Unknown(2_049), vec![1]))));
    let (error, _) = failing(&critical, 0);
    assert!(matches!(error, CoapError::Exchange(Exchange::BadOption(2_049))), "{error:?}");

    for raw in [vec![], vec![0xFF; 40], vec![0x60], b"HTTP/1.1 200 OK\r\n\r\n".to_vec()] {
        let world = World::near(Server::new(object(500, 0))).script(move |_, _| Act::Raw(raw.clone()));
        assert!(matches!(failing(&world, 0).0, CoapError::Exchange(Exchange::NoAnswer)));
    }
}

/// Datagrams that nobody asked for come all the time; some look like responses. They cost nothing.
#[test]
fn stray_datagrams_change_nothing() {
    for seed in 0..100 {
        let faults = DatagramFaults { delay_min_ms: 1, delay_max_ms: 30, ..DatagramFaults::default() };
        let world = World::new(Server::new(object(500, 0)), faults, seed);
        let mut scratch = [0; SCRATCH];
        let mut source = world.source(&mut scratch, 64);
        let mut rng = Rng::new(seed);
        let (mut got, mut block) = (Vec::new(), [0; 64]);
        block_on(async {
            source.open(Request { locator: URL, offset: 0, end: None, validator: b"" }).await.unwrap();
            loop {
                for _ in 0..rng.below(6) {
                    let len = rng.below(1_400) as usize;
                    let mut stray = rng.bytes(len);
                    if rng.one_in(2) {
                        let mut response = Packet::new();
                        response.header.set_type(if rng.one_in(2) {
                            MessageType::Confirmable
                        } else {
                            MessageType::Acknowledgement
                        });
                        response.header.message_id = rng.next_u32() as u16;
                        response.header.code = MessageClass::Response(ResponseType::Content);
                        let token = rng.below(9) as usize;
                        response.set_token(rng.bytes(token));
                        set_block(&mut response, got.len() / 64 * 64, 64, true);
                        response.payload = rng.bytes(64);
                        stray = response.to_bytes_unlimited().unwrap();
                    }
                    world.network.reply(&stray);
                }
                match source.read(&mut block).await.unwrap() {
                    0 => break,
                    n => got.extend_from_slice(&block[..n]),
                }
            }
        });
        assert!(got == object(500, 0), "seed {seed}");
    }
}

/// Bits flip in both directions: whatever comes of it ends in time, and nothing panics.
#[test]
fn damaged_datagrams_end_in_an_error_or_in_bytes() {
    let mut complete = 0;
    for seed in 0..1_000 {
        let faults = DatagramFaults { corrupt_one_in: 4, delay_max_ms: 50, ..DatagramFaults::default() };
        let world = World::new(Server::new(object(500, 0)), faults, seed);
        let mut scratch = [0; SCRATCH];
        let mut job = Job::default();
        complete += u32::from(block_on(job.go_on(&mut world.source(&mut scratch, 64), URL, 30, usize::MAX)));
        assert!(job.data.len() < 10_000, "seed {seed}");
    }
    assert!(complete > 200, "{complete}");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    type Coap = CoapSource<'static, &'static World, &'static World, Rng>;
    for (url, text) in [
        ("coaps://h/fw", Some("coaps needs DTLS")),
        ("http://h/fw", Some("URL: not coap or coaps")),
        ("coap://h/fw#part", Some("URL: fragment")),
        ("coap://h/%fw", Some("URL: bad escape")),
        ("coap://h/../fw", Some("URL: bad part")),
        ("coap:///fw", Some("URL: no host")),
        ("coap://h/fw", None),
    ] {
        assert_eq!(Coap::refuses(url), text, "{url}");
        let world = World::near(Server::new(object(10, 0)));
        let mut scratch = [0; SCRATCH];
        let opened = block_on(world.source(&mut scratch, 64).open(support::request(url)));
        assert_eq!(
            opened.err().map(|error| (error.failure(), error.text())),
            text.map(|text| (Failure::Permanent, text))
        );
        assert_eq!(world.connected.borrow().len(), usize::from(text.is_none()));
    }
    assert_eq!(HttpSource::<support::socket::Tcp>::refuses("coap://h/fw"), Some("URL: not http or https"));

    let world = World::near(Server::new(object(10, 0)));
    let mut scratch = [0; SCRATCH];
    let empty = Request { locator: URL, offset: 5, end: Some(5), validator: b"" };
    let error = block_on(world.source(&mut scratch, 64).open(empty)).unwrap_err();
    assert_eq!((error.failure(), error.text()), (Failure::Restart, "empty range"));
}

/// A longer URL leaves smaller blocks, and at last none.
#[test]
fn the_scratch_buffer_bounds_the_blocks() {
    let whole = object(2_000, 0);
    let mut sizes = Vec::new();
    for scratch in (0..1_400).step_by(20) {
        let mut scratch = vec![0; scratch];
        let world = World::near(Server::new(whole.clone()));
        let mut job = Job::default();
        let done =
            block_on(job.go_on(&mut world.source(&mut scratch, 1_024), "coap://a.name/of/some/length", 1, usize::MAX));
        assert_eq!(done, job.data == whole);
        let size = world.asked().first().map_or(0, |asked| asked.size);
        assert!(done || (job.errors == ["scratch buffer too small"] && size == 0));
        sizes.push(size);
    }
    sizes.dedup();
    assert_eq!(sizes, [0, 16, 32, 64, 128, 256, 512, 1_024]);
    let mut scratch = [0; ota_download::coap::SCRATCH_MIN];
    let world = World::near(Server::new(whole.clone()));
    assert!(block_on(Job::default().go_on(&mut world.source(&mut scratch, 1_024), URL, 1, usize::MAX)));
    assert!(world.asked()[0].size >= 64);
}
