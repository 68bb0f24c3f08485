//! The driver of `ota-transport` in Linkkit's dialect, on a real socket, against a running `ota serve`.

mod support;

use ota_coap::Datagram;
use ota_hal::{Clock, Millis, Timer};
use ota_testkit::Rng;
use ota_transport::coap::{Coap, CoapConfig, LinkkitCoap, SCRATCH};
use ota_transport::linkkit::Identity;
use ota_transport::{Component, Event, Locator, Report, Transport};
use serde_json::json;
use std::io;
use std::time::{Duration, Instant};
use support::{Server, release, scratch};
use tokio::net::UdpSocket;

struct Socket(UdpSocket);

impl Datagram for Socket {
    type Error = io::Error;
    async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).await.map(drop)
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }
}

struct Uptime(Instant);

impl Clock for Uptime {
    fn now(&self) -> Millis {
        Millis(self.0.elapsed().as_millis() as u64)
    }
}
impl Timer for Uptime {
    async fn wait_until(&self, at: Millis) {
        // The far end of time would overflow the clock.
        tokio::time::sleep(Duration::from_millis(at.since(self.now()).min(3_600_000))).await;
    }
}

/// The URL that the next event offers; `None` for nothing.
async fn offered(link: &mut impl Transport) -> Option<String> {
    let mut buf = [0; 4_096];
    match tokio::time::timeout(support::PATIENCE, link.recv(&mut buf)).await.expect("an event").unwrap() {
        Event::Offer(offer) => match offer.locator {
            Locator::Url(url) => Some(url.to_owned()),
            other => panic!("{other:?}"),
        },
        Event::NoUpdate => None,
        other => panic!("{other:?}"),
    }
}

/// A device at the server, with as much memory as the crate's documentation has.
macro_rules! link {
    ($link:ident, $server:expr, $product:expr, $name:expr) => {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        socket.connect(("127.0.0.1", $server.coap())).await.unwrap();
        let (device, mut chance) = (Identity::new($product, $name).unwrap(), Rng::new(5));
        let dialect = LinkkitCoap::new(&device, &mut chance);
        let (mut scratch, mut body) = ([0; SCRATCH], [0; 4_096]);
        let (timer, memory) = (Uptime(Instant::now()), (&mut scratch[..], &mut body[..]));
        let mut $link = Coap::new(Socket(socket), timer, chance, dialect, memory, CoapConfig::DEFAULT);
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_any_length_has_room_beside_the_request() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let server = Server::start(&dir, &["--coap-port", "0"]);
    // Names and a version as long as the driver takes.
    let (product, name, version) = ("p".repeat(20), "d".repeat(32), format!("1.0.0-{}", "v".repeat(58)));
    let (device, module) = (format!("{product}/{name}"), "m".repeat(64));
    let component = Component { module: &module, ..Component::default() };
    link!(link, server, &product, &name);
    let own = format!("coap://127.0.0.1:{}/topic/ota/device/download/{device}", server.coap());
    let mut whole = 0;
    for len in (0..63).map(|n| n * 16) {
        let padded = |part| format!("{part:p<0$}", 1 + len / 4);
        let parts = ["a", "b", "c"].map(padded).join("/");
        std::fs::create_dir_all(dir.join(&parts)).unwrap();
        let file = format!("{parts}/{}", padded("d"));
        std::fs::copy(dir.join("fw.ota"), dir.join(&file)).unwrap();
        assert_eq!(server.offer(&json!({ "device": device, "file": file })).0, 200);
        link.send(&Report::Version { component, version: &version }).await.unwrap();
        let url = offered(&mut link).await.expect("an offer");
        whole += u32::from(url.ends_with(&file));
        assert!(url.ends_with(&file) || url == own, "{url}");
    }
    assert!((1..63).contains(&whole), "{whole} of 63 name the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linkkit_device_reports_asks_and_is_offered_what_the_server_has() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let server = Server::start(&dir, &["--coap-port", "0"]);
    link!(link, server, "pk", "dn");
    let component = Component::default();
    link.send(&Report::Version { component, version: "1.0.0" }).await.unwrap();
    assert_eq!(server.event("version")["version"], "1.0.0");
    assert_eq!(offered(&mut link).await, None);

    assert_eq!(server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" })).0, 200);
    link.send(&Report::Query { component }).await.unwrap();
    let url = format!("coap://127.0.0.1:{}/files/fw.ota", server.coap());
    assert_eq!(offered(&mut link).await, Some(url));

    link.send(&Report::Progress { component, percent: 40 }).await.unwrap();
    assert_eq!(server.event("progress")["percent"], 40);
    link.send(&Report::Tag { key: "room", value: "7" }).await.unwrap();
    assert_eq!(server.json("/api/devices")["devices"][0]["tags"]["room"], "7");
    link.send(&Report::Version { component, version: "1.1.0" }).await.unwrap();
    assert_eq!(server.event("done")["version"], "1.1.0");
    assert_eq!(offered(&mut link).await, None);
}
