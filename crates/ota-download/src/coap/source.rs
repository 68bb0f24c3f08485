//! The driver: datagrams on one side, blocks on the other.

use super::error::{NO_DTLS, url_text};
use super::{CoapConfig, CoapError, HEADROOM, uri, validator};
use crate::udp::ConnectUdp;
use crate::url::{Url, UrlError};
use crate::{Opened, Request, Source, Validator, fnv1a};
use core::ops::Range;
use ota_coap::drive::within;
use ota_coap::{Arrived, BlockError, Code, Datagram, Download, ETag, EncodeError, Line, Mark, Message, Szx};
use ota_hal::{Entropy, Millis, Timer};

pub(super) type Error<C> = CoapError<<C as ConnectUdp>::Error>;

/// Block2 and Size2 behind the path: head, extension of the number and value of the one, head of the other.
pub(super) const TAIL: usize = 6;

/// An object on a CoAP server, as a [`Source`].
///
/// Unlike other sources it has a timer: what is lost on the way is asked for again, so each request ends in time by
/// itself, after [`ota_coap::ExchangeConfig::response_ms`]. A caller with shorter patience may drop the future.
///
/// # Cancellation
/// As [`Source`] demands: a dropped `open` leaves the source closed, a dropped `read` took no payload. The request that
/// was on its way then is still open, and the next `read` goes on with it.
///
/// # Examples
/// See the crate's front page.
#[derive(Debug)]
pub struct CoapSource<'s, C: ConnectUdp, T, E> {
    connect: C,
    pub(super) timer: T,
    pub(super) entropy: E,
    pub(super) scratch: &'s mut [u8],
    config: CoapConfig,
    pub(super) line: Line,
    pub(super) link: Option<Link<C::Socket>>,
    /// Locator (as a hash) and tag of the object opened last: a tag that changes gives a replaced object away also where
    /// the caller's validator is another link's.
    known: Option<(u32, ETag)>,
}

#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) socket: S,
    pub(super) download: Download,
    /// The options that all requests have in common end here, in the scratch buffer.
    pub(super) mark: Mark,
    /// Length of the open request, at the front of the scratch buffer. Responses come behind `mark` and [`TAIL`].
    request: usize,
    /// One past the last byte wanted.
    pub(super) end: u32,
    /// Payload that nobody has read yet, in the scratch buffer.
    pub(super) piece: Range<usize>,
    /// The object ends behind the last block that came.
    pub(super) last: bool,
}

impl<'s, C: ConnectUdp, T: Timer, E: Entropy> CoapSource<'s, C, T, E> {
    /// A closed source. `scratch` has at least [`super::SCRATCH_MIN`] bytes; see [`super::SCRATCH`].
    pub fn new(connect: C, timer: T, mut entropy: E, scratch: &'s mut [u8], config: CoapConfig) -> Self {
        let line = Line::new(config.exchange, &mut entropy);
        Self { connect, timer, entropy, scratch, config, line, link: None, known: None }
    }

    /// Gives the connector back; an open socket is closed.
    pub fn into_connect(self) -> C {
        self.connect
    }

    /// Connects, and fetches the first block.
    async fn begin(&mut self, request: &Request<'_>, name: u32) -> Result<Opened, Error<C>> {
        let url = Url::parse_coap(request.locator)?;
        if url.tls() && !C::DTLS {
            return Err(CoapError::NoDtls);
        }
        let end = request.end.unwrap_or(u32::MAX);
        if end <= request.offset {
            return Err(CoapError::EmptyRange);
        }
        let (mark, szx) = write_uri(self.scratch, &url, self.config.block_max)?;
        let download = Download::new(request.offset, szx, self.tag(request, name))?;
        let deadline = self.timer.now().after(self.config.exchange.response_ms);
        let connecting = self.connect.connect_udp(url.host(), url.port(), url.tls());
        let socket = within(&self.timer, deadline, connecting).await.ok_or(CoapError::Name)??;
        let mut link = Link { socket, download, mark, request: 0, end, piece: 0..0, last: false };
        let mut why = None;
        loop {
            match (fill(&mut link, &mut self.line, self.scratch, &self.timer, &mut self.entropy).await, why) {
                // So libcoap refuses a block behind the end, and says no more. Whether the object ends before it, its
                // first block tells.
                (Err(CoapError::Peer(BlockError::Code { code: Code::SERVER_ERROR, after_ms })), None)
                    if request.offset > 0 =>
                {
                    why = Some(BlockError::Code { code: Code::SERVER_ERROR, after_ms });
                    link.download = Download::new(0, szx, link.download.etag())?;
                }
                (Err(error), _) => return Err(error),
                (Ok(()), Some(refused)) => {
                    let total = link.total();
                    let reaches = total.is_some_and(|total| total > request.offset);
                    return Err(if reaches { refused } else { BlockError::PastEnd }.into());
                }
                (Ok(()), None) => break,
            }
        }
        let (total, tag) = (link.total(), link.download.etag());
        self.known = Some((name, tag));
        self.link = Some(link);
        // What was known of another link's object cannot be compared; it still holds.
        let foreign =
            request.offset > 0 && !request.validator.is_empty() && validator::tag(request.validator).is_none();
        let kept = foreign.then(|| Validator::from_slice(request.validator).unwrap_or_default());
        Ok(Opened { offset: request.offset, total, validator: kept.unwrap_or_else(|| validator::of(tag)) })
    }

    /// The tag that the object must have.
    fn tag(&self, request: &Request<'_>, name: u32) -> ETag {
        if request.offset == 0 {
            return ETag::NONE;
        }
        let known = self.known.filter(|(known, _)| *known == name).map(|(_, tag)| tag);
        validator::tag(request.validator).or(known).unwrap_or(ETag::NONE)
    }

    /// The error as it is told: waits are bounded.
    pub(super) fn told(&self, error: Error<C>) -> Error<C> {
        match error {
            CoapError::Peer(BlockError::Code { code, after_ms }) => {
                let after_ms = after_ms.map(|ms| ms.min(self.config.retry_after_max_ms));
                BlockError::Code { code, after_ms }.into()
            }
            error => error,
        }
    }
}

impl<C: ConnectUdp, T: Timer, E: Entropy> Source for CoapSource<'_, C, T, E> {
    type Error = Error<C>;

    fn refuses(locator: &str) -> Option<&'static str> {
        let checked = Url::parse_coap(locator).and_then(|url| uri::options(&url, &mut |_, _| {}).map(|()| url.tls()));
        match checked {
            Ok(true) if !C::DTLS => Some(NO_DTLS),
            Ok(_) => None,
            Err(error) => Some(url_text(error)),
        }
    }

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Self::Error> {
        self.close().await;
        let name = fnv1a(request.locator.as_bytes());
        let opened = self.begin(&request, name).await;
        opened.map_err(|error| self.told(error))
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        let link = self.link.as_mut().ok_or(CoapError::Misuse)?;
        if bytes.is_empty() {
            return Err(CoapError::Misuse);
        }
        if let Err(error) = fill(link, &mut self.line, self.scratch, &self.timer, &mut self.entropy).await {
            self.link = None;
            return Err(self.told(error));
        }
        let piece = self.scratch.get(link.piece.clone()).unwrap_or_default();
        let n = piece.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(piece) {
            *to = *from;
        }
        link.piece.start += n;
        Ok(n)
    }

    async fn close(&mut self) {
        self.link = None;
        self.line.reset();
    }
}

/// Asks for blocks until one has bytes, or the body is complete. A drop while waiting takes nothing: request, line and
/// link stay as they are.
async fn fill<S: Datagram, T: Timer>(
    link: &mut Link<S>,
    line: &mut Line,
    scratch: &mut [u8],
    timer: &T,
    entropy: &mut dyn Entropy,
) -> Result<(), CoapError<S::Error>> {
    while link.piece.is_empty() && !link.is_complete() {
        if !line.is_busy() {
            link.request =
                ask(&link.download, link.mark, line, scratch, timer.now(), entropy).ok_or(CoapError::Room)?;
        }
        let (front, buffer) = scratch.split_at_mut_checked(link.mark.len() + TAIL).ok_or(CoapError::Room)?;
        let request = front.get(..link.request).unwrap_or_default();
        let arrived = line.next(&mut link.socket, timer, request, buffer, Millis(u64::MAX)).await?;
        if let Some(Arrived::Response(len)) = arrived {
            link.take(buffer.get(..len).unwrap_or_default(), front.len())?;
        }
    }
    Ok(())
}

impl<S> Link<S> {
    /// Judges a response, which lies at `place` in the scratch buffer.
    fn take(&mut self, datagram: &[u8], place: usize) -> Result<(), BlockError> {
        // The endpoint has read it before.
        let message = Message::decode(datagram).map_err(|_| BlockError::Length)?;
        let piece = self.download.on_response(&message)?;
        let wanted = piece.bytes.len().min(self.end.saturating_sub(piece.offset) as usize);
        // The payload is the tail of a message.
        let start = place + datagram.len() - piece.bytes.len();
        self.piece = start..start + wanted;
        self.last = piece.last;
        Ok(())
    }

    /// Size of the whole object: what the server said, or where it ended.
    fn total(&self) -> Option<u32> {
        self.download.total().or_else(|| self.last.then_some(self.download.at()))
    }

    /// Whether no more blocks are wanted.
    pub(super) const fn is_complete(&self) -> bool {
        self.last || self.download.at() >= self.end
    }
}

/// Opens the next request and writes it over the last one; its length, or `None` when there is no room.
#[inline(never)]
fn ask(
    download: &Download,
    mark: Mark,
    line: &mut Line,
    scratch: &mut [u8],
    now: Millis,
    entropy: &mut dyn Entropy,
) -> Option<usize> {
    // Only called while no request is open.
    let opening = line.endpoint().begin(now, true, entropy).ok()?;
    let mut message = opening.encode_again(scratch, Code::GET, mark);
    download.write(&mut message);
    message.finish(b"").ok()
}

/// Writes what all requests have in common: where it ends, and the largest blocks for which there is room behind it.
fn write_uri<E>(scratch: &mut [u8], url: &Url<'_>, block_max: u16) -> Result<(Mark, Szx), CoapError<E>> {
    let room = scratch.len();
    let mut message = ota_coap::Encoder::new(scratch, ota_coap::Kind::Confirmable, Code::GET, 0, &[0; 4]);
    uri::options(url, &mut |number, value| {
        message.option(number, value);
    })?;
    let mark = message.mark();
    match message.finish(b"") {
        Ok(_) => {}
        Err(EncodeError::Full) => return Err(CoapError::Room),
        Err(_) => return Err(UrlError::Part.into()),
    }
    let block = room.saturating_sub(mark.len() + TAIL + HEADROOM);
    if block < Szx::MIN.bytes() as usize {
        return Err(CoapError::Room);
    }
    Ok((mark, Szx::fitting(block.min(block_max.into()))))
}
