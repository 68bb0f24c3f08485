//! The program itself, as the board would start it, against servers that misbehave.
#![cfg(feature = "linux")]

use ota_board_linux::{EXIT_RESET, FLASH_LEN, FileFlash, env, part};
use ota_coap::{Code, Encoder, Message, option};
use ota_hal::{Journal, Kind};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// `pk`, `dn`, `s` and no product secret.
const RECORD: &[u8] = b"\x01\x02pk\x02dn\x01s\x00";

struct Device {
    _dir: tempfile::TempDir,
    program: Child,
    lines: Receiver<String>,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Device {
    /// Starts the program with `record` as its stored identity.
    fn start(record: &[u8], broker: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (flash, key) = (dir.path().join("flash"), dir.path().join("key.pub"));
        std::fs::write(&key, key_blob()).unwrap();
        let part = RefCell::new(FileFlash::create(&flash, FLASH_LEN).unwrap());
        Journal::mount(part::journal(&part)).unwrap().append(Kind::App, record).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_otaapp"));
        command.env(env::FLASH, &flash).env(env::KEYS, &key).env(env::SLOT, "A").env(env::CAUSE, "1");
        command.env(env::VENDOR, "01".repeat(16)).env(env::CLASS, "02".repeat(16)).env("OTA_BROKER", broker);
        // Any descriptor that takes bytes will do as the watchdog.
        command.env(env::WATCHDOG, "2").stderr(Stdio::null());
        let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(program.stdout.take().unwrap());
        let (line, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { _dir: dir, program, lines }
    }
    fn say(&mut self, text: &str) {
        self.program.stdin.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
    }
    /// The next line that holds `what`.
    fn expect(&self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|e| panic!("{what:?}: {e}"));
            if line.contains(what) {
                return line;
            }
        }
    }
}

/// The public key of RFC 8032 §7.1 test 1, as `ota keygen` writes one.
fn key_blob() -> Vec<u8> {
    const KEY: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
        0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];
    let mut blob = [b"OTAK\x01\x08\x20\x00".as_slice(), &[0; 32], &KEY].concat();
    let crc = blob.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1)))
    });
    blob.extend((!crc).to_le_bytes());
    blob
}

/// A broker that gives each connection `answer` to its first packet and counts them; with an answer it also hangs up.
fn broker(answer: &'static [u8]) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut client in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            if answer.is_empty() {
                silent.push(client);
            } else {
                let _ = client.read(&mut [0; 256]).and_then(|_| client.write_all(answer));
            }
        }
    });
    (address, count)
}

#[test]
fn a_broker_that_accepts_and_never_answers_does_not_take_the_console_away() {
    let (address, connections) = broker(b"");
    let mut device = Device::start(RECORD, &address);
    let until = Instant::now() + PATIENCE;
    while connections.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < until, "the device does not connect");
        thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    device.say("ota status");
    device.expect("boot Confirmed");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    device.say("devinfo clean");
    device.expect("no device identity");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_broker_that_refuses_is_asked_at_growing_intervals() {
    // CONNACK: not authorized.
    let (address, connections) = broker(b"\x20\x03\x00\x87\x00");
    let mut device = Device::start(RECORD, &address);
    // Twice, however slow the machine is.
    device.expect("broker: no session");
    device.expect("broker: no session");
    thread::sleep(Duration::from_secs(3));
    device.say("version");
    device.expect(env!("CARGO_PKG_VERSION"));
    // Mean waits of 0.1, 0.2, 0.4, 0.8 and 1.6 s.
    let count = connections.load(Ordering::SeqCst);
    assert!(count < 20, "{count} connections in 3 s");
}

#[test]
fn a_stored_identity_that_no_topic_can_carry_leaves_the_console_and_never_resets() {
    let mut device = Device::start(b"\x01\x0Amy-product\x04dev1\x01s\x00", "127.0.0.1:1");
    device.expect("1 to 20 letters and digits");
    device.expect("no device identity");
    device.say("devinfo set my-product dev1 s");
    device.expect("1 to 20 letters and digits");
    device.say("devinfo set pk dev1 s");
    device.expect("broker: not reached");
    device.say("reboot");
    assert_eq!(device.program.wait().unwrap().code(), Some(EXIT_RESET.into()));
}

/// A CoAP server that answers each confirmable message with a code, and tells its path. A message that comes again because its
/// answer was not seen in time is told once.
fn coap(code: u8) -> (String, Receiver<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = format!("coap://{}", socket.local_addr().unwrap());
    let (path, paths) = channel();
    thread::spawn(move || {
        let (mut datagram, mut known) = ([0; 2048], HashSet::new());
        while let Ok((len, from)) = socket.recv_from(&mut datagram) {
            let Ok(request) = Message::decode(&datagram[..len]) else { continue };
            let parts = request.options().filter(|(number, _)| *number == option::URI_PATH);
            let parts: Vec<_> = parts.map(|(_, part)| String::from_utf8_lossy(part).into_owned()).collect();
            answer(&socket, from, &request, code);
            if known.insert((from, request.id)) && path.send(parts.join("/")).is_err() {
                return;
            }
        }
    });
    (address, paths)
}

/// Answers a request with a code, in its acknowledgement.
fn answer(socket: &UdpSocket, to: SocketAddr, request: &Message<'_>, code: u8) {
    let mut bytes = [0; 32];
    let kind = ota_coap::Kind::Acknowledgement;
    let len = Encoder::new(&mut bytes, kind, Code(code), request.id, request.token).finish(b"").unwrap();
    let _ = socket.send_to(&bytes[..len], to);
}

#[test]
fn over_coap_it_reports_first_and_then_asks_for_offers() {
    // 2.04 to everything.
    let (address, paths) = coap(0x44);
    let mut device = Device::start(RECORD, &address);
    device.expect("coap: connected");
    for wanted in ["ota/version/pk/dn", "ota/offer/pk/dn"] {
        assert_eq!(paths.recv_timeout(PATIENCE).as_deref(), Ok(wanted));
    }
    device.say("ota check");
    device.expect("asking the cloud");
    assert_eq!(paths.recv_timeout(PATIENCE).as_deref(), Ok("ota/query/pk/dn"));
    device.say("devinfo clean");
    device.expect("no device identity");
}

#[test]
fn it_is_connected_when_the_coap_server_has_answered() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = server.local_addr().unwrap();
    let device = Device::start(RECORD, &format!("coap://{address}"));
    device.expect(&format!("coap: asking {address}"));
    let mut datagram = [0; 2048];
    let (len, from) = server.recv_from(&mut datagram).expect("a report");
    assert!(device.lines.try_iter().all(|line| !line.starts_with("coap:")), "nobody has answered yet");
    answer(&server, from, &Message::decode(&datagram[..len]).unwrap(), 0x44);
    device.expect("coap: connected");
}

#[test]
fn a_coap_server_that_refuses_or_is_away_does_not_take_the_console_away() {
    // 5.03: to be left alone for a minute.
    let (address, paths) = coap(0xA3);
    let mut device = Device::start(RECORD, &address);
    assert_eq!(paths.recv_timeout(PATIENCE).as_deref(), Ok("ota/version/pk/dn"));
    // A command before it has seen the answer would make it report again.
    device.expect("coap: refused");
    device.say("ota status");
    device.expect("boot Confirmed");
    assert!(paths.recv_timeout(Duration::from_secs(3)).is_err(), "it comes back before it may");

    let away = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut device = Device::start(RECORD, &format!("coap://{away}"));
    device.expect("coap: no answer");
    device.say("ota status");
    device.expect("boot Confirmed");
}

#[test]
fn a_setting_that_names_no_server_is_refused() {
    let mut device = Device::start(RECORD, "coap://");
    assert_eq!(device.program.wait().unwrap().code(), Some(1));
}
