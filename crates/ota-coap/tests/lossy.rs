//! Endpoint and block transfers against a server on coap-lite, over ways that lose, repeat and reorder.

mod support;

use ota_coap::exchange::TRANSMIT_WAIT_MS;
use ota_coap::{BlockError, Code, Download, ETag, Encoder, Failure, Message, Progress, Szx, Upload};
use ota_hal::Clock;
use ota_testkit::{DatagramFaults, Rng};
use support::{Manner, Net, Server};

fn faults(rng: &mut Rng, lose_percent: u32) -> DatagramFaults {
    let delay_max_ms = [0, 20, 300, 3_000][rng.below(4) as usize];
    DatagramFaults {
        lose_percent,
        repeat_one_in: rng.below(6),
        delay_min_ms: delay_max_ms / 10,
        delay_max_ms,
        corrupt_one_in: 0,
    }
}

fn manner(rng: &mut Rng) -> Manner {
    let delay = rng.below(30_000);
    [Manner::PiggyBacked, Manner::Separate(delay), Manner::SeparateOnce(delay)][rng.below(3) as usize]
}

/// One request of a transfer: `write` adds its options.
fn ask(
    net: &mut Net,
    method: Code,
    confirmable: bool,
    write: impl FnOnce(&mut Encoder<'_>),
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    let opening = net.endpoint.begin(net.clock.now(), confirmable, &mut net.rng).unwrap();
    let mut bytes = [0; 1_200];
    let mut request = opening.encode(&mut bytes, method);
    write(request.path("fw/1"));
    let len = request.finish(payload).unwrap();
    net.run(&bytes[..len])
}

/// Whatever is lost, a request ends within 93 s, in one response or in a failure that says which half is missing; the
/// server acts on it once at the most; and what comes later is no second answer.
#[test]
fn every_request_ends_in_time_with_one_answer() {
    let (mut answered, mut no_answer, mut no_response) = (0, 0, 0);
    for seed in 0..4_000 {
        let mut rng = Rng::new(seed);
        let lose_percent = [0, 10, 30, 60, 90, 99][rng.below(6) as usize];
        let (faults, manner, confirmable) = (faults(&mut rng, lose_percent), manner(&mut rng), !rng.one_in(4));
        let mut net = Net::new(Server::new(manner, b"22.3 C".to_vec(), 1_024), faults, seed);
        let begun = net.clock.now();
        let result = ask(&mut net, Code::GET, confirmable, |_| {}, b"");
        let took = net.clock.now().since(begun);
        assert!(took <= u64::from(TRANSMIT_WAIT_MS), "seed {seed}: {took} ms");
        match result {
            Ok(datagram) => {
                assert_eq!(Message::decode(&datagram).unwrap().payload, b"22.3 C");
                answered += 1;
            }
            Err(Failure::NoAnswer) => no_answer += 1,
            Err(Failure::NoResponse) => no_response += 1,
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
        assert!(!net.endpoint.is_busy());
        assert!(net.server.served <= 1, "seed {seed}: acted upon {} times", net.server.served);
        assert_eq!(net.aftermath(240_000), 0, "seed {seed}: a second answer");
    }
    assert!(answered > 2_000 && no_answer > 100 && no_response > 100, "{answered} {no_answer} {no_response}");
}

#[test]
fn a_perfect_way_always_answers() {
    for seed in 0..200 {
        let manner = manner(&mut Rng::new(seed));
        let mut net = Net::new(Server::new(manner, b"x".to_vec(), 64), DatagramFaults::default(), seed);
        assert!(ask(&mut net, Code::GET, true, |_| {}, b"").is_ok(), "seed {seed}");
    }
}

/// Fetches from where the download is to its end; a request that failed is asked again.
fn fetch(net: &mut Net, download: &mut Download, body: &mut Vec<u8>) -> Result<(), BlockError> {
    loop {
        let Ok(datagram) = ask(net, Code::GET, true, |request| download.write(request), b"") else {
            continue;
        };
        let piece = download.on_response(&Message::decode(&datagram).unwrap())?;
        assert_eq!(piece.offset as usize, body.len());
        body.extend(piece.bytes);
        if piece.last {
            return Ok(());
        }
    }
}

#[test]
fn downloads_arrive_whole_from_any_offset() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let lose_percent = rng.below(40);
        let (faults, manner) = (faults(&mut rng, lose_percent), manner(&mut rng));
        let len = 1 + rng.below(6_000);
        let image = rng.bytes(len as usize);
        let server_max = 16 << rng.below(7);
        let mut net = Net::new(Server::new(manner, image.clone(), server_max), faults, seed);
        let at = if rng.one_in(2) { 0 } else { rng.below(len) };
        let exponent = Szx::new(rng.below(7) as u8).unwrap();
        let mut download = Download::new(at, exponent, ETag::new(b"v1")).unwrap();
        let mut body = image[..at as usize].to_vec();
        fetch(&mut net, &mut download, &mut body).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(body == image, "seed {seed}");
        assert!(download.szx().bytes() as usize <= server_max);
    }
}

#[test]
fn an_object_that_changes_is_noticed_and_one_that_shrank_begins_anew() {
    let mut rng = Rng::new(1);
    let mut net = Net::new(Server::new(Manner::PiggyBacked, rng.bytes(1_000), 64), DatagramFaults::default(), 1);
    let mut download = Download::new(0, Szx::MAX, ETag::NONE).unwrap();
    let first = ask(&mut net, Code::GET, true, |request| download.write(request), b"").unwrap();
    download.on_response(&Message::decode(&first).unwrap()).unwrap();
    assert_eq!((download.at(), download.total()), (64, Some(1_000)));
    net.server.etag = b"v2".to_vec();
    assert_eq!(fetch(&mut net, &mut download, &mut vec![0; 64]), Err(BlockError::Changed));

    let mut behind = Download::new(1_024, Szx::MAX, ETag::NONE).unwrap();
    assert_eq!(fetch(&mut net, &mut behind, &mut vec![0; 1_024]), Err(BlockError::PastEnd));
}

#[test]
fn uploads_arrive_whole_and_once() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        // A response that is sent once is lost too often for 100 blocks in a row.
        let manner = if rng.one_in(2) { Manner::PiggyBacked } else { Manner::Separate(rng.below(30_000)) };
        let faults = faults(&mut rng, 10);
        let len = rng.below(3_000);
        let report = rng.bytes(len as usize);
        let mut net = Net::new(Server::new(manner, Vec::new(), 16 << rng.below(7)), faults, seed);
        let exponent = Szx::new(rng.below(7) as u8).unwrap();
        let mut upload = Upload::new(report.len() as u32, exponent).unwrap();
        loop {
            let payload = &report[upload.range()];
            let answer = ask(&mut net, Code::POST, true, |request| upload.write(request), payload);
            // A response that was lost for good: whether the block was taken is not known, so begin anew.
            let outcome = answer.map(|datagram| upload.on_response(&Message::decode(&datagram).unwrap()));
            match outcome {
                Ok(Ok(Progress::Done)) => break,
                Ok(Ok(Progress::More)) => {}
                Ok(Err(BlockError::Lost)) | Err(_) => upload = Upload::new(report.len() as u32, upload.szx()).unwrap(),
                Ok(Err(error)) => panic!("seed {seed}: {error}"),
            }
        }
        assert_eq!(net.server.posted.last(), Some(&report), "seed {seed}");
        assert!(net.server.posted.iter().all(|posted| *posted == report), "seed {seed}: only whole bodies");
    }
}
