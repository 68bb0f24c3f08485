//! The far end of the UART, for tests.
#![allow(dead_code, reason = "each test program uses its own part")]

use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody at a terminal.
pub(crate) struct Terminal {
    lines: BufReader<UnixStream>,
}

impl Terminal {
    /// Connects as soon as the board listens.
    pub(crate) fn connect(path: &Path) -> Self {
        let until = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(e) => assert!(Instant::now() < until, "no UART: {e}"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { lines: BufReader::new(stream) }
    }
    /// Types a line.
    pub(crate) fn say(&mut self, text: &str) {
        // A program's first words may come before its input is connected, as with a debug probe on a real UART.
        std::thread::sleep(std::time::Duration::from_millis(150));
        self.lines.get_mut().write_all(format!("{text}\n").as_bytes()).unwrap();
    }
    /// The next line that holds `what`. A device that resets again and again must not keep a test waiting for ever.
    pub(crate) fn expect(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "{what:?} did not come");
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the UART closed before {what:?}");
            if line.contains(what) {
                return line;
            }
        }
    }
    /// The greeting of a probe other than `last`: a stranger's word makes one repeat its own.
    pub(crate) fn greeting(&mut self, last: Option<Pid>) -> Pid {
        loop {
            let pid = pid_of(&self.expect("probe: slot"));
            if last != Some(pid) {
                return pid;
            }
        }
    }
}

/// The process that greeted as `probe: ... pid N`.
pub(crate) fn pid_of(greeting: &str) -> Pid {
    Pid::from_raw(greeting.trim().rsplit(' ').next().unwrap().parse().unwrap())
}
