//! The two other sides: a server that delivers an object, and a cloud that offers and listens. Both follow a script.

use ota_download::{Failure, Opened, Request, Source, SourceError, Validator};
use ota_transport::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report, Transport};
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
    /// Where the object is; asking elsewhere fails the test.
    pub locator: RefCell<String>,
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

async fn yield_once() {
    let mut waited = false;
    core::future::poll_fn(|_| match core::mem::replace(&mut waited, true) {
        true => core::task::Poll::Ready(()),
        false => core::task::Poll::Pending,
    })
    .await;
}

/// A message to the device.
#[derive(Debug, Clone)]
pub enum Say {
    /// An offer.
    Offer(OwnedOffer),
    /// A call to give the update up.
    Cancel,
    /// A message that the codec refused.
    Bad(OfferError),
}

/// An offer that owns its texts.
#[derive(Debug, Clone)]
pub struct OwnedOffer {
    /// The version it names.
    pub version: String,
    /// Where the object is.
    pub url: String,
    /// The component; empty for the firmware.
    pub module: String,
    /// Length of the object.
    pub size: Option<u32>,
    /// Digest of the object.
    pub checksum: Option<Checksum>,
    /// The signature of the cloud.
    pub cloud_signature: Vec<u8>,
}

/// The other end of offers and reports.
#[derive(Default)]
pub struct Cloud {
    /// What the device will be told.
    pub to_device: RefCell<VecDeque<Say>>,
    /// What the device reported, as text.
    pub heard: RefCell<Vec<String>>,
    /// So many of the next reports arrive and are acknowledged, whatever [`Cloud::deaf`] says.
    pub hears: Cell<u32>,
    /// So many of the next reports are not acknowledged.
    pub deaf: Cell<u32>,
    /// So many polls of the driver it takes to send the progress of a download under way.
    pub slow: Cell<u32>,
    /// Reports whose text begins so cannot be written.
    pub unwritable: RefCell<String>,
    /// Links that were lost although the test did not end them.
    pub lost: Cell<u32>,
    /// Reports that arrived, whether acknowledged or not.
    pub arrived: Cell<u32>,
}

impl Cloud {
    /// The failures among what was reported.
    pub fn failures(&self) -> Vec<String> {
        self.heard.borrow().iter().filter(|text| text.starts_with("failed")).cloned().collect()
    }
    /// Whether exactly this was reported.
    pub fn has_heard(&self, text: &str) -> bool {
        self.heard.borrow().iter().any(|heard| heard == text)
    }
}

/// One device's connection to the cloud. `quit` ends it: the test has seen enough, or the power is off.
pub struct Session<'w, Q> {
    /// The cloud.
    pub cloud: &'w Cloud,
    /// Whether the session is to end.
    pub quit: Q,
}

/// Why a report did not go out.
#[derive(Debug)]
pub enum Failed {
    /// The link is lost.
    Link,
    /// This report can never be sent.
    Report,
}

impl<Q: FnMut() -> bool> Transport for Session<'_, Q> {
    type Error = Failed;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, Failed> {
        if (self.quit)() {
            return Err(Failed::Link);
        }
        let next = self.cloud.to_device.borrow_mut().pop_front();
        match next {
            Some(Say::Cancel) => Ok(Event::Cancel),
            Some(Say::Bad(error)) => Ok(Event::Bad(error)),
            Some(Say::Offer(offer)) => Ok(Event::Offer(offer.lay(buf))),
            None => core::future::pending().await,
        }
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), Failed> {
        if (self.quit)() {
            return Err(Failed::Link);
        }
        let unwritable = self.cloud.unwritable.borrow().clone();
        if !unwritable.is_empty() && text(report).starts_with(&unwritable) {
            return Err(Failed::Report);
        }
        if matches!(report, Report::Progress { percent: 1..100, .. }) {
            for _ in 0..self.cloud.slow.get() {
                yield_once().await;
            }
        }
        self.cloud.arrived.set(self.cloud.arrived.get() + 1);
        if let Some(left) = self.cloud.hears.get().checked_sub(1) {
            self.cloud.hears.set(left);
        } else if let Some(left) = self.cloud.deaf.get().checked_sub(1) {
            self.cloud.deaf.set(left);
            return Err(Failed::Link);
        }
        self.cloud.heard.borrow_mut().push(text(report));
        Ok(())
    }

    fn is_permanent(&self, error: &Failed) -> bool {
        matches!(error, Failed::Report)
    }
}

fn text(report: &Report<'_>) -> String {
    let name = |c: &Component<'_>| if c.module.is_empty() { String::new() } else { format!("{} ", c.module) };
    match report {
        Report::Version { component, version } => format!("version {}{version}", name(component)),
        Report::Progress { component, percent } => format!("progress {}{percent}", name(component)),
        Report::Failed { component, stage, text } => {
            let code = match stage {
                FailStage::Upgrade => -1,
                FailStage::Download => -2,
                FailStage::Verify => -3,
                FailStage::Burn => -4,
            };
            format!("failed {}{code} {text}", name(component))
        }
        Report::Query { .. } => "query".into(),
        Report::Tag { key, value } => format!("tag {key} {value}"),
    }
}

impl OwnedOffer {
    /// An offer of `object`.
    pub fn new(version: &str, object: &[u8]) -> Self {
        Self {
            version: version.into(),
            url: LOCATOR.into(),
            module: String::new(),
            size: Some(object.len() as u32),
            checksum: Some(Checksum::Sha256(super::build::sha256(object))),
            cloud_signature: vec![],
        }
    }

    /// The offer as the agent sees it.
    pub fn view(&self) -> Offer<'_> {
        Offer {
            component: Component { device: 0, module: &self.module },
            version: &self.version,
            size: self.size,
            locator: Locator::Url(&self.url),
            checksum: self.checksum,
            cloud_signature: &self.cloud_signature,
            delta: false,
        }
    }

    /// In the receiver's buffer, as a driver would.
    pub fn lay<'b>(&self, buf: &'b mut [u8]) -> Offer<'b> {
        let (version, rest) = put(buf, self.version.as_bytes());
        let (url, rest) = put(rest, self.url.as_bytes());
        let (module, rest) = put(rest, self.module.as_bytes());
        let (cloud_signature, _) = put(rest, &self.cloud_signature);
        let utf8 = |bytes| core::str::from_utf8(bytes).unwrap();
        Offer {
            component: Component { device: 0, module: utf8(module) },
            version: utf8(version),
            locator: Locator::Url(utf8(url)),
            cloud_signature,
            ..self.view_without_texts()
        }
    }
    fn view_without_texts(&self) -> Offer<'static> {
        Offer {
            component: Component::default(),
            version: "",
            size: self.size,
            locator: Locator::Url(""),
            checksum: self.checksum,
            cloud_signature: &[],
            delta: false,
        }
    }
}

fn put<'b>(buf: &'b mut [u8], bytes: &[u8]) -> (&'b [u8], &'b mut [u8]) {
    let (place, rest) = buf.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    (place, rest)
}
