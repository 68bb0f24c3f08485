//! The driver against a real broker (`rumqttd`), with `rumqttc` as the cloud.

mod support;

use std::cell::RefCell;
use std::time::Duration;

use minimq::{
    Buffers, ConfigBuilder, ConnectEvent, Connection, InboundPublish, Publication, QoS, Session, TopicFilter,
};
use ota_hal::Entropy;
use ota_transport::linkkit::{AGENT_ID_KEY, Identity, Linkkit};
use ota_transport::mqtt::{Application, Inbox, Mqtt, MqttError, Outgoing};
use ota_transport::{Component, Event, FailStage, Locator, OfferError, Report, Transport};
use support::{Cloud, Socket, broker};
use tokio::time::timeout;

struct Fixed(u32);
impl Entropy for Fixed {
    fn next_u32(&mut self) -> u32 {
        self.0
    }
}

fn device() -> Identity {
    Identity::new("a1B2c3D4e5F", "lamp-7").unwrap()
}

fn sub() -> Identity {
    Identity::new("a1Sub", "bulb:2").unwrap()
}

const UPGRADE: &str = "/ota/device/upgrade/a1B2c3D4e5F/lamp-7";
const GET_REPLY: &str = "/sys/a1B2c3D4e5F/lamp-7/thing/ota/firmware/get_reply";
const FIRMWARE: Component<'static> = Component { device: 0, module: "" };

fn offer(version: &str) -> String {
    format!(
        r#"{{"code":"1000","data":{{"size":432945,"version":"{version}","url":"http:\/\/files.example\/fw.bin?Expires=1","signMethod":"Md5","sign":"93230c3bde425a9d7984a594ac55ea1e"}},"id":1507707025,"message":"success"}}"#
    )
}

fn session<'b>(rx: &'b mut [u8], tx: &'b mut [u8], expiry_s: u32) -> Session<'b> {
    let config = ConfigBuilder::new(Buffers::new(rx, tx)).client_id("lamp-7").unwrap();
    Session::new(config.keepalive_interval(5).session_expiry_interval(expiry_s))
}

fn version_of(event: Event<'_>) -> String {
    match event {
        Event::Offer(offer) => offer.version.into(),
        other => panic!("not an offer: {other:?}"),
    }
}

/// The next event, which must come soon: a lost one is a failure, not a hang.
async fn event<'b>(mqtt: &mut impl Transport, buf: &'b mut [u8]) -> Event<'b> {
    timeout(Duration::from_secs(5), mqtt.recv(buf)).await.expect("an event within 5 s").unwrap()
}

fn ignore(_: &InboundPublish<'_>) {}

/// Everything an update says, in both directions, for the device and a sub-device.
#[tokio::test]
async fn reports_reach_the_cloud_and_offers_the_device() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let (device, subs) = (device(), [sub()]);
    let mut codec = Linkkit::new(&device, &subs, &mut Fixed(u32::MAX));
    let (mut rx, mut tx, mut late, mut buf) = ([0; 4096], [0; 1024], [0; 4096], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 0);
    let (socket, _hold) = Socket::connect(broker).await;
    let mut connection = session.connect(socket).await.unwrap();
    let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, ignore).await.unwrap();

    mqtt.send(&Report::Version { component: FIRMWARE, version: "1.0.0" }).await.unwrap();
    assert_eq!(
        cloud.next().await,
        ("/ota/device/inform/a1B2c3D4e5F/lamp-7".into(), r#"{"id":"4294967295","params":{"version":"1.0.0"}}"#.into())
    );

    cloud.publish(UPGRADE, offer("1.1.0")).await;
    match event(&mut mqtt, &mut buf).await {
        Event::Offer(offer) => {
            assert_eq!(offer.component, FIRMWARE);
            assert_eq!(offer.locator, Locator::Url("http://files.example/fw.bin?Expires=1"));
        }
        other => panic!("{other:?}"),
    }

    mqtt.send(&Report::Progress { component: FIRMWARE, percent: 35 }).await.unwrap();
    mqtt.send(&Report::Failed { component: FIRMWARE, stage: FailStage::Verify, text: "key \"x\"" }).await.unwrap();
    mqtt.send(&Report::Query { component: FIRMWARE }).await.unwrap();
    mqtt.send(&Report::Tag { key: AGENT_ID_KEY, value: "OTA-RS-1" }).await.unwrap();
    let progress = "/ota/device/progress/a1B2c3D4e5F/lamp-7".to_owned();
    let step = r#"{"id":"0","params":{"step":"35","desc":"in progress"}}"#;
    assert_eq!(cloud.next().await, (progress.clone(), step.into()));
    let failure = r#"{"id":"1","params":{"step":"-3","desc":"key \"x\""}}"#;
    assert_eq!(cloud.next().await, (progress, failure.into()));
    let query = r#"{"id":"2","version":"1.0","params":{},"method":"thing.ota.firmware.get"}"#;
    assert_eq!(cloud.next().await, ("/sys/a1B2c3D4e5F/lamp-7/thing/ota/firmware/get".into(), query.into()));

    cloud.publish(GET_REPLY, r#"{"code":200,"data":{},"id":"2","message":"success"}"#).await;
    assert_eq!(event(&mut mqtt, &mut buf).await, Event::NoUpdate);

    let bulb = Component { device: 1, module: "radio" };
    mqtt.send(&Report::Version { component: bulb, version: "7" }).await.unwrap();
    let inform = r#"{"id":"4","params":{"version":"7","module":"radio"}}"#;
    assert_eq!(cloud.next().await, ("/ota/device/inform/a1Sub/bulb:2".into(), inform.into()));
    cloud.publish("/ota/device/upgrade/a1Sub/bulb:2", offer("8")).await;
    match event(&mut mqtt, &mut buf).await {
        Event::Offer(offer) => assert_eq!((offer.component.device, offer.version), (1, "8")),
        other => panic!("{other:?}"),
    }

    let unknown = mqtt.send(&Report::Query { component: Component { device: 2, module: "" } }).await;
    assert!(matches!(unknown, Err(MqttError::Report(_))));
    cloud.publish(UPGRADE, "{").await;
    assert_eq!(event(&mut mqtt, &mut buf).await, Event::Bad(OfferError::Malformed));
    // A retained offer is cleared: no offer, and no fault.
    cloud.publish(UPGRADE, "").await;
    assert_eq!(event(&mut mqtt, &mut buf).await, Event::NoUpdate);
    assert!(cloud.silent().await);
}

/// An application that listens, and has one thing to say.
struct App<'a> {
    heard: &'a RefCell<Vec<(String, Vec<u8>)>>,
    say: &'a RefCell<Vec<&'static str>>,
}

impl Application for App<'_> {
    fn on_message(&mut self, message: &InboundPublish<'_>) {
        self.heard.borrow_mut().push((message.topic().into(), message.payload().into()));
    }
    async fn outgoing(&mut self) -> Outgoing<'_> {
        let text = self.say.borrow().first().copied();
        match text {
            Some(text) => Outgoing { topic: "/app/up", payload: text.as_bytes() },
            None => core::future::pending().await,
        }
    }
    fn sent(&mut self, accepted: bool) {
        assert!(accepted);
        self.say.borrow_mut().remove(0);
    }
}

#[tokio::test]
async fn the_application_keeps_its_use_of_the_connection() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let device = device();
    let mut codec = Linkkit::new(&device, &[], &mut Fixed(1));
    let (mut rx, mut tx, mut late, mut buf) = ([0; 4096], [0; 1024], [0; 4096], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 0);
    let (socket, _hold) = Socket::connect(broker).await;
    let mut connection = session.connect(socket.clone()).await.unwrap();
    connection.subscribe(&[TopicFilter::new("/app/down")], &[]).await.unwrap();
    let (heard, say) = (RefCell::default(), RefCell::default());
    let app = App { heard: &heard, say: &say };
    let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, app).await.unwrap();

    // While the agent listens, and while it sends.
    say.borrow_mut().extend(["one", "two", "three", "four", "five", "six", "seven"]);
    cloud.publish("/app/down", "first").await;
    cloud.publish(UPGRADE, offer("2")).await;
    assert_eq!(version_of(event(&mut mqtt, &mut buf).await), "2");
    cloud.publish("/app/down", "second").await;
    socket.waiting().await;
    mqtt.send(&Report::Progress { component: FIRMWARE, percent: 1 }).await.unwrap();
    assert!(timeout(Duration::from_millis(300), mqtt.recv(&mut buf)).await.is_err());

    let down = |text: &str| ("/app/down".to_owned(), text.as_bytes().to_vec());
    assert_eq!(*heard.borrow(), [down("first"), down("second")]);
    let mut up = Vec::new();
    for _ in 0..8 {
        let (topic, payload) = cloud.next().await;
        if topic == "/app/up" {
            up.push(payload);
        }
    }
    assert_eq!(up, ["one", "two", "three", "four", "five", "six", "seven"]);

    // Between two calls of the agent the connection is the application's, as before.
    connection.publish(Publication::text("/app/up", "directly").qos(QoS::AtLeastOnce)).await.unwrap();
    assert_eq!(cloud.next().await.1, "directly");
}

#[tokio::test]
async fn offers_that_come_during_a_send_are_kept() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let device = device();
    let mut codec = Linkkit::new(&device, &[], &mut Fixed(1));
    let (mut rx, mut tx, mut late, mut buf) = ([0; 4096], [0; 1024], [0; 500], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 0);
    let (socket, _hold) = Socket::connect(broker).await;
    let mut connection = session.connect(socket.clone()).await.unwrap();
    let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, ignore).await.unwrap();

    for version in ["2", "3", "4"] {
        cloud.publish(UPGRADE, offer(version)).await;
    }
    // All three lie before the acknowledgement. Two fit the inbox.
    socket.waiting().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    mqtt.send(&Report::Query { component: FIRMWARE }).await.unwrap();
    assert_eq!(version_of(event(&mut mqtt, &mut buf).await), "2");
    assert_eq!(version_of(event(&mut mqtt, &mut buf).await), "3");
    assert_eq!(event(&mut mqtt, &mut buf).await, Event::Bad(OfferError::TooLarge));
    cloud.publish(UPGRADE, offer("5")).await;
    assert_eq!(event(&mut mqtt, &mut [0; 100]).await, Event::Bad(OfferError::TooLarge));
    cloud.publish(UPGRADE, offer("6")).await;
    assert_eq!(version_of(event(&mut mqtt, &mut buf).await), "6");
}

/// `recv` may be dropped at any point and loses nothing.
#[tokio::test]
async fn a_dropped_recv_loses_nothing() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let device = device();
    let mut codec = Linkkit::new(&device, &[], &mut Fixed(1));
    let (mut rx, mut tx, mut late, mut buf) = ([0; 4096], [0; 1024], [0; 4096], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 0);
    let (socket, _hold) = Socket::connect(broker).await;
    let mut connection = session.connect(socket).await.unwrap();
    let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, ignore).await.unwrap();
    let publish = async {
        for n in 0..50 {
            cloud.publish(UPGRADE, offer(&n.to_string())).await;
        }
    };
    let receive = async {
        let (mut got, mut drops) = (Vec::new(), 0);
        while got.len() < 50 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => drops += 1,
                event = mqtt.recv(&mut buf) => got.push(version_of(event.unwrap())),
            }
            if drops % 8 == 0
                && let Ok(event) = timeout(Duration::from_millis(1), mqtt.recv(&mut buf)).await
            {
                got.push(version_of(event.unwrap()));
            }
        }
        (got, drops)
    };
    let both = async { tokio::join!(publish, receive) };
    let ((), (got, drops)) = timeout(Duration::from_secs(20), both).await.expect("50 offers within 20 s");
    assert_eq!(got, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(drops > 50);
}

#[tokio::test]
async fn send_returns_when_acknowledged_and_can_be_dropped() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let device = device();
    let mut codec = Linkkit::new(&device, &[], &mut Fixed(1));
    let (mut rx, mut tx, mut late) = ([0; 4096], [0; 1024], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 0);
    let (socket, hold) = Socket::connect(broker).await;
    let mut connection = session.connect(socket).await.unwrap();
    let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, ignore).await.unwrap();
    hold.send(true).unwrap();
    let report = Report::Progress { component: FIRMWARE, percent: 100 };
    for _ in 0..12 {
        let unacknowledged = timeout(Duration::from_millis(50), mqtt.send(&report)).await;
        assert!(unacknowledged.is_err(), "the broker's answer was not read");
    }
    hold.send(false).unwrap();
    mqtt.send(&report).await.unwrap();
    let (_, last) = loop {
        let next = cloud.next().await;
        if next.1.contains(r#""id":"13""#) {
            break next;
        }
    };
    assert_eq!(last, r#"{"id":"13","params":{"step":"100","desc":"complete"}}"#);
    assert!(cloud.silent().await);

    let long = "x".repeat(2000);
    let too_large = mqtt.send(&Report::Tag { key: AGENT_ID_KEY, value: &long }).await;
    assert!(matches!(too_large, Err(MqttError::Report(_))));
    assert!(mqtt.is_permanent(&too_large.unwrap_err()), "the same tomorrow: not to be repeated for ever");
    mqtt.send(&report).await.unwrap();

    drop(hold);
    let lost = mqtt.send(&report).await.unwrap_err();
    assert!(matches!(lost, MqttError::Lost(_)));
    assert!(!mqtt.is_permanent(&lost), "the next connection may take it");
}

fn connection_resumed(events: &[ConnectEvent]) -> bool {
    events.last() == Some(&ConnectEvent::Reconnected)
}

/// A new connection after a lost one: what the broker kept for us still arrives.
#[tokio::test]
async fn a_lost_connection_is_an_error_and_the_next_one_goes_on() {
    let broker = broker().await;
    let mut cloud = Cloud::connect(broker).await;
    let device = device();
    let mut codec = Linkkit::new(&device, &[], &mut Fixed(1));
    let (mut rx, mut tx, mut late, mut buf) = ([0; 4096], [0; 1024], [0; 4096], [0; 4096]);
    let mut inbox = Inbox::new(&mut late);
    let mut session = session(&mut rx, &mut tx, 3600);
    let mut events = Vec::new();
    for round in 0..4_u8 {
        let (socket, hold) = Socket::connect(broker).await;
        let mut connection: Connection<'_, '_, _> = session.connect(socket).await.unwrap();
        events.push(connection.connect_event());
        let mut mqtt = Mqtt::start(&mut connection, &mut codec, &mut inbox, ignore).await.unwrap();
        if connection_resumed(&events) {
            let missed = timeout(Duration::from_secs(5), mqtt.recv(&mut buf)).await.expect("kept by the broker");
            assert_eq!(version_of(missed.unwrap()), format!("missed-{round}"));
        }
        mqtt.send(&Report::Progress { component: FIRMWARE, percent: round }).await.unwrap();
        cloud.publish(UPGRADE, offer("2")).await;
        assert_eq!(version_of(event(&mut mqtt, &mut buf).await), "2");
        drop(hold);
        assert!(matches!(mqtt.recv(&mut buf).await, Err(MqttError::Lost(_))), "round {round}");
        assert!(matches!(mqtt.send(&Report::Query { component: FIRMWARE }).await, Err(MqttError::Lost(_))));
        drop(connection);
        tokio::time::sleep(Duration::from_millis(50)).await;
        cloud.publish(UPGRADE, offer(&format!("missed-{}", round + 1))).await;
    }
    // The second should be resumed too. rumqttd 0.20 takes MQTT 5's Clean Start for MQTT 3's Clean Session and forgets at
    // the first break, whatever expiry was asked for: a cloud on it must offer again when a device informs or asks.
    use ConnectEvent::{Connected, Reconnected};
    assert_eq!(events, [Connected, Connected, Reconnected, Reconnected]);
}
