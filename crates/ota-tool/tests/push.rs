//! `ota push` against brokers that refuse, break and die, and behind TLS.

mod support;

use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::broker::{Broker, Habits};
use support::{ota, release, scratch, text};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

const URL: [&str; 2] = ["--url", "http://files.example/fw.ota"];

fn push_to(dir: &Path, broker: &str, more: &[&str]) -> Output {
    let mut command = ota();
    command.current_dir(dir).args(["--json", "push", "--broker", broker]).args(more).output().unwrap()
}

/// Pushes `fw.ota`; exit code and result.
fn push(dir: &Path, broker: &Broker, more: &[&str]) -> (Option<i32>, Value) {
    let address = format!("mqtt://127.0.0.1:{}", broker.port);
    let out = push_to(dir, &address, &[&["fw.ota"], &URL[..], more].concat());
    (out.status.code(), json(&out))
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}{}", text(&out.stdout), text(&out.stderr)))
}

fn bench() -> (tempfile::TempDir, std::path::PathBuf) {
    let (guard, dir) = scratch();
    release(&dir, "ed25519", "1.1.0");
    (guard, dir)
}

/// Writes a list of devices, each of another product or all of one.
fn fleet(dir: &Path, len: usize, one_product: bool) {
    let name = |i| if one_product { format!("pk/device-{i}\n") } else { format!("pk{i}/dn\n") };
    std::fs::write(dir.join("fleet.txt"), (0..len).map(name).collect::<String>()).unwrap();
}

#[test]
fn ten_thousand_devices_are_told_once_each() {
    let (_guard, dir) = bench();
    fleet(&dir, 10_000, true);
    for protocol in ["5", "3.1.1"] {
        let broker = Broker::start(Habits::default());
        let (code, result) = push(&dir, &broker, &["-d", "@fleet.txt", "--protocol", protocol]);
        assert_eq!(code, Some(0), "{protocol}: {}", result["error"]);
        assert_eq!(result["devices"].as_array().unwrap().len(), 10_000);
        let messages = broker.messages();
        assert_eq!(messages.len(), 10_000);
        let topic = |i: usize| format!("/ota/device/upgrade/pk/device-{i}");
        assert!(messages.iter().enumerate().all(|(i, (t, _, _))| *t == topic(i)));
    }
}

#[test]
fn a_slow_broker_has_few_messages_to_hold() {
    let (_guard, dir) = bench();
    fleet(&dir, 200, true);
    let broker = Broker::start(Habits { lazy: true, ..Habits::default() });
    let (code, _) = push(&dir, &broker, &["-d", "@fleet.txt"]);
    assert_eq!((code, broker.messages().len()), (Some(0), 200));
    assert!(broker.most_open.load(Ordering::Relaxed) <= 16);
}

#[test]
fn a_wait_ends_in_time_though_the_broker_died_with_many_devices() {
    let (_guard, dir) = bench();
    // Each device of its own product: 1200 subscriptions to make again.
    fleet(&dir, 300, false);
    for protocol in ["5", "3.1.1"] {
        let broker = Broker::start(Habits { die_after: Some(300), ..Habits::default() });
        let start = Instant::now();
        let (code, result) =
            push(&dir, &broker, &["-d", "@fleet.txt", "--wait", "--timeout", "3", "--protocol", protocol]);
        assert!(start.elapsed() < Duration::from_secs(8), "{protocol}: {:?}", start.elapsed());
        assert_eq!(code, Some(1), "{protocol}");
        // The last acknowledgements may have died with the broker.
        let status = |i: usize| result["devices"][i]["status"].as_str().unwrap();
        assert_eq!(status(0), "no answer");
        assert!((0..300).all(|i| ["no answer", "not offered"].contains(&status(i))), "{protocol}");
    }
}

#[test]
fn a_connection_that_breaks_loses_no_offer() {
    let (_guard, dir) = bench();
    fleet(&dir, 40, true);
    for more in [&["--protocol", "5"][..], &["--protocol", "3.1.1"], &["--wait", "--timeout", "3"]] {
        let broker = Broker::start(Habits { break_after: Some(25), ..Habits::default() });
        let (_, result) = push(&dir, &broker, &[&["-d", "@fleet.txt"], more].concat());
        let mut topics: Vec<String> = broker.messages().into_iter().map(|(topic, ..)| topic).collect();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), 40, "{more:?}: {result}");
        let status = if more.contains(&"--wait") { "no answer" } else { "offered" };
        assert!(result["devices"].as_array().unwrap().iter().all(|d| d["status"] == status), "{result}");
    }
}

#[test]
fn a_refused_subscription_says_what_to_do() {
    let (_guard, dir) = bench();
    for (protocol, code) in [("5", 0x87), ("3.1.1", 0x80)] {
        let broker = Broker::start(Habits { refuse_filters: Some(code), ..Habits::default() });
        let (code, result) = push(&dir, &broker, &["-d", "pk/dn", "--wait", "--protocol", protocol]);
        let error = result["error"].as_str().unwrap();
        assert_eq!(code, Some(1));
        assert!(error.contains("/ota/device/inform/pk/dn") && error.contains("without --wait"), "{error}");
        assert!(broker.messages().is_empty(), "nothing is offered that nobody could follow");
    }
}

#[test]
fn a_refused_offer_is_a_failure_that_names_the_topic() {
    let (_guard, dir) = bench();
    let broker = Broker::start(Habits { refuse_messages: Some(0x87), ..Habits::default() });
    for more in [&[][..], &["--wait", "--timeout", "10"]] {
        let start = Instant::now();
        let (code, result) = push(&dir, &broker, &[&["-d", "pk/dn"], more].concat());
        assert_eq!((code, &result["devices"][0]["status"]), (Some(1), &"refused by the broker".into()));
        let reason = result["devices"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("NotAuthorized") && reason.contains("/ota/device/upgrade/pk/dn"), "{reason}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    // No matching subscribers: offered, but to nobody.
    let broker = Broker::start(Habits { refuse_messages: Some(0x10), ..Habits::default() });
    let (code, result) = push(&dir, &broker, &["-d", "pk/dn"]);
    assert_eq!((code, &result["devices"][0]["status"]), (Some(0), &"offered".into()));
    assert!(result["devices"][0]["reason"].as_str().unwrap().contains("--retain"));
    assert_eq!(push(&dir, &broker, &["-d", "pk/dn", "--retain"]).1["devices"][0]["reason"], Value::Null);
}

#[test]
fn what_was_retained_can_be_taken_back() {
    let (_guard, dir) = bench();
    let broker = Broker::start(Habits::default());
    push(&dir, &broker, &["-d", "pk/dn", "--retain"]);
    let out = push_to(&dir, &format!("127.0.0.1:{}", broker.port), &["--clear", "-d", "pk/dn"]);
    assert_eq!((out.status.code(), &json(&out)["devices"][0]["status"]), (Some(0), &"cleared".into()));
    let messages = broker.messages();
    assert!(messages[0].2 && !messages[0].1.is_empty());
    // An empty retained message removes the one before it (MQTT 5 section 3.3.1.3).
    assert_eq!(messages[1], (messages[0].0.clone(), Vec::new(), true));
}

#[test]
fn urls_that_devices_refuse_are_not_offered() {
    let (_guard, dir) = bench();
    for url in ["http://", "http://u:p@h/f", "ftp://h/f", "http://h:0/f", "http://h/a b", "http://1.2.3/f", "h/f"] {
        let out = push_to(&dir, "127.0.0.1:9", &["fw.ota", "--url", url, "-d", "pk/dn"]);
        let error = json(&out)["error"].as_str().unwrap().to_owned();
        assert!(error.contains("--url") && error.contains("URL: "), "{url}: {error}");
    }
}

/// TLS in front of a broker, at `ip`; the certificate is for `localhost` and 127.0.0.1 (`tests/tls`, made with openssl).
fn tls_in_front_of(port: u16, ip: &str) -> u16 {
    let certs = vec![CertificateDer::from_pem_slice(include_bytes!("tls/broker.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/broker.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(certs, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let front = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut broker = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut broker).await;
                });
            }
        });
    });
    front
}

#[test]
fn tls_is_spoken_and_the_certificate_judged() {
    let (_guard, dir) = bench();
    let broker = Broker::start(Habits::default());
    let port = tls_in_front_of(broker.port, "127.0.0.1");
    // The same broker with the same certificate, where its holder is not.
    let elsewhere = format!("mqtts://127.0.0.2:{}", tls_in_front_of(broker.port, "127.0.0.2"));
    let own = [include_str!("tls/ca.pem"), include_str!("tls/broker.pem")];
    std::fs::write(dir.join("ca.pem"), own[0]).unwrap();
    for (count, protocol) in [(1, "5"), (2, "3.1.1")] {
        let address = format!("mqtts://127.0.0.1:{port}");
        let args = ["fw.ota", URL[0], URL[1], "-d", "pk/dn", "--ca", "ca.pem", "--protocol", protocol];
        let out = push_to(&dir, &address, &args);
        assert_eq!(out.status.code(), Some(0), "{}", json(&out));
        assert_eq!(broker.messages().len(), count);
        // An authority that is not known, another one, and a name that the certificate does not hold.
        std::fs::write(dir.join("other.pem"), own[1]).unwrap();
        let args = ["fw.ota", URL[0], URL[1], "-d", "pk/dn", "--protocol", protocol];
        for (address, ca, wanted) in [
            (&address, &[][..], "--ca FILE"),
            (&address, &["--ca", "other.pem"], "certificate"),
            (&elsewhere, &["--ca", "ca.pem"], "not valid for name"),
        ] {
            let error = json(&push_to(&dir, address, &[&args[..], ca].concat()))["error"].as_str().unwrap().to_owned();
            assert!(error.contains(wanted), "{address} {ca:?}: {error}");
        }
        assert_eq!(broker.messages().len(), count, "nothing is said to a broker that is not believed");
    }
    // The same port without TLS is no broker.
    let out = push_to(&dir, &format!("mqtt://127.0.0.1:{port}"), &["fw.ota", URL[0], URL[1], "-d", "pk/dn"]);
    assert_eq!(out.status.code(), Some(1));
}
