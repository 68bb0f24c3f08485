//! The far end of the UART, for tests.
#![allow(dead_code, reason = "each test program uses its own part")]

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
        self.lines.get_mut().write_all(format!("{text}\n").as_bytes()).unwrap();
    }
    /// The next line that holds `what`.
    pub(crate) fn expect(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the UART closed before {what:?}");
            if line.contains(what) {
                return line;
            }
        }
    }
}

/// The process that greeted as `probe: ... pid N`.
pub(crate) fn pid_of(greeting: &str) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(greeting.trim().rsplit(' ').next().unwrap().parse().unwrap())
}
