//! The driver: reports out, offers in, over one socket.

mod report;

use super::offers::{Ask, Offers, Progress};
use super::{CoapConfig, CoapError, Dialect, PATH_MAX};
use crate::linkkit::decode::decode_payload;
use crate::{Component, Event, OfferError, Report, Transport};
use ota_coap::{Arrived, Code, Datagram, DriveError, Failure, Line, Message, Notice, Szx, observe, option};
use ota_hal::{Entropy, Millis, Timer};

/// Room that a response has beside its block: header, token, entity tag, observation, block, size, age, and some spare.
const HEADROOM: usize = 64;
/// Block and size options behind a path.
const TAIL: usize = 12;
/// The number of `application/json`.
const JSON: u32 = 50;
const FOREVER: Millis = Millis(u64::MAX);
const QUERY: Report<'static> = Report::Query { component: Component { device: 0, module: "" } };

/// What the open request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Report,
    /// The offers, or their first block.
    First,
    /// A further block of them.
    Block,
}

/// The driver: lives as long as one socket.
///
/// # Cancellation
/// As [`Transport`] demands. A request that was on its way when `recv` was dropped stays open, and the next `recv` goes on
/// with it; a report in between takes its place, and it is made again afterwards.
///
/// # Examples
/// ```
/// use ota_coap::Datagram;
/// use ota_hal::{Entropy, Timer};
/// use ota_transport::coap::{Coap, CoapConfig, Plain, SCRATCH};
/// use ota_transport::linkkit::Identity;
/// use ota_transport::{Component, Report, Transport};
///
/// async fn run(socket: impl Datagram, timer: impl Timer, mut chance: impl Entropy) {
///     let device = Identity::new("a1B2c3D4e5F", "lamp-7").unwrap();
///     let dialect = Plain::new(&device, &mut chance);
///     let (mut scratch, mut body) = ([0; SCRATCH], [0; 4096]);
///     let mut coap = Coap::new(socket, timer, chance, dialect, (&mut scratch, &mut body), CoapConfig::default());
///     let report = Report::Version { component: Component::default(), version: "1.0.0" };
///     if coap.send(&report).await.is_ok() {
///         let mut buf = [0; 4096];
///         let event = coap.recv(&mut buf).await; // may be dropped at any time
///         # let _ = event;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Coap<'d, S, T, E, D> {
    socket: S,
    timer: T,
    entropy: E,
    dialect: D,
    config: CoapConfig,
    line: Line,
    scratch: &'d mut [u8],
    /// Length of the open request, at the front of the scratch buffer; what comes in lies behind it.
    request: usize,
    open: Open,
    offers: Offers<'d>,
    /// A report was answered, or will never be taken.
    heard: bool,
}

type Result<T, S> = core::result::Result<T, CoapError<<S as Datagram>::Error>>;

impl<'d, S: Datagram, T: Timer, E: Entropy, D: Dialect> Coap<'d, S, T, E, D> {
    /// A driver over a socket that is connected to the server. Sends nothing yet. `scratch` and `body` are the buffers of
    /// the module's page.
    pub fn new(
        socket: S,
        timer: T,
        mut entropy: E,
        dialect: D,
        (scratch, body): (&'d mut [u8], &'d mut [u8]),
        config: CoapConfig,
    ) -> Self {
        let line = Line::new(config.exchange, &mut entropy);
        let (offers, open) = (Offers::new(body), Open::Nothing);
        Self { socket, timer, entropy, dialect, config, line, scratch, request: 0, open, offers, heard: false }
    }

    /// Carries the open request on, or waits for a notification, until `until`.
    async fn next(&mut self, until: Millis) -> Result<Option<Arrived>, S> {
        let (request, rest) = self.scratch.split_at_mut_checked(self.request).ok_or(CoapError::Room)?;
        let arrived = self.line.next(&mut self.socket, &self.timer, request, rest, until).await;
        arrived.map_err(|error| match error {
            DriveError::Link(error) => CoapError::Link(error),
            DriveError::Exchange(failure) => CoapError::Exchange(failure),
            _ => CoapError::Oversize,
        })
    }

    /// Lets go of whatever request is open, so that another one can be. What it was to bring is asked for again.
    fn clear(&mut self) {
        // What is still to be told may be a notification, beside a report too: it was acknowledged, and does not come again.
        let unread = D::OBSERVED && self.line.is_busy();
        if unread || matches!(self.open, Open::First | Open::Block) {
            self.offers.ask_again();
        }
        if self.line.is_busy() {
            self.line.reset();
        }
        self.closed();
    }

    const fn closed(&mut self) {
        self.open = Open::Nothing;
        self.request = 0;
    }

    /// Opens a GET of the offers, or of their next block.
    fn open_get(&mut self, first: bool) -> Result<(), S> {
        let mut path = [0; PATH_MAX];
        let path = self.dialect.offers(&mut path)?;
        let (now, endpoint) = (self.timer.now(), self.line.endpoint());
        let opening = match self.offers.token().filter(|_| first) {
            Some(token) => endpoint.begin_as(now, true, token, &mut self.entropy),
            None => endpoint.begin(now, true, &mut self.entropy),
        };
        let opening = opening.map_err(|_| CoapError::Room)?;
        let (room, token) = (self.scratch.len(), opening.token());
        let mut message = opening.encode(self.scratch, Code::GET);
        if first {
            message.uint(option::OBSERVE, observe::REGISTER);
        }
        message.path(path);
        if first {
            let room = room.saturating_sub(message.mark().len() + TAIL + HEADROOM);
            self.offers.begin(token, Szx::fitting(room))?;
        }
        if let Some(download) = self.offers.download() {
            download.write(&mut message);
        }
        match message.finish(b"") {
            Ok(len) => self.request = len,
            Err(_) => {
                self.line.reset();
                return Err(CoapError::Room);
            }
        }
        Ok(())
    }

    /// Opens what is due; until when to wait for it, or for something to become due.
    fn listen(&mut self) -> Result<Millis, S> {
        // A notification that was not told yet lies where a request would be written.
        if self.open != Open::Nothing || self.line.is_busy() {
            return Ok(FOREVER);
        }
        let (open, first) = match self.offers.progress(self.timer.now()) {
            _ if !self.heard => return Ok(FOREVER),
            Progress::Wait(until) => return Ok(until),
            Progress::Ask => (Open::First, true),
            Progress::Continue => (Open::Block, false),
        };
        if D::OBSERVED {
            self.open_get(first)?;
        } else {
            let id = self.dialect.next_id();
            self.open_report(&QUERY, id, &mut None)?;
        }
        self.open = open;
        Ok(FOREVER)
    }

    /// Takes what `recv` was waiting for.
    fn take(&mut self, arrived: Arrived) {
        let len = match arrived {
            Arrived::Notification(len) => return self.notified(len),
            Arrived::Response(len) => len,
        };
        let (now, ask) = (self.timer.now(), self.ask());
        if let Some(message) = message(self.scratch, self.request, len) {
            match self.open {
                Open::First if D::OBSERVED => {
                    let watched = self.offers.on_first(now, &message, ask, &mut self.entropy);
                    match watched {
                        Some(token) => self.line.endpoint().watch(token),
                        None => self.line.endpoint().unwatch(),
                    }
                }
                Open::First => self.offers.on_answer(now, &message, ask, &mut self.entropy),
                Open::Block => self.offers.on_block(now, &message, ask, &mut self.entropy),
                Open::Report | Open::Nothing => {}
            }
        }
        self.closed();
    }

    /// Takes a notification. While a report is open it only says that there is news.
    fn notified(&mut self, len: usize) {
        let ask = self.ask();
        let Some(message) = message(self.scratch, self.request, len) else { return };
        match self.offers.on_notification(self.timer.now(), &message, ask, &mut self.entropy) {
            Notice::Stale => {}
            Notice::Ended => self.line.endpoint().unwatch(),
            Notice::Fresh if self.open == Open::Report => self.offers.ask_again(),
            Notice::Fresh => {
                // A block of what the offers were before is of no use any more.
                self.offers.on_news(self.timer.now(), &message, ask, &mut self.entropy);
                self.line.endpoint().cancel();
                self.closed();
            }
        }
    }

    const fn ask(&self) -> Ask {
        Ask { poll_ms: self.config.poll_every_ms, retry_ms: self.config.retry_after_max_ms }
    }

    /// What a failure means to who listens: the server is away, or only does not want to be asked so.
    fn unheard(&mut self, error: CoapError<S::Error>) -> Result<(), S> {
        let (now, ask) = (self.timer.now(), self.ask());
        let told = match error {
            CoapError::Exchange(Failure::Reset | Failure::BadOption(_)) => {
                self.offers.refused(now, ask, &mut self.entropy);
                Ok(())
            }
            // A notification that does not fit: the offers may, in smaller blocks. A block of what they were before is of no
            // use any more.
            CoapError::Oversize if self.open == Open::Nothing || self.line.is_busy() => {
                self.line.endpoint().cancel();
                self.offers.ask_again();
                Ok(())
            }
            CoapError::Oversize => {
                self.offers.too_large(self.open == Open::First, now, ask, &mut self.entropy);
                Ok(())
            }
            error => {
                self.clear();
                Err(error)
            }
        };
        if !self.line.is_busy() {
            self.closed();
        }
        told
    }
}

impl<S: Datagram, T: Timer, E: Entropy, D: Dialect> Transport for Coap<'_, S, T, E, D> {
    type Error = CoapError<S::Error>;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, S> {
        if self.open == Open::Report {
            // Its sender gave up.
            self.clear();
        }
        let taken = loop {
            if let Some(taken) = self.offers.take(buf) {
                break taken;
            }
            let until = self.listen()?;
            match self.next(until).await {
                Ok(Some(arrived)) => self.take(arrived),
                Ok(None) => {}
                Err(error) => self.unheard(error)?,
            }
        };
        Ok(match taken.and_then(|len| buf.get_mut(..len).ok_or(OfferError::TooLarge)) {
            Ok(payload) => decode_payload(0, payload),
            Err(error) => Event::Bad(error),
        })
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), S> {
        self.clear();
        let id = self.dialect.next_id();
        let mut upload = None;
        loop {
            match self.deliver(report, id, &mut upload).await {
                Ok(true) => break,
                Ok(false) => self.closed(),
                Err(error) => {
                    self.clear();
                    // A report that is refused for good is not what offers have to wait for.
                    self.heard |= error.is_permanent();
                    return Err(error.capped(self.config.retry_after_max_ms));
                }
            }
        }
        self.closed();
        self.dialect.sent(report);
        Ok(())
    }

    fn is_permanent(&self, error: &Self::Error) -> bool {
        error.is_permanent()
    }

    fn retry_after_ms(&self, error: &Self::Error) -> Option<u32> {
        error.retry_after_ms()
    }
}

/// What came in, behind the request in the scratch buffer.
fn message(scratch: &[u8], request: usize, len: usize) -> Option<Message<'_>> {
    Message::decode(scratch.get(request..)?.get(..len)?).ok()
}
