//! A program that runs beside us: its output line by line, its input, and its end.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

static SHOWN: AtomicBool = AtomicBool::new(false);

/// Lines that begin with this are not shown: a board prints one for each piece of a download.
pub(crate) const QUIET: &str = "got ";

/// Whether what programs print is shown as it comes.
pub(crate) fn show(yes: bool) {
    SHOWN.store(yes, Ordering::Relaxed);
}

/// A running program. Dropping it kills it (SIGKILL), as a power cut would.
pub(crate) struct Proc {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
    /// Lines before this one were already waited for.
    seen: usize,
}

/// What a program has printed, also after its end.
pub(crate) struct Tape(Arc<Output>);

impl Tape {
    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lines.lock().expect("no thread panics with the lines").clone()
    }
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Proc {
    /// Starts `command`; `name` is for messages.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let output = Arc::new(Output::default());
        let pipes: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|p| Box::new(p) as _), child.stderr.take().map(|p| Box::new(p) as _)];
        for pipe in pipes.into_iter().flatten() {
            let (output, name) = (Arc::clone(&output), name.to_owned());
            std::thread::spawn(move || output.collect(&name, pipe));
        }
        Ok(Self { name: name.to_owned(), stdin: child.stdin.take(), child, output, seen: 0 })
    }

    /// Waits for a line that contains `text`, among those after the last one waited for.
    pub(crate) fn wait_for(&mut self, text: &str, within: Duration) -> Result<String> {
        self.wait_until(&format!("“{text}”"), within, |line| line.contains(text))
    }

    /// Waits for a line that `wanted` accepts.
    pub(crate) fn wait_until(&mut self, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        if let Some(line) = self.look_for(within, wanted) {
            return Ok(line);
        }
        let lines = self.tape().lines();
        let said: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.starts_with(QUIET)).collect();
        let tail = said[said.len().saturating_sub(15)..].join("\n  ");
        bail!("{}: {what} did not come within {within:?}; it said last:\n  {tail}", self.name);
    }

    /// The next line that `wanted` accepts, if it comes in time. Lines before it are not looked at again.
    pub(crate) fn look_for(&mut self, within: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + within;
        let mut lines = self.output.lines.lock().expect("no thread panics with the lines");
        loop {
            while let Some(line) = lines.get(self.seen) {
                self.seen += 1;
                if wanted(line) {
                    return Some(line.clone());
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            lines = self.output.grown.wait_timeout(lines, left).expect("no thread panics with the lines").0;
        }
    }

    /// Waits until it has said nothing for this long, but not for ever. What it says meanwhile is still to be waited for.
    pub(crate) fn wait_for_silence(&self, silence: Duration) {
        const ROUNDS: u32 = 20;
        for _ in 0..ROUNDS {
            let lines = self.output.lines.lock().expect("no thread panics with the lines");
            let waited = self.output.grown.wait_timeout(lines, silence).expect("no thread panics with the lines");
            if waited.1.timed_out() {
                return;
            }
        }
    }

    /// What it prints.
    pub(crate) fn tape(&self) -> Tape {
        Tape(Arc::clone(&self.output))
    }

    /// What it said last.
    pub(crate) fn last_line(&self) -> String {
        let lines = self.tape().lines();
        lines.into_iter().rev().find(|line| !line.starts_with(QUIET)).unwrap_or_default()
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the program's input is closed")?;
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).with_context(|| format!("{} takes no input", self.name))
    }

    /// Kills it at once and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn collect(&self, name: &str, pipe: impl Read) {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if SHOWN.load(Ordering::Relaxed) && !line.starts_with(QUIET) {
                println!("      {name}: {line}");
            }
            self.lines.lock().expect("no thread panics with the lines").push(line);
            self.grown.notify_all();
        }
    }
}
