//! Devices on real MQTT, of both versions, against `ota serve` and `ota push`.

mod support;

use rumqttc::v5::mqttbytes::{QoS, v5::Packet};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{PATIENCE, Server, ota, release, scratch, text};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A device that speaks MQTT 5 and does what it is told.
struct Device {
    name: String,
    client: AsyncClient,
    inbox: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Device {
    async fn connect(port: u16, name: &str) -> Self {
        let mut options = MqttOptions::new(name.replace('/', "."), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(20));
        let (client, mut events) = AsyncClient::new(options, 32);
        for topic in [format!("/ota/device/upgrade/{name}"), format!("/sys/{name}/thing/ota/firmware/get_reply")] {
            client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        }
        let (sender, inbox) = mpsc::unbounded_channel();
        let (ready, mut subscribed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        let _ = ready.send(());
                    }
                    Event::Incoming(Packet::Publish(p)) => {
                        let topic = String::from_utf8_lossy(&p.topic).into_owned();
                        let _ = sender.send((topic, serde_json::from_slice(&p.payload).unwrap()));
                    }
                    _ => {}
                }
            }
        });
        for _ in 0..2 {
            timeout(PATIENCE, subscribed.recv()).await.unwrap().unwrap();
        }
        Self { name: name.to_owned(), client, inbox }
    }

    async fn say(&self, topic: &str, message: Value) {
        self.client.publish(topic, QoS::AtLeastOnce, false, message.to_string()).await.unwrap();
    }
    async fn inform(&self, version: &str) {
        let topic = format!("/ota/device/inform/{}", self.name);
        self.say(&topic, json!({ "id": "1", "params": { "version": version } })).await;
    }
    async fn progress(&self, step: i32, text: &str) {
        let topic = format!("/ota/device/progress/{}", self.name);
        self.say(&topic, json!({ "id": "2", "params": { "step": step.to_string(), "desc": text } })).await;
    }
    async fn ask(&mut self) -> Value {
        let topic = format!("/sys/{}/thing/ota/firmware/get", self.name);
        self.say(&topic, json!({ "id": "77", "version": "1.0", "params": {}, "method": "thing.ota.firmware.get" }))
            .await;
        self.hear("get_reply").await
    }
    /// The next message, which must be on a topic that holds `part`.
    async fn hear(&mut self, part: &str) -> Value {
        let (topic, message) = timeout(PATIENCE, self.inbox.recv()).await.expect("a message").unwrap();
        assert!(topic.contains(part), "{topic}: {message}");
        message
    }
    /// Whether nothing comes for a while.
    async fn is_left_alone(&mut self) -> bool {
        timeout(Duration::from_millis(400), self.inbox.recv()).await.is_err()
    }
}

fn bench() -> (tempfile::TempDir, Server) {
    let (guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let server = Server::start(&dir, &[]);
    (guard, server)
}

fn shown(server: &Server) -> Value {
    server.json("/api/devices")["devices"][0]["modules"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_from_offer_to_version_report() {
    let (guard, server) = bench();
    let mut device = Device::connect(server.mqtt, "pk/dn").await;
    assert_eq!(device.ask().await["data"], json!({}));
    device.inform("1.0.0").await;
    assert_eq!(server.event("version")["version"], "1.0.0");

    let (status, answer) = server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
    assert_eq!((status, &answer["version"]), (200, &json!("1.1.0")), "{answer}");
    let offer = device.hear("/ota/device/upgrade/pk/dn").await;
    let data = &offer["data"];
    assert_eq!(
        (&offer["code"], &data["version"], &data["signMethod"]),
        (&json!("1000"), &json!("1.1.0"), &json!("SHA256"))
    );
    let content = std::fs::read(guard.path().join("fw.ota")).unwrap();
    assert_eq!(data["size"], content.len());
    assert_eq!(data["sign"], ota_tool::files::hex(&ota_tool::files::sha256(&content)));
    let path = data["url"].as_str().unwrap().split_once(&server.http.to_string()).unwrap().1;
    assert_eq!(server.get(path, &[]).body, content);
    // Who asks is told the same.
    assert_eq!(device.ask().await["data"], *data);

    device.progress(40, "").await;
    assert_eq!(server.event("progress")["percent"], 40);
    device.progress(100, "").await;
    server.event("progress");
    assert_eq!(shown(&server)["offer"]["status"], "progress");
    device.inform("1.1.0").await;
    server.event("done");
    assert_eq!(shown(&server)["offer"]["status"], "done");
    assert_eq!(device.ask().await["data"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_kept_with_their_reason_and_not_repeated() {
    let (_guard, server) = bench();
    let mut device = Device::connect(server.mqtt, "pk/dn").await;
    device.inform("1.0.0").await;
    server.event("version");
    server.offer(&json!({ "all": true, "file": "fw.ota" }));
    device.hear("upgrade").await;
    device.progress(10, "").await;
    device.progress(-3, "digest mismatch").await;
    let event = server.event("failed");
    assert_eq!((&event["code"], &event["reason"]), (&json!(-3), &json!("digest mismatch")));
    device.inform("1.0.0").await;
    server.event("version");
    assert!(device.is_left_alone().await);
    let offer = &shown(&server)["offer"];
    assert_eq!((&offer["status"], &offer["reason"]), (&json!("failed"), &json!("digest mismatch")));
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_survive_a_kill_of_the_cloud() {
    let (guard, server) = bench();
    let (status, _) = server.offer(&json!({ "devices": ["pk/late"], "file": "fw.ota" }));
    assert_eq!(status, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.kill();
    let server = Server::start(guard.path(), &[]);
    let mut device = Device::connect(server.mqtt, "pk/late").await;
    device.inform("1.0.0").await;
    let offer = device.hear("upgrade").await;
    // The port is another one now; the offer follows.
    assert!(offer["data"]["url"].as_str().unwrap().contains(&format!(":{}/files/fw.ota", server.http)));
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_sent_to_the_public_host_on_the_port_that_was_free() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    for (host, shown) in [("10.0.2.2", "10.0.2.2"), ("fd00::2", "[fd00::2]")] {
        let server = Server::start(&dir, &["--public-host", host]);
        let mut device = Device::connect(server.mqtt, "pk/dn").await;
        device.inform("1.0.0").await;
        server.event("version");
        server.offer(&json!({ "device": "pk/dn", "file": "fw.ota" }));
        let url = format!("http://{shown}:{}/files/fw.ota", server.http);
        assert_eq!(device.hear("upgrade").await["data"]["url"], url);
        server.kill();
        std::fs::remove_file(dir.join(".ota-serve.json")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_survived_and_told() {
    let (_guard, server) = bench();
    let device = Device::connect(server.mqtt, "pk/dn").await;
    for (topic, message) in [
        ("/ota/device/inform/pk/dn", json!(null)),
        ("/ota/device/inform/pk/dn", json!({ "params": { "version": 7 } })),
        ("/ota/device/progress/pk/dn", json!({ "params": { "step": "9999999999999" } })),
        ("/ota/device/progress/pk/dn", json!([[[]]])),
    ] {
        device.say(topic, message).await;
        assert_eq!(server.event("bad")["device"], "pk/dn");
    }
    device.client.publish("/ota/device/inform/pk/dn", QoS::AtLeastOnce, false, &b"\xFF\x00{"[..]).await.unwrap();
    server.event("bad");
    for body in [
        json!({}),
        json!({ "file": "fw.ota" }),
        json!({ "device": "pk/dn", "file": "none" }),
        json!({ "device": "pk/dn", "file": "../fw.ota" }),
        json!({ "device": "pk", "file": "fw.ota" }),
        json!({ "device": "pk/+", "file": "fw.ota" }),
        json!({ "device": "pk/dn", "file": "app.bin" }),
        json!({ "device": "pk/dn", "file": "app.bin", "version": "a b" }),
    ] {
        let headers = [("Content-Type", "application/json")];
        let status = server.request("POST", "/api/offer", &headers, body.to_string().as_bytes()).status;
        assert!((400..500).contains(&status), "{body}: {status}");
    }
    device.inform("1.0.0").await;
    assert_eq!(server.event("version")["version"], "1.0.0");
}

/// Starts a push of `fw.ota` against the broker of `ota serve`.
fn push(dir: &Path, port: u16, more: &[&str]) -> Child {
    let broker = format!("mqtt://127.0.0.1:{port}");
    let mut command = ota();
    command.current_dir(dir).args([
        "--json",
        "push",
        "fw.ota",
        "--url",
        "http://files.example/fw.ota",
        "--broker",
        &broker,
    ]);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn finish(child: Child) -> (Option<i32>, Value) {
    let out = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let shown = text(&out.stdout);
    (out.status.code(), serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}{}", text(&out.stderr))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_waits_for_every_device_in_either_protocol() {
    let (guard, server) = bench();
    for protocol in ["5", "3.1.1"] {
        let mut one = Device::connect(server.mqtt, "pk/one").await;
        let mut two = Device::connect(server.mqtt, "pk/two").await;
        let list = ["--product", "pk", "--devices", "one,two", "--wait", "--timeout", "30", "--protocol", protocol];
        let child = push(guard.path(), server.mqtt, &list);
        for device in [&mut one, &mut two] {
            let offer = device.hear("upgrade").await;
            assert_eq!(offer["data"]["url"], "http://files.example/fw.ota");
            assert_eq!(offer["data"]["version"], "1.1.0");
            device.progress(50, "").await;
        }
        // While waiting it also answers a device that asks, as does the cloud on this broker, which has nothing.
        let answers = [one.ask().await, one.hear("get_reply").await];
        assert!(answers.iter().any(|answer| answer["data"]["version"] == "1.1.0"), "{answers:?}");
        one.inform("1.1.0").await;
        two.inform("1.1.0").await;
        let (code, result) = finish(child).await;
        assert_eq!(code, Some(0), "{result}");
        assert_eq!(result["devices"][1], json!({ "device": "pk/two", "status": "done" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_a_failed_or_silent_device_fails() {
    let (guard, server) = bench();
    let mut one = Device::connect(server.mqtt, "pk/one").await;
    let child = push(guard.path(), server.mqtt, &["-d", "pk/one,pk/absent", "--wait", "--timeout", "3"]);
    one.hear("upgrade").await;
    one.progress(-4, "flash worn out").await;
    let (code, result) = finish(child).await;
    assert_eq!(code, Some(1));
    let failed = json!({ "device": "pk/one", "status": "failed", "code": -4, "reason": "flash worn out" });
    assert_eq!(result["devices"], json!([failed, { "device": "pk/absent", "status": "no answer" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_can_leave_the_offer_and_sign_the_digest() {
    let (guard, server) = bench();
    support::good(guard.path(), &["keygen", "--type", "rsa2048", "--scheme", "pkcs1", "-o", "cloud"]);
    std::fs::write(guard.path().join("group.txt"), "pk/late # in the cellar\n").unwrap();
    let child = push(guard.path(), server.mqtt, &["--group", "group.txt", "--retain", "--digestsign", "cloud.pem"]);
    let (code, _) = finish(child).await;
    assert_eq!(code, Some(0));
    let mut late = Device::connect(server.mqtt, "pk/late").await;
    let offer = late.hear("upgrade").await;
    use base64::Engine;
    let encoded = offer["data"]["digestsign"].as_str().unwrap();
    let signature = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let blob = std::fs::read(guard.path().join("cloud.pub")).unwrap();
    let key = ota_verify::PublicKey::from_blob(&blob).unwrap();
    let digest = ota_tool::files::sha256(&std::fs::read(guard.path().join("fw.ota")).unwrap());
    ota_verify::verify_cloud_signature(&key, &digest, &signature).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_no_broker_says_so() {
    let (guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, result) = finish(push(guard.path(), closed, &["-d", "pk/one"])).await;
    assert_eq!(code, Some(1));
    assert!(result["error"].as_str().unwrap().contains("does not answer"), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_device_could_take_is_not_kept_for_one() {
    let (_dir, server) = bench();
    let upgrade = "/ota/device/upgrade/pk/small";
    let stranger = Device::connect(server.mqtt, "pk/stranger").await;
    let endless = json!({ "data": { "url": "x".repeat(20_000) } });
    stranger.client.publish(upgrade, QoS::AtLeastOnce, true, endless.to_string()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut small = Device::connect(server.mqtt, "pk/small").await;
    let kept = timeout(Duration::from_secs(1), small.inbox.recv()).await;
    assert!(kept.is_err(), "the broker handed it out");
}
