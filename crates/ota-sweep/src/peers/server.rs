//! A server that delivers an object.

use super::yield_once;
use ota_download::{Failure, Opened, Request, Source, SourceError, Validator};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// How the next opening goes.
#[derive(Debug, Clone)]
pub enum Opening {
    /// It works, until the other side stops with an error after so many bytes.
    Breaks(u32),
    /// It works, until the other side falls silent after so many bytes.
    Stalls(u32),
    /// It fails.
    Fails(Failure),
    /// It fails, but not before the device has looked at its messages.
    FailsLate(Failure),
    /// No answer at all.
    Hangs,
    /// The body ends after so many bytes as if it were complete.
    Ends(u32),
    /// Before it, the object is replaced.
    Replaced(Vec<u8>, &'static str),
}

/// Where a server's object is at first.
pub const LOCATOR: &str = "http://cloud/object";

/// A server with one object.
#[derive(Default)]
pub struct Server {
    /// The object.
    pub object: RefCell<Vec<u8>>,
    /// Its validator.
    pub etag: RefCell<String>,
    /// Where the object is; asking elsewhere fails the test, unless it [is lenient](Server::lenient).
    pub locator: RefCell<String>,
    /// Nothing is to be had elsewhere, and asking there is no mistake.
    pub lenient: Cell<bool>,
    /// Answers every range with the whole object.
    pub no_ranges: Cell<bool>,
    /// Does not say how long the object is.
    pub no_length: Cell<bool>,
    /// Goes on after the end.
    pub endless: Cell<bool>,
    /// How the next openings go; by itself each one works.
    pub script: RefCell<VecDeque<Opening>>,
    /// Offset of each opening, and how many bytes it delivered.
    pub log: RefCell<Vec<(u32, u32)>>,
    /// How often a connection was closed.
    pub closed: Cell<u32>,
    /// Most bytes of one read.
    pub chunk: Cell<usize>,
}

impl Server {
    /// A server that holds `object`.
    pub fn of(object: Vec<u8>) -> Self {
        let server = Self { chunk: Cell::new(usize::MAX), ..Self::default() };
        server.put(object, "\"1\"");
        server.locator.replace(LOCATOR.into());
        server
    }
    /// Replaces the object.
    pub fn put(&self, object: Vec<u8>, etag: &str) {
        *self.object.borrow_mut() = object;
        *self.etag.borrow_mut() = etag.into();
    }
    /// Nothing goes wrong from now on.
    pub fn is_well(&self) {
        self.script.borrow_mut().clear();
        for wrong in [&self.no_ranges, &self.no_length, &self.endless] {
            wrong.set(false);
        }
    }
    /// Bytes delivered.
    pub fn served(&self) -> u32 {
        self.log.borrow().iter().map(|(_, n)| n).sum()
    }
    /// Where each opening began.
    pub fn offsets(&self) -> Vec<u32> {
        self.log.borrow().iter().map(|(at, _)| *at).collect()
    }
}

/// The scripted fault.
#[derive(Debug)]
pub struct Broken(pub Failure);
impl SourceError for Broken {
    fn failure(&self) -> Failure {
        self.0
    }
    fn text(&self) -> &'static str {
        "scripted fault"
    }
}
const AGAIN: Broken = Broken(Failure::Retry { after_ms: 0 });

/// One device's connection to the server.
pub struct Download<'w> {
    server: &'w Server,
    /// Next byte, one past the last, and the fault to come after so many further bytes.
    open: Option<(u32, u32)>,
    fault: Option<(Opening, u32)>,
}

impl<'w> Download<'w> {
    /// Not connected yet.
    pub fn new(server: &'w Server) -> Self {
        Self { server, open: None, fault: None }
    }
}

impl Source for Download<'_> {
    type Error = Broken;

    fn refuses(locator: &str) -> Option<&'static str> {
        (!locator.starts_with("http://")).then_some("not served here")
    }

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Broken> {
        let s = self.server;
        self.open = None;
        self.fault = None;
        let script = s.script.borrow_mut().pop_front();
        match script {
            Some(Opening::Fails(failure)) => return Err(Broken(failure)),
            Some(Opening::FailsLate(failure)) => {
                yield_once().await;
                return Err(Broken(failure));
            }
            Some(Opening::Hangs) => core::future::pending::<()>().await,
            Some(Opening::Replaced(object, etag)) => s.put(object, etag),
            Some(fault @ (Opening::Breaks(n) | Opening::Stalls(n) | Opening::Ends(n))) => self.fault = Some((fault, n)),
            None => {}
        }
        if s.lenient.get() && request.locator != *s.locator.borrow() {
            return Err(Broken(Failure::Permanent));
        }
        assert_eq!(request.locator, *s.locator.borrow());
        let total = s.object.borrow().len() as u32;
        let etag = s.etag.borrow();
        let changed = !request.validator.is_empty() && request.validator != etag.as_bytes();
        if request.offset > total {
            return Err(Broken(Failure::Restart));
        }
        let whole = changed || s.no_ranges.get();
        let offset = if whole { 0 } else { request.offset };
        let end = if whole { total } else { request.end.unwrap_or(total).min(total) };
        self.open = Some((offset, end));
        s.log.borrow_mut().push((offset, 0));
        let validator = Validator::from_slice(etag.as_bytes()).unwrap();
        Ok(Opened { offset, total: (!s.no_length.get()).then_some(total), validator })
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Broken> {
        let s = self.server;
        let (at, end) = self.open.ok_or(AGAIN)?;
        let mut n = bytes.len().min(s.chunk.get());
        match &mut self.fault {
            Some((fault, 0)) => match fault {
                Opening::Stalls(_) => core::future::pending().await,
                Opening::Ends(_) => return Ok(0),
                _ => return Err(AGAIN),
            },
            Some((_, left)) => {
                n = n.min(*left as usize);
                *left -= n as u32;
            }
            None => {}
        }
        let object = s.object.borrow();
        let have = if s.endless.get() { n } else { n.min((end - at) as usize) };
        for (i, byte) in bytes[..have].iter_mut().enumerate() {
            *byte = object.get(at as usize + i).copied().unwrap_or(0xEE);
        }
        self.open = Some((at + have as u32, end));
        s.log.borrow_mut().last_mut().unwrap().1 += have as u32;
        Ok(have)
    }

    async fn close(&mut self) {
        self.open = None;
        self.server.closed.set(self.server.closed.get() + 1);
    }
}
