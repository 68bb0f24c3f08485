//! The two halves of the line that the agent is lent: messages, and files.

use crate::link::{EVENTS, Link, Wire};
use crate::messages::{self, DONE, NO_FILE, Tag};
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;
use ota_download::{Failure, Opened, Request, Source, SourceError, Validator};
use ota_hal::Clock;
use ota_transport::{Event, Report, Transport};

/// After this much silence the device asks whether there is an event.
const QUIET_MS: u64 = 250;
/// Most bytes asked for at once.
const READ_MAX: usize = 240;

/// Offers in, reports out.
#[derive(Debug)]
pub struct Messages<'l, W, C> {
    link: &'l RefCell<Link<W>>,
    clock: C,
    /// Number of the last event taken.
    taken: u8,
}

/// Why a report was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// The protocol has no words for it.
    NoWords,
    /// The other side did not take it.
    NotTaken,
}

impl<'l, W: Wire, C: Clock> Messages<'l, W, C> {
    /// The messages of `link`.
    pub const fn new(link: &'l RefCell<Link<W>>, clock: C) -> Self {
        Self { link, clock, taken: 0 }
    }

    /// The length of an event that was not taken before, in `buf`.
    fn poll_event(&mut self, buf: &mut [u8]) -> Poll<usize> {
        let (mut link, now) = (self.link.borrow_mut(), self.clock.now());
        if !link.events_due(QUIET_MS, now) || link.poll(EVENTS, messages::EVENTS, &[&[self.taken]], now).is_pending() {
            return Poll::Pending;
        }
        let (status, body) = link.answer();
        let number = messages::event(body).filter(|_| status == DONE).map(|(number, _)| number);
        let fits = buf.get_mut(..body.len()).map(|place| place.copy_from_slice(body)).is_some();
        let len = body.len();
        link.done(now);
        match number.filter(|number| *number != self.taken && fits) {
            Some(number) => {
                self.taken = number;
                Poll::Ready(len)
            }
            None => Poll::Pending,
        }
    }
}

impl<W: Wire, C: Clock> Transport for Messages<'_, W, C> {
    type Error = MessageError;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, MessageError> {
        let len = poll_fn(|_| self.poll_event(buf)).await;
        // It was an event a moment ago.
        Ok(buf.get(..len).and_then(messages::event).map_or(Event::NoUpdate, |(_, event)| event))
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), MessageError> {
        let (head, text) = messages::report(report).ok_or(MessageError::NoWords)?;
        let owner = self.link.borrow_mut().owner();
        let status = poll_fn(|_| {
            let (mut link, now) = (self.link.borrow_mut(), self.clock.now());
            let answered = link.poll(owner, messages::REPORT, &[&head, text.as_bytes()], now);
            answered.map(|()| {
                let (status, _) = link.answer();
                link.done(now);
                status
            })
        })
        .await;
        if status == DONE { Ok(()) } else { Err(MessageError::NotTaken) }
    }

    fn is_permanent(&self, error: &MessageError) -> bool {
        *error == MessageError::NoWords
    }
}

/// Bytes of a file of the other side.
#[derive(Debug)]
pub struct Files<'l, W, C> {
    link: &'l RefCell<Link<W>>,
    clock: C,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    tag: Tag,
    at: u32,
    end: u32,
}

/// Why bytes did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// There is no such file.
    NoFile,
    /// The file is shorter than what is wanted of it.
    Short,
    /// It is not open, or its content is another one now: open it again.
    Gone,
    /// The answer made no sense.
    Malformed,
}

impl SourceError for FileError {
    fn failure(&self) -> Failure {
        match self {
            Self::NoFile => Failure::Permanent,
            Self::Short => Failure::Restart,
            Self::Gone | Self::Malformed => Failure::Retry { after_ms: 0 },
        }
    }
    fn text(&self) -> &'static str {
        match self {
            Self::NoFile => "no such file",
            Self::Short => "file is shorter than before",
            Self::Gone => "file is not open",
            Self::Malformed => "answer not understood",
        }
    }
}

impl<'l, W: Wire, C: Clock> Files<'l, W, C> {
    /// The files behind `link`.
    pub const fn new(link: &'l RefCell<Link<W>>, clock: C) -> Self {
        Self { link, clock, open: None }
    }

    /// Asks, and gives the answer to `take`.
    async fn ask<T>(
        &self,
        kind: u8,
        parts: &[&[u8]],
        mut take: impl FnMut(&[u8]) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let owner = self.link.borrow_mut().owner();
        poll_fn(|_| {
            let (mut link, now) = (self.link.borrow_mut(), self.clock.now());
            link.poll(owner, kind, parts, now).map(|()| {
                let taken = match link.answer() {
                    (DONE, body) => take(body),
                    (NO_FILE, _) => Err(FileError::NoFile),
                    _ => Err(FileError::Gone),
                };
                link.done(now);
                taken
            })
        })
        .await
    }
}

impl<W: Wire, C: Clock> Source for Files<'_, W, C> {
    type Error = FileError;

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, FileError> {
        self.open = None;
        let parts: &[&[u8]] = &[request.locator.as_bytes()];
        let (total, tag) =
            self.ask(messages::OPEN, parts, |body| messages::opened(body).ok_or(FileError::Malformed)).await?;
        let same = request.validator.is_empty() || request.validator == tag;
        let (at, end) = if same { (request.offset, request.end.unwrap_or(total)) } else { (0, total) };
        // Who begins does not know yet how long the file is; who goes on does.
        if at > total || (at > 0 && end > total) {
            return Err(FileError::Short);
        }
        self.open = Some(Open { tag, at, end: end.min(total) });
        // Eight bytes fit.
        Ok(Opened { offset: at, total: Some(total), validator: Validator::from_slice(&tag).unwrap_or_default() })
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, FileError> {
        let Open { tag, at, end } = self.open.ok_or(FileError::Gone)?;
        let want = bytes.len().min(READ_MAX).min(end.saturating_sub(at) as usize);
        if want == 0 {
            return Ok(0);
        }
        let place = bytes.get_mut(..want).unwrap_or_default();
        // At most READ_MAX.
        let parts: &[&[u8]] = &[&tag, &at.to_le_bytes(), &[want as u8]];
        let copy = |body: &[u8]| {
            if body.len() != place.len() {
                return Err(FileError::Malformed);
            }
            place.copy_from_slice(body);
            Ok(())
        };
        self.ask(messages::READ, parts, copy).await?;
        self.open = Some(Open { tag, at: at + want as u32, end });
        Ok(want)
    }

    async fn close(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests;
