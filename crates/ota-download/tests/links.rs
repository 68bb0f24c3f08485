//! An update begun over one link and finished over the other: the same bytes, the same journal.

mod support;

use ota_download::coap::SCRATCH;
use ota_download::{HttpConfig, HttpSource};
use std::sync::{Arc, Mutex};
use support::coap::{Job, Server as CoapServer, World};
use support::{Act, Server, honest, object, socket};

const TAG: &str = "\"abc\"";

/// The two servers of one vendor, and a device.
struct Case {
    http: Server,
    at_http: Arc<Mutex<Vec<u8>>>,
    coap: World,
    job: Job,
}

impl Case {
    async fn new(whole: &[u8]) -> Self {
        let at_http = Arc::new(Mutex::new(whole.to_vec()));
        let served = at_http.clone();
        let http = Server::start(move |seen| vec![Act::Send(honest(seen, &served.lock().unwrap(), TAG))]).await;
        Self { http, at_http, coap: World::near(CoapServer::new(whole.to_vec())), job: Job::default() }
    }

    async fn over_http(&mut self, opens: usize, enough: usize) -> bool {
        let mut scratch = [0; ota_download::http::SCRATCH];
        let mut source = HttpSource::new(socket::Tcp, &mut scratch, HttpConfig::DEFAULT);
        let url = self.http.url("/fw");
        support::soon(self.job.go_on(&mut source, &url, opens, enough)).await
    }

    async fn over_coap(&mut self, opens: usize, enough: usize) -> bool {
        let mut scratch = [0; SCRATCH];
        let mut source = self.coap.source(&mut scratch, 256);
        support::soon(self.job.go_on(&mut source, "coap://host/fw", opens, enough)).await
    }

    /// One link and then the other until the object is complete.
    async fn both(&mut self, http_first: bool, enough: usize, between: impl FnOnce(&Self)) -> bool {
        let first = if http_first { self.over_http(1, enough).await } else { self.over_coap(1, enough).await };
        assert!(first && self.job.data.len() >= enough);
        between(self);
        if http_first { self.over_coap(3, usize::MAX).await } else { self.over_http(3, usize::MAX).await }
    }
}

#[tokio::test]
async fn what_came_over_one_link_is_not_fetched_over_the_other() {
    let whole = object(3_000, 0);
    for http_first in [true, false] {
        for enough in [1, 200, 255, 256, 1_000, 2_700] {
            let mut case = Case::new(&whole).await;
            assert!(case.both(http_first, enough, |_| {}).await, "{:?}", case.job.errors);
            assert!(case.job.data == whole && case.job.restarts == 0, "{http_first} {enough} {:?}", case.job.errors);
            let had = case.http.seen().iter().find_map(|seen| seen.range()).map(|(first, _)| first);
            let asked = case.coap.asked()[0].offset;
            match http_first {
                // In reads of up to 200 bytes.
                true => assert!((enough / 256 * 256..=enough + 200).contains(&asked), "{enough}: {asked}"),
                false => assert!((enough..=enough + 200).contains(&had.unwrap()), "{enough}: {had:?}"),
            }
            // And once more to and fro: the first link's validator is what stays.
            let validator = if http_first { TAG.as_bytes() } else { b"\xFFv1" };
            assert_eq!(case.job.validator, validator);
        }
    }
}

#[tokio::test]
async fn links_may_alternate() {
    let whole = object(3_000, 0);
    let mut case = Case::new(&whole).await;
    let mut enough = 0;
    while enough < 2_500 {
        enough += 123;
        assert!(case.over_coap(1, enough).await && case.over_http(1, enough + 100).await, "{:?}", case.job.errors);
    }
    assert!(case.over_coap(1, usize::MAX).await);
    assert!(case.job.data == whole && case.job.restarts == 0);
}

/// The first link's tag guards against a change there; the other link's says nothing, so that only size and digest tell.
#[tokio::test]
async fn an_object_of_another_size_is_fetched_anew_and_one_of_the_same_size_is_for_the_digest() {
    for http_first in [true, false] {
        for len in [2_000, 3_000, 3_001] {
            let mut case = Case::new(&object(3_000, 0)).await;
            let other = object(len, 99);
            let changed = |case: &Case| {
                *case.at_http.lock().unwrap() = other.clone();
                case.coap.server.borrow_mut().object = other.clone();
            };
            assert!(case.both(http_first, 1_000, changed).await, "{:?}", case.job.errors);
            if len == 3_000 {
                assert!(case.job.data != other && case.job.data != object(3_000, 0) && case.job.restarts == 0);
            } else {
                assert!(case.job.data == other && case.job.restarts == 1, "{http_first} {len}");
            }
        }
    }
}
