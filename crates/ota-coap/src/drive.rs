//! The driver: an endpoint between a datagram socket and a timer.
//!
//! One loop for all that talk CoAP: it sends what the endpoint wants sent, waits as long as it may, and hands in what
//! arrives. All state is in [`Line`], so that a future may be dropped at any point and the next one goes on.

use crate::{Endpoint, Event, ExchangeConfig, Failure, Step};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use ota_hal::{Entropy, Millis, Timer};

/// A socket that takes no datagram for this long has lost it: the endpoint sends it again in its own time. Milliseconds.
pub const SEND_MS: u32 = 5_000;

/// A datagram socket that talks with one peer.
///
/// # For implementers
/// What comes from another address or port than the peer's must not come through: nobody above can tell. Of a datagram
/// longer than the buffer `receive` copies what fits, and returns the buffer's length or more. Futures are dropped at any
/// point; a datagram lost by that is like one that the network lost, and costs time only.
pub trait Datagram {
    /// Why the network failed.
    type Error: core::fmt::Debug;

    /// Sends one datagram.
    ///
    /// # Errors
    /// The network's.
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Self::Error>;

    /// Waits for one datagram: its length.
    ///
    /// # Errors
    /// The network's.
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

impl<S: Datagram> Datagram for &mut S {
    type Error = S::Error;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Self::Error> {
        (**self).send(datagram).await
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        (**self).receive(buffer).await
    }
}

/// What lies in the buffer: the length of its datagram, which is a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// The response to the open request, which is closed by it.
    Response(usize),
    /// A message under the watched token.
    Notification(usize),
}

/// Why nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriveError<E> {
    /// The network failed. The request is still open.
    Link(E),
    /// The request failed and is closed.
    Exchange(Failure),
    /// The message does not fit the buffer; a request that it answers is closed. A larger buffer makes it work, or
    /// smaller blocks.
    Oversize,
}

/// What is to be done next.
enum Due {
    Tell(Arrived),
    /// The reply, or the request.
    Send(Option<[u8; 4]>),
    Wait(Millis),
    Failed(Failure),
}

/// An endpoint, and what it has still to send and to tell.
#[derive(Debug)]
pub struct Line {
    endpoint: Endpoint,
    reply: Option<[u8; 4]>,
    arrived: Option<Arrived>,
    /// The request was being sent when the future was dropped.
    unsent: bool,
}

impl Line {
    /// A line with no request open.
    pub fn new(config: ExchangeConfig, entropy: &mut dyn Entropy) -> Self {
        Self { endpoint: Endpoint::new(config, entropy), reply: None, arrived: None, unsent: false }
    }

    /// The endpoint, to open requests and to watch tokens.
    pub const fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Whether a request is open, or its response not told yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.endpoint.is_busy() || self.arrived.is_some()
    }

    /// Forgets the open request and what was to be sent: the socket is another one from now on.
    pub const fn reset(&mut self) {
        self.endpoint.cancel();
        self.reply = None;
        self.arrived = None;
        self.unsent = false;
    }

    /// Drives the open request, whose datagram is `request`, to its end, or waits for a notification; `None` when `until`
    /// has passed before. An open request ends in time by itself ([`ExchangeConfig::response_ms`]).
    ///
    /// # Cancellation
    /// A dropped future took nothing: call again, with the same request and the same buffer, whose content must not have
    /// changed.
    ///
    /// # Errors
    /// See [`DriveError`].
    pub async fn next<S: Datagram, T: Timer>(
        &mut self,
        socket: &mut S,
        timer: &T,
        request: &[u8],
        buffer: &mut [u8],
        until: Millis,
    ) -> Result<Option<Arrived>, DriveError<S::Error>> {
        loop {
            let now = timer.now();
            let wait = match self.due(now) {
                Due::Tell(arrived) => return Ok(Some(arrived)),
                Due::Failed(failure) => return Err(DriveError::Exchange(failure)),
                Due::Wait(at) => at.min(until),
                Due::Send(reply) => {
                    self.unsent = reply.is_none();
                    let datagram = reply.as_ref().map_or(request, |reply| reply);
                    let sent = within(timer, now.after(SEND_MS), socket.send(datagram)).await;
                    (self.reply, self.unsent) = (None, false);
                    match sent {
                        Some(Err(error)) if reply.is_none() => return Err(DriveError::Link(error)),
                        // A reply that is lost is asked for again by the peer's repetition.
                        _ => continue,
                    }
                }
            };
            if now >= until {
                return Ok(None);
            }
            if let Some(received) = within(timer, wait, socket.receive(buffer)).await {
                self.take(timer.now(), received.map_err(DriveError::Link)?, buffer)?;
            }
        }
    }

    fn due(&mut self, now: Millis) -> Due {
        if self.reply.is_some() {
            return Due::Send(self.reply);
        }
        if let Some(arrived) = self.arrived.take() {
            return Due::Tell(arrived);
        }
        match self.endpoint.poll(now) {
            Step::Send => Due::Send(None),
            Step::Wait(_) if self.unsent => Due::Send(None),
            Step::Wait(at) => Due::Wait(at),
            Step::Idle => Due::Wait(Millis(u64::MAX)),
            Step::Failed(failure) => Due::Failed(failure),
        }
    }

    fn take<E>(&mut self, now: Millis, len: usize, buffer: &[u8]) -> Result<(), DriveError<E>> {
        // A full buffer may hold the front of a longer datagram: not every socket tells.
        let cut = len >= buffer.len();
        let incoming = self.endpoint.on_datagram(now, buffer.get(..len).unwrap_or(buffer));
        self.reply = incoming.reply;
        self.arrived = match incoming.event {
            Event::Nothing => None,
            Event::Failed(failure) => return Err(DriveError::Exchange(failure)),
            Event::Response(_) | Event::Notification(_) if cut => return Err(DriveError::Oversize),
            Event::Response(_) => Some(Arrived::Response(len)),
            Event::Notification(_) => Some(Arrived::Notification(len)),
        };
        Ok(())
    }
}

/// The outcome of `work`; `None` when `at` comes first, and the work is dropped.
pub async fn within<T: Timer, F: Future>(timer: &T, at: Millis, work: F) -> Option<F::Output> {
    let (mut work, mut alarm) = (pin!(work), pin!(timer.wait_until(at)));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => alarm.as_mut().poll(context).map(|()| None),
    })
    .await
}

#[cfg(test)]
mod tests;
