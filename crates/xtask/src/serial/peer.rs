//! The other side of the line: offers files, hands out their bytes, takes reports, and notes what the device prints.

use super::frame::{Item, Parser, encode};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const EVENTS: u8 = 1;
const REPORT: u8 = 2;
const OPEN: u8 = 3;
const READ: u8 = 4;
const ANSWER: u8 = 0x80;

const DONE: u8 = 0;
const NO_FILE: u8 = 1;
const GONE: u8 = 2;
const NOT_UNDERSTOOD: u8 = 3;
const EVENT_WAITS: u8 = 0x80;

/// What the device said: a line, or a report.
type Said = String;
type Tag = [u8; 8];

/// What the peer knows; it outlives the device's power.
#[derive(Default)]
pub(crate) struct Peer {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    /// With what tells each content from any other.
    files: BTreeMap<String, (Tag, Vec<u8>)>,
    events: VecDeque<(u8, Vec<u8>)>,
    numbered: u8,
    said: Vec<Said>,
    seen: usize,
    traffic: Traffic,
    /// One answer in so many is lost or damaged; 0 for none.
    noise: u32,
    answers: u32,
    show: bool,
}

/// What went over the line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) requests: u32,
    pub(crate) file_bytes: u32,
    pub(crate) spoilt: u32,
}

impl Peer {
    /// A peer that shows what the device says, if wanted.
    pub(crate) fn new(show: bool) -> Arc<Self> {
        let peer = Self::default();
        peer.lock().show = show;
        Arc::new(peer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the state")
    }

    /// Serves a device until its line is closed.
    pub(crate) fn serve(self: &Arc<Self>, mut line: TcpStream) -> Result<()> {
        line.set_nodelay(true)?;
        let peer = Arc::clone(self);
        std::thread::spawn(move || {
            let (mut parser, mut bytes) = (Parser::default(), [0; 512]);
            while let Ok(n @ 1..) = line.read(&mut bytes) {
                let mut items = Vec::new();
                bytes[..n].iter().for_each(|byte| parser.push(*byte, &mut items));
                let answers = items.into_iter().filter_map(|item| peer.take(item));
                // A device without power hears nothing.
                let _ = line.write_all(&answers.collect::<Vec<_>>().concat());
            }
        });
        Ok(())
    }

    fn take(&self, item: Item) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let answer = match item {
            Item::Line(line) => {
                state.say(line);
                None
            }
            Item::Frame { kind, sequence, payload } => {
                let answer = state.answer(kind, &payload);
                state.spoil(encode(kind | ANSWER, sequence, &answer))
            }
        };
        self.grown.notify_all();
        answer
    }

    /// Puts a file there.
    pub(crate) fn put(&self, name: &str, content: Vec<u8>) {
        self.lock().files.insert(name.to_owned(), (tag(&content), content));
    }

    /// Offers a file.
    pub(crate) fn offer(&self, name: &str, version: &str) -> Result<()> {
        let mut state = self.lock();
        let (_, file) = state.files.get(name).with_context(|| format!("{name} is not there"))?;
        let mut body = vec![1];
        body.extend(u32::try_from(file.len())?.to_le_bytes());
        body.extend(Sha256::digest(file));
        body.push(u8::try_from(version.len())?);
        body.extend(version.bytes().chain(name.bytes()));
        state.numbered = state.numbered.checked_add(1).unwrap_or(1);
        let number = state.numbered;
        state.events.push_back((number, body));
        Ok(())
    }

    /// Loses or damages one answer in `n` from now on; 0 for none.
    pub(crate) fn noise(&self, n: u32) {
        self.lock().noise = n;
    }

    /// What went over the line since the last call.
    pub(crate) fn traffic(&self) -> Traffic {
        std::mem::take(&mut self.lock().traffic)
    }

    /// Looks only at what is said from now on.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.seen = state.said.len();
    }

    /// What was said last.
    pub(crate) fn last(&self) -> Said {
        self.lock().said.last().cloned().unwrap_or_default()
    }

    /// Waits for something that contains `text`, said after what was waited for last.
    pub(crate) fn wait_for(&self, text: &str, within: Duration) -> Result<Said> {
        if let Some(said) = self.look_for(|said| said.contains(text), within) {
            return Ok(said);
        }
        let state = self.lock();
        let tail = state.said[state.said.len().saturating_sub(15)..].join("\n  ");
        bail!("“{text}” did not come within {within:?}; the device said last:\n  {tail}")
    }

    /// The next thing said that `wanted` accepts, if it comes in time.
    pub(crate) fn look_for(&self, wanted: impl Fn(&str) -> bool, within: Duration) -> Option<Said> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            while let Some(said) = state.said.get(state.seen).cloned() {
                state.seen += 1;
                if wanted(&said) {
                    return Some(said);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.grown.wait_timeout(state, left).expect("no thread panics with the state").0;
        }
    }
}

impl State {
    fn say(&mut self, said: String) {
        if self.show {
            println!("      device: {said}");
        }
        self.said.push(said);
    }

    fn answer(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        self.traffic.requests += 1;
        let (status, body) = match (kind, payload) {
            (EVENTS, [taken]) => (DONE, self.event(*taken)),
            (REPORT, [what, value, text @ ..]) => {
                self.report(*what, *value, &String::from_utf8_lossy(text));
                (DONE, Vec::new())
            }
            (OPEN, name) => self.open(name),
            (READ, request) => self.read(request).unwrap_or((NOT_UNDERSTOOD, Vec::new())),
            _ => (NOT_UNDERSTOOD, Vec::new()),
        };
        let waits = if self.events.is_empty() { 0 } else { EVENT_WAITS };
        [&[status | waits], &body[..]].concat()
    }

    fn event(&mut self, taken: u8) -> Vec<u8> {
        if self.events.front().is_some_and(|(number, _)| *number == taken) {
            self.events.pop_front();
        }
        self.events.front().map_or(vec![0, 0], |(number, body)| [&[*number], &body[..]].concat())
    }

    fn report(&mut self, what: u8, value: u8, text: &str) {
        match what {
            1 => self.say(format!("report: version {text}")),
            2 => self.say(format!("report: progress {value}")),
            _ => self.say(format!("report: failed at stage {value}: {text}")),
        }
    }

    fn open(&self, name: &[u8]) -> (u8, Vec<u8>) {
        let file = std::str::from_utf8(name).ok().and_then(|name| self.files.get(name));
        let Some((tag, file)) = file else { return (NO_FILE, Vec::new()) };
        let size = u32::try_from(file.len()).unwrap_or(u32::MAX);
        (DONE, [&size.to_le_bytes()[..], tag].concat())
    }

    fn read(&mut self, request: &[u8]) -> Option<(u8, Vec<u8>)> {
        let (wanted, rest) = request.split_first_chunk::<8>()?;
        let (offset, [len]) = rest.split_first_chunk::<4>()? else { return None };
        let Some((_, file)) = self.files.values().find(|(tag, _)| tag == wanted) else {
            return Some((GONE, Vec::new()));
        };
        let offset = u32::from_le_bytes(*offset) as usize;
        let bytes = file.get(offset..offset.checked_add(usize::from(*len))?)?.to_vec();
        self.traffic.file_bytes += u32::from(*len);
        Some((DONE, bytes))
    }

    /// The line: now and then it loses an answer, or damages one.
    fn spoil(&mut self, mut answer: Vec<u8>) -> Option<Vec<u8>> {
        self.answers += 1;
        if self.noise == 0 || !self.answers.is_multiple_of(self.noise) {
            return Some(answer);
        }
        self.traffic.spoilt += 1;
        if (self.answers / self.noise).is_multiple_of(2) {
            return None;
        }
        let middle = answer.len() / 2;
        answer[middle] ^= 0x40;
        Some(answer)
    }
}

/// What tells this content from any other.
fn tag(file: &[u8]) -> Tag {
    let digest = Sha256::digest(file);
    std::array::from_fn(|n| digest[n])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_repeated_until_it_was_taken() {
        let peer = Peer::new(false);
        peer.put("a.ota", vec![1, 2, 3]);
        peer.offer("a.ota", "1.1.0").unwrap();
        assert!(peer.offer("b.ota", "1.1.0").is_err());
        let mut state = peer.lock();
        let first = state.answer(EVENTS, &[0]);
        assert_eq!((first[0], first[1], first[2]), (EVENT_WAITS, 1, 1));
        assert!(first.ends_with(b"\x051.1.0a.ota"));
        assert_eq!(state.answer(EVENTS, &[0]), first);
        assert_eq!(state.answer(EVENTS, &[1]), [DONE, 0, 0]);
    }

    #[test]
    fn bytes_come_only_of_the_content_that_was_opened() {
        let peer = Peer::new(false);
        peer.put("a.ota", (0..100).collect());
        let mut state = peer.lock();
        assert_eq!(state.answer(OPEN, b"b.ota"), [NO_FILE]);
        let opened = state.answer(OPEN, b"a.ota");
        assert_eq!(opened[..5], [DONE, 100, 0, 0, 0]);
        let read = |offset: u32, len: u8| [&opened[5..], &offset.to_le_bytes(), &[len]].concat();
        assert_eq!(state.answer(READ, &read(98, 2)), [DONE, 98, 99]);
        assert_eq!(state.answer(READ, &read(98, 3)), [NOT_UNDERSTOOD]);
        assert_eq!(state.answer(READ, &read(u32::MAX, 3)), [NOT_UNDERSTOOD]);
        state.files.insert("a.ota".into(), (tag(&[7]), vec![7; 100]));
        assert_eq!(state.answer(READ, &read(0, 2)), [GONE]);
        assert_eq!(state.answer(READ, b""), [NOT_UNDERSTOOD]);
    }
}
