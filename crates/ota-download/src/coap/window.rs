//! Several blocks on their way at a time.

use super::ahead::Ahead;
use super::source::{CoapSource, Error, TAIL};
use super::{CoapConfig, CoapError};
use crate::udp::ConnectUdp;
use crate::{Opened, Request, Source};
use core::ops::Range;
use ota_coap::drive::{SEND_MS, within};
use ota_coap::{Datagram, Event, Step};
use ota_hal::{Entropy, Timer};

/// An object on a CoAP server, of which up to `W` blocks are asked for at a time: [`CoapSource`] for long links.
///
/// RFC 7252 §4.7 wants one request at a time from who knows nothing of the network. So this is for a product that knows its
/// link; an [`ota_coap::ExchangeConfig::ack_timeout_ms`] just above the link's round trip suits it better than the default,
/// too. Servers need know nothing of it: each block is an ordinary request.
///
/// Opening asks for one block, which tells size, tag and block size; all others must agree with it. Blocks that come before
/// their turn wait in the store. An error in place of one of them counts when its turn has come: it is asked for again
/// then, alone. So a server that refuses several requests at a time, or blocks behind the end, does no harm.
///
/// # Cancellation
/// As [`CoapSource`].
///
/// # Examples
/// ```
/// use ota_download::{CoapConfig, CoapWindow, ConnectUdp, coap::SCRATCH};
/// use ota_hal::{Entropy, Timer};
///
/// fn source(network: impl ConnectUdp, timer: impl Timer, chance: impl Entropy) {
///     let (mut scratch, mut store) = ([0; SCRATCH], [0; 4 * 256]);
///     let mut config = CoapConfig::default();
///     (config.block_max, config.exchange.ack_timeout_ms) = (256, 750);
///     let source = CoapWindow::<_, _, _, 4>::new(network, timer, chance, &mut scratch, &mut store, config);
///     // source.open(..), source.read(..)
/// #   let _ = source;
/// }
/// ```
pub struct CoapWindow<'s, C: ConnectUdp, T, E, const W: usize> {
    source: CoapSource<'s, C, T, E>,
    store: &'s mut [u8],
    ahead: Ahead<W>,
    /// Bytes of the store that nobody has read yet.
    piece: Range<usize>,
    /// The request of this place was being sent when the future was dropped.
    unsent: Option<usize>,
}

impl<'s, C: ConnectUdp, T: Timer, E: Entropy, const W: usize> CoapWindow<'s, C, T, E, W> {
    /// A closed source. `scratch` is as for [`CoapSource::new`]. `store` has room for `W` blocks; when it has not, blocks
    /// are as large as it is at most, and as many of them are on their way as it holds.
    pub fn new(
        connect: C,
        timer: T,
        entropy: E,
        scratch: &'s mut [u8],
        store: &'s mut [u8],
        mut config: CoapConfig,
    ) -> Self {
        const { assert!(W > 0, "a window of no blocks") };
        config.block_max = config.block_max.min(u16::try_from(store.len()).unwrap_or(u16::MAX));
        let source = CoapSource::new(connect, timer, entropy, scratch, config);
        Self { source, store, ahead: Ahead::new(), piece: 0..0, unsent: None }
    }

    /// Gives the connector back; an open socket is closed.
    pub fn into_connect(self) -> C {
        self.source.into_connect()
    }

    /// Nothing is asked for, nothing is held.
    fn forget(&mut self) {
        (self.ahead, self.piece, self.unsent) = (Ahead::new(), 0..0, None);
    }

    /// Waits until the block whose turn it is is here, or the body is complete.
    async fn fill(&mut self) -> Result<(), Error<C>> {
        while self.piece.is_empty() {
            let source = &mut self.source;
            let link = source.link.as_mut().ok_or(CoapError::Misuse)?;
            if link.is_complete() {
                return Ok(());
            }
            let at = link.download.at();
            if let Some((piece, last)) = self.ahead.turn(&mut link.download) {
                let wanted = piece.len().min(link.end.saturating_sub(at) as usize);
                self.piece = piece.start..piece.start + wanted;
                link.last = last;
                continue;
            }
            let places = self.store.len() / link.download.szx().bytes() as usize;
            let end = link.end.min(link.download.total().unwrap_or(u32::MAX));
            let (endpoint, now) = (source.line.endpoint(), source.timer.now());
            let asked = self.ahead.ask(&link.download, end, places, endpoint, now, &mut source.entropy);
            asked.map_err(|_| CoapError::Misuse)?;
            let due = self.unsent.map_or_else(|| self.ahead.poll(now), |place| (place, Step::Send));
            match due {
                (place, Step::Send) => self.send(place).await?,
                (_, Step::Wait(at)) => {
                    let buffer = source.scratch.get_mut(link.mark.len() + TAIL..).ok_or(CoapError::Room)?;
                    if let Some(len) = within(&source.timer, at, link.socket.receive(buffer)).await {
                        self.take(len.map_err(CoapError::Link)?).await?;
                    }
                }
                (_, Step::Failed(failure)) => return Err(CoapError::Exchange(failure)),
                // The store holds no block of the smallest size.
                (_, Step::Idle) => return Err(CoapError::Room),
            }
        }
        Ok(())
    }

    /// Sends the request of a place, for the first time or again.
    async fn send(&mut self, place: usize) -> Result<(), Error<C>> {
        let source = &mut self.source;
        let link = source.link.as_mut().ok_or(CoapError::Misuse)?;
        let front = source.scratch.get_mut(..link.mark.len() + TAIL).ok_or(CoapError::Room)?;
        let len = self.ahead.write(place, &link.download, front, link.mark).ok_or(CoapError::Room)?;
        self.unsent = Some(place);
        let sending = link.socket.send(front.get(..len).unwrap_or_default());
        let sent = within(&source.timer, source.timer.now().after(SEND_MS), sending).await;
        self.unsent = None;
        sent.unwrap_or(Ok(())).map_err(CoapError::Link)
    }

    /// Takes the datagram of this length, which lies in the scratch buffer, and answers it.
    async fn take(&mut self, len: usize) -> Result<(), Error<C>> {
        let source = &mut self.source;
        let link = source.link.as_mut().ok_or(CoapError::Misuse)?;
        let buffer = source.scratch.get(link.mark.len() + TAIL..).unwrap_or_default();
        let now = source.timer.now();
        let datagram = buffer.get(..len).unwrap_or(buffer);
        let (place, incoming) = self.ahead.window().on_datagram(source.line.endpoint(), now, datagram);
        match (place, incoming.event) {
            (_, Event::Failed(failure)) => return Err(CoapError::Exchange(failure)),
            // A full buffer may hold the front of a longer datagram: not every socket tells.
            (Some(_), Event::Response(_)) if len >= buffer.len() => return Err(CoapError::Oversize),
            (Some(place), Event::Response(message)) => {
                self.ahead.on_response(place, &message, &link.download, self.store)?;
            }
            _ => {}
        }
        if let Some(reply) = incoming.reply {
            // One that is lost is asked for again by the peer's repetition.
            let _ = within(&source.timer, now.after(SEND_MS), link.socket.send(&reply)).await;
        }
        Ok(())
    }
}

impl<C: ConnectUdp, T: Timer, E: Entropy, const W: usize> Source for CoapWindow<'_, C, T, E, W> {
    type Error = Error<C>;

    fn refuses(locator: &str) -> Option<&'static str> {
        CoapSource::<C, T, E>::refuses(locator)
    }

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Self::Error> {
        self.forget();
        self.source.open(request).await
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        // The block of the opening.
        if self.source.link.as_ref().is_none_or(|link| !link.piece.is_empty()) || bytes.is_empty() {
            return self.source.read(bytes).await;
        }
        if let Err(error) = self.fill().await {
            self.source.link = None;
            return Err(self.source.told(error));
        }
        let piece = self.store.get(self.piece.clone()).unwrap_or_default();
        let n = piece.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(piece) {
            *to = *from;
        }
        self.piece.start += n;
        Ok(n)
    }

    async fn close(&mut self) {
        self.forget();
        self.source.close().await;
    }
}
