//! Builds, told as they go: they are the longest part of most chores.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two looks at a terminal, and between two lines in a log.
const TURNS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];
/// A build that takes less is not worth a line.
const SHORT: Duration = Duration::from_secs(2);

/// Runs a cargo command that builds `what`, and shows on standard error what it compiles and how long that has taken.
/// An error shows all that cargo said.
pub(crate) fn build(what: &str, cargo: &mut Command) -> Result<()> {
    cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = cargo.spawn().with_context(|| format!("cannot start {cargo:?}"))?;
    let said = child.stderr.take().context("the builder has no standard error")?;
    let (tell, told) = channel();
    std::thread::spawn(move || {
        // Ends with the child, or when nobody listens any more.
        let _ = BufReader::new(said).lines().map_while(Result::ok).try_for_each(|line| tell.send(line));
    });
    let (mut log, mut show) = (String::new(), Show::new(what));
    loop {
        match told.recv_timeout(TURNS[0]) {
            Ok(line) => {
                show.take(&line);
                log.extend([&line, "\n"]);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        show.turn();
    }
    let status = child.wait().with_context(|| format!("lost {cargo:?}"))?;
    show.end();
    if status.success() { Ok(()) } else { bail!("{cargo:?} ended with {status}\n{log}") }
}

/// What is shown of a build.
struct Show<'w> {
    what: &'w str,
    begin: Instant,
    next: Instant,
    terminal: bool,
    packages: u32,
    now: String,
}

impl<'w> Show<'w> {
    fn new(what: &'w str) -> Self {
        let (begin, terminal) = (Instant::now(), std::io::stderr().is_terminal());
        let next = begin + TURNS[usize::from(!terminal)];
        Self { what, begin, next, terminal, packages: 0, now: "cargo".to_owned() }
    }

    fn take(&mut self, line: &str) {
        if let Some(package) = package(line) {
            self.packages += 1;
            self.now = package.to_owned();
        } else if line.trim_start().starts_with("Blocking") {
            self.now = "waiting for another cargo".to_owned();
        }
    }

    fn turn(&mut self) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + TURNS[usize::from(!self.terminal)];
        let Self { what, packages, now, .. } = self;
        let seconds = self.begin.elapsed().as_secs();
        let text = format!("building {what}: {seconds} s, {packages} packages, {now}");
        if self.terminal { eprint!("\r\x1B[K{text}") } else { eprintln!("{text}") }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1B[K");
        }
        let took = self.begin.elapsed();
        if took >= SHORT {
            eprintln!("built {} in {:.1} s", self.what, took.as_secs_f32());
        }
    }
}

/// The package that a line of cargo says it compiles.
fn package(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("Compiling ")?.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_read_from_the_line() {
        assert_eq!(package("   Compiling ota-hal v0.1.0 (crates/ota-hal)"), Some("ota-hal"));
        assert_eq!(package("    Finished `demo` profile in 3 s"), None);
        let mut show = Show::new("x");
        ["   Compiling a v1", "   Compiling b v1", "warning: c"].iter().for_each(|line| show.take(line));
        assert_eq!((show.packages, show.now.as_str()), (2, "b"));
        show.take("    Blocking waiting for file lock on build directory");
        assert_eq!(show.now, "waiting for another cargo");
    }

    #[test]
    fn a_build_that_fails_says_everything() {
        let script = |text: &str| build("x", Command::new("sh").args(["-c", text]));
        assert!(script("echo Compiling >&2").is_ok());
        let error = script("echo first >&2; echo last >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("first\nlast\n") && error.contains('3'), "{error}");
    }
}
