//! The driver: sockets on one side, the core on the other.

use super::error::NO_TLS;
use super::{Ask, Body, Head, HttpConfig, HttpError, PeerError, Progress, RequestHead, SCRATCH_MIN, Verdict, judge};
use crate::connect::{Connect, ConnectError};
use crate::url::{Url, UrlError, resolve_in};
use crate::{Failure, Opened, Request, Source, SourceError, fnv1a};
use core::ops::Range;
use embedded_io_async::{Read, Write};

type Error<C> = HttpError<<C as Connect>::Error>;

/// An object on an HTTP server, as a [`Source`].
///
/// It keeps no clock. A server that says nothing keeps a future waiting: the caller drops the future when its deadline
/// has passed. `open` may then be called again; `read` may go on where it was.
///
/// # Cancellation
/// As [`Source`] demands: a dropped `open` leaves the source closed, a dropped `read` took no payload. The latter
/// holds if the socket's own `read` does.
///
/// # Examples
/// See the crate's front page and `examples/fetch.rs`.
#[derive(Debug)]
pub struct HttpSource<'s, C: Connect> {
    connect: C,
    scratch: &'s mut [u8],
    config: HttpConfig<'s>,
    link: Option<Link<C::Socket>>,
    /// Locator (as a hash) and size of the object opened last: a size that changes gives a replaced object away.
    known: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Link<S> {
    /// `None` once the body is complete.
    socket: Option<S>,
    body: Body,
    /// Payload that came with the head, in the scratch buffer.
    early: Range<usize>,
}

impl<'s, C: Connect> HttpSource<'s, C> {
    /// A closed source. `scratch` has at least [`SCRATCH_MIN`] bytes; see [`super::SCRATCH`].
    pub const fn new(connect: C, scratch: &'s mut [u8], config: HttpConfig<'s>) -> Self {
        Self { connect, scratch, config, link: None, known: None }
    }

    /// Gives the connector back; an open connection is closed.
    pub fn into_connect(self) -> C {
        self.connect
    }

    /// Asks, follows redirects, and opens the first answer that is a body.
    ///
    /// One future with one await for each kind of waiting: a future in a future costs code for each of its moves.
    async fn follow(&mut self, locator: &str, ask: &Ask<'_>) -> Result<Opened, Error<C>> {
        let split = self.scratch.len().checked_sub(SCRATCH_MIN).ok_or(HttpError::Misuse)?;
        let (store, io) = self.scratch.split_at_mut(split);
        // Length of the present URL at the front of `store`; 0 while it is the locator.
        let mut moved = 0;
        let mut secure = false;
        for _ in 0..=self.config.redirects_max {
            let (present, location) = store.split_at_mut(moved);
            let url = present_url(locator, present)?;
            if secure && !url.tls() {
                return Err(PeerError::Downgrade.into());
            }
            secure = url.tls();
            let mut socket = self.connect.connect(url.host(), url.port(), secure).await.map_err(connect_error)?;
            let request = RequestHead::new(&url, ask, self.config.user_agent);
            let mut sent = 0;
            loop {
                let n = request.copy(sent, io);
                if n == 0 {
                    break;
                }
                // Not `write_all`, which panics when a socket writes nothing. What was not taken is copied once more.
                let written = socket.write(io.get(..n).unwrap_or_default()).await.map_err(HttpError::Link)?;
                if written == 0 {
                    return Err(HttpError::Closed);
                }
                sent += written;
            }
            socket.flush().await.map_err(HttpError::Link)?;
            let mut head = Head::new(self.config.head_max);
            let early = loop {
                let n = socket.read(io).await.map_err(HttpError::Link)?;
                if n == 0 {
                    return Err(HttpError::Closed);
                }
                if let Progress::Done(used) = head.feed(io.get(..n).unwrap_or_default(), location)? {
                    break used..n;
                }
            };
            match judge(ask, head.answer(), &self.config)? {
                Verdict::Body(opened, mut body) => {
                    let payload = body.accept(io.get_mut(early.clone()).unwrap_or_default())?;
                    let start = split + early.start;
                    self.link = Some(Link { socket: Some(socket), body, early: start..start + payload });
                    return Ok(opened);
                }
                Verdict::Redirect(len) => {
                    let base = (moved == 0).then_some(locator);
                    moved = resolve_in(store, base, moved, len)?;
                }
            }
        }
        Err(PeerError::Redirects.into())
    }
}

impl<C: Connect> Source for HttpSource<'_, C> {
    type Error = Error<C>;

    fn refuses(locator: &str) -> Option<&'static str> {
        match Url::parse(locator) {
            Ok(url) if url.tls() && !C::TLS => Some(NO_TLS),
            Ok(_) => None,
            Err(error) => Some(error.text()),
        }
    }

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Self::Error> {
        self.link = None;
        if request.end.is_some_and(|end| end <= request.offset) {
            return Err(HttpError::EmptyRange);
        }
        let name = fnv1a(request.locator.as_bytes());
        let total = self.known.filter(|(known, _)| *known == name && request.offset > 0).map(|(_, total)| total);
        let ask = Ask { offset: request.offset, end: request.end, validator: request.validator, total };
        let opened = self.follow(request.locator, &ask).await;
        match &opened {
            Ok(Opened { total: Some(total), .. }) => self.known = Some((name, *total)),
            Err(error) if error.failure() == Failure::Restart => self.known = None,
            _ => {}
        }
        opened
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        let link = self.link.as_mut().ok_or(HttpError::Misuse)?;
        if bytes.is_empty() {
            return Err(HttpError::Misuse);
        }
        let result = read(link, self.scratch, bytes).await;
        if result.is_err() {
            self.link = None;
        }
        result
    }

    async fn close(&mut self) {
        self.link = None;
    }
}

/// One await a turn, and all changes of state after it: a drop while waiting takes nothing.
async fn read<S: Read>(link: &mut Link<S>, scratch: &[u8], bytes: &mut [u8]) -> Result<usize, HttpError<S::Error>> {
    let early = scratch.get(link.early.clone()).unwrap_or_default();
    if !early.is_empty() {
        let n = early.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(early) {
            *to = *from;
        }
        link.early.start += n;
        return Ok(n);
    }
    while let (false, Some(socket)) = (link.body.is_done(), &mut link.socket) {
        let room = link.body.read_max(bytes.len());
        let room = bytes.get_mut(..room).unwrap_or_default();
        let n = socket.read(room).await.map_err(HttpError::Link)?;
        if n == 0 {
            link.body.on_closed()?;
        }
        let payload = link.body.accept(room.get_mut(..n).unwrap_or_default())?;
        if payload > 0 {
            return Ok(payload);
        }
    }
    link.socket = None;
    link.body.outcome()?;
    Ok(0)
}

/// The URL a redirect led to, at first the locator.
fn present_url<'u>(locator: &'u str, moved: &'u [u8]) -> Result<Url<'u>, UrlError> {
    let text = core::str::from_utf8(moved).map_err(|_| UrlError::Character)?;
    Url::parse(if text.is_empty() { locator } else { text })
}

fn connect_error<E>(error: ConnectError<E>) -> HttpError<E> {
    match error {
        ConnectError::NoTls => HttpError::NoTls,
        ConnectError::Name => HttpError::Name,
        ConnectError::Link(error) => HttpError::Link(error),
    }
}
