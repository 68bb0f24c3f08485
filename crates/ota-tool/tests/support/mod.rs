//! The real binary, a running `ota serve`, and an HTTP client that hides nothing.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod broker;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const VENDOR: &str = "example.com";
pub(crate) const CLASS: &str = "board-a";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The command, without arguments.
pub(crate) fn ota() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ota"))
}

/// Runs the command with `args` in `dir`.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Output {
    ota().current_dir(dir).args(args).output().unwrap()
}

/// Runs the command, which must succeed, and returns its JSON.
pub(crate) fn good(dir: &Path, args: &[&str]) -> Value {
    let out = ota().current_dir(dir).arg("--json").args(args).output().unwrap();
    assert!(out.status.success(), "ota {args:?}: {}{}", text(&out.stdout), text(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Runs the command, which must fail with exit code 1, and returns its error.
pub(crate) fn bad(dir: &Path, args: &[&str]) -> String {
    let out = ota().current_dir(dir).arg("--json").args(args).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "ota {args:?}: {}{}", text(&out.stdout), text(&out.stderr));
    let value: Value = serde_json::from_slice(&out.stdout).unwrap();
    value["error"].as_str().unwrap_or_else(|| panic!("no error in {value}")).to_owned()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes a key, an image and a package in `dir`: `k.pem`, `k.pub`, `fw.img`, `fw.ota`.
pub(crate) fn release(dir: &Path, kind: &str, version: &str) {
    let payload: Vec<u8> = (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(dir.join("app.bin"), payload).unwrap();
    good(dir, &["keygen", "--type", kind, "--out", "k", "--force"]);
    sign(dir, "k.pem", version, "fw.img");
    good(dir, &["pack", "fw.img", "--out", "fw.ota", "--key", "k.pem", "--force"]);
}

pub(crate) fn sign(dir: &Path, key: &str, version: &str, out: &str) -> Value {
    let fixed = ["--counter", "3", "--vendor", VENDOR, "--class", CLASS, "--force"];
    let args = ["sign", "app.bin", "--out", out, "--key", key, "--version", version];
    good(dir, &[&args[..], &fixed[..]].concat())
}

/// A running `ota serve`; ended when dropped.
pub(crate) struct Server {
    child: Child,
    events: Receiver<Value>,
    /// The first line it printed.
    pub(crate) ready: String,
    pub(crate) mqtt: u16,
    pub(crate) http: u16,
}

impl Server {
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        let mut command = ota();
        command.args(["--json", "serve", "--mqtt-port", "0", "--http-port", "0"]).arg(dir).args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        let port = |key: &str| {
            let word = ready.split(' ').find_map(|w| w.strip_prefix(key)).unwrap();
            word.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        assert!(ready.starts_with("READY mqtt="), "{ready}");
        let (sender, events) = channel();
        let (mqtt, http) = (port("mqtt="), port("http="));
        let server = Self { mqtt, http, ready, child, events };
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        server
    }

    /// The port of CoAP.
    pub(crate) fn coap(&self) -> u16 {
        let word = self.ready.split(' ').find_map(|word| word.strip_prefix("coap=")).expect("it speaks CoAP");
        word.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The next event of a kind.
    pub(crate) fn event(&self, kind: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let event = self.events.recv_timeout(end.saturating_duration_since(Instant::now()));
            let event = event.unwrap_or_else(|_| panic!("no event `{kind}`"));
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Ends it like a power cut.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", path, headers, b"")
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path, &[]).body).unwrap()
    }

    pub(crate) fn offer(&self, body: &Value) -> (u16, Value) {
        let headers = [("Content-Type", "application/json")];
        let response = self.request("POST", "/api/offer", &headers, body.to_string().as_bytes());
        (response.status, serde_json::from_slice(&response.body).unwrap())
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut stream = self.open(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Response::parse(&bytes)
    }

    /// Sends a request; the answer is left to be read.
    pub(crate) fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: 127.0.0.1:{}\r\n", self.http);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a complete head");
        let head = text(&bytes[..end]);
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
        Self { status, headers: lines.filter_map(pair).collect(), body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A fresh directory that is removed with the returned guard.
pub(crate) fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}
