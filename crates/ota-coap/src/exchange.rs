//! Requests and what comes back: retransmission, acknowledgement, matching, repeated answers.
//!
//! ```text
//!          begin             bare acknowledgement, or sent and not to be confirmed
//!   Idle ─────────► Sending ───────────────────────────────────────────────────────► Waiting
//!    ▲                 │                                                                │
//!    └─────────────────┴────────────────────────────────────────────────────────────────┘
//!       response, reset, bad option, deadline, cancel; from Sending also: sent often enough
//! ```
//!
//! # Source
//! RFC 7252 §4.2 to §4.8 (reliability, deduplication, NSTART 1), §5.2 and §5.3 (responses and their matching).

mod one;
mod recent;
mod shared;
#[cfg(test)]
mod tests;
mod window;

pub use window::Window;

use crate::{Code, Encoder, Kind, Mark, Message};
use one::Exchange;
use ota_hal::{Entropy, Millis};
use shared::Shared;

/// Longest time in which a confirmable message is sent and waited for, with the default timing: MAX_TRANSMIT_WAIT.
pub const TRANSMIT_WAIT_MS: u32 = 93_000;

/// Timing of an endpoint. The default is that of RFC 7252 §4.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Shortest wait for the first acknowledgement; the real one is random, up to half as long again, and doubles with
    /// each retransmission.
    pub ack_timeout_ms: u16,
    /// How often a confirmable request is sent again.
    pub retransmit_max: u8,
    /// From [`Endpoint::begin`] to the response, whatever happened in between; then the exchange has failed.
    pub response_ms: u32,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self { ack_timeout_ms: 2_000, retransmit_max: 4, response_ms: TRANSMIT_WAIT_MS }
    }
}

/// What a request and its responses have in common: four random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub [u8; 4]);

/// The header of a request that was begun. Neither `Clone` nor `Copy`: it makes one message.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    kind: Kind,
    id: u16,
    token: Token,
}

impl Opening {
    /// The token, for [`Endpoint::watch`] and [`Endpoint::begin_as`].
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }
    /// Begins the request's message. The buffer must keep it until the exchange has ended: it may be sent several times.
    #[must_use]
    pub fn encode(self, bytes: &mut [u8], method: Code) -> Encoder<'_> {
        Encoder::new(bytes, self.kind, method, self.id, &self.token.0)
    }
    /// The same in a buffer that still holds an earlier request, whose options before `mark` are those of this one too:
    /// the next block of the same path, without the path at hand.
    #[must_use]
    pub fn encode_again(self, bytes: &mut [u8], method: Code, mark: Mark) -> Encoder<'_> {
        self.encode(bytes, method).skip_to(mark)
    }
}

/// As many requests are open as may be: one, or what a [`Window`] holds. Wait for one, or cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl core::fmt::Display for Busy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a CoAP request is open already")
    }
}
impl core::error::Error for Busy {}

/// Why an exchange ended without a response that can be used. The request may have had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing came back. The peer is away, or every message was lost.
    NoAnswer,
    /// The peer acknowledged the request, or it needed no acknowledgement; the response did not come in time.
    NoResponse,
    /// The peer does not know what to do with the request; perhaps no CoAP is spoken there.
    Reset,
    /// The response holds a critical option that is not known here: its number.
    BadOption(u16),
}

impl Failure {
    /// A short text for a report.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoAnswer => "CoAP: no answer",
            Self::NoResponse => "CoAP: no response",
            Self::Reset => "CoAP: reset",
            Self::BadOption(_) => "CoAP: unknown critical option",
        }
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for Failure {}

/// What an endpoint wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// No request is open. Datagrams may still arrive.
    Idle,
    /// Send the request, for the first time or again; then poll again.
    Send,
    /// Nothing before this moment unless a datagram arrives.
    Wait(Millis),
    /// The request failed and is closed; told once.
    Failed(Failure),
}

/// What a datagram meant to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing.
    Nothing,
    /// The response to the open request, which is closed by it.
    Response(Message<'a>),
    /// A message under the watched token while no request of that token is open.
    Notification(Message<'a>),
    /// The open request failed and is closed.
    Failed(Failure),
}

/// What to do about a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Incoming<'a> {
    /// A datagram to send back first: an acknowledgement or a reset. If that fails, nothing is lost but time.
    pub reply: Option<[u8; 4]>,
    /// What it meant.
    pub event: Event<'a>,
}

/// The client's side of the messages between it and one server: one request at a time, and at most one observation.
///
/// The caller checks where datagrams come from (socket connected to the server); nothing else is taken on trust. The
/// request's bytes stay with the caller, who sends them when [`Endpoint::poll`] says so.
#[derive(Debug)]
pub struct Endpoint {
    shared: Shared,
    exchange: Exchange,
}

impl Endpoint {
    /// An endpoint whose message ids begin at a random number.
    pub fn new(config: ExchangeConfig, entropy: &mut dyn Entropy) -> Self {
        Self { shared: Shared::new(config, entropy), exchange: Exchange::IDLE }
    }

    /// Opens a request under a new random token. Encode it, then poll.
    ///
    /// # Errors
    /// [`Busy`] when one is open.
    pub fn begin(&mut self, now: Millis, confirmable: bool, entropy: &mut dyn Entropy) -> Result<Opening, Busy> {
        let token = self.shared.new_token(&[], entropy);
        self.begin_as(now, confirmable, token, entropy)
    }

    /// Opens a request under a token that was used before: to renew or to end an observation (RFC 7641 §3.3.1, §3.6).
    ///
    /// # Errors
    /// [`Busy`] when one is open.
    pub fn begin_as(
        &mut self,
        now: Millis,
        confirmable: bool,
        token: Token,
        entropy: &mut dyn Entropy,
    ) -> Result<Opening, Busy> {
        if self.is_busy() {
            return Err(Busy);
        }
        let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        Ok(self.shared.open(&mut self.exchange, now, kind, token, entropy))
    }

    /// Forgets the open request, if there is one. A confirmable response that comes later is reset.
    pub const fn cancel(&mut self) {
        self.exchange.close();
    }

    /// From now on messages under `token` are notifications.
    pub const fn watch(&mut self, token: Token) {
        self.shared.watched = Some(token);
    }

    /// No more notifications are wanted. The next confirmable one is reset, which ends the observation at the server.
    pub const fn unwatch(&mut self) {
        self.shared.watched = None;
    }

    /// Whether a request is open.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.exchange.is_open()
    }

    /// When to poll at the latest; `None` when no request is open.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.exchange.next_deadline()
    }

    /// What to do now.
    pub fn poll(&mut self, now: Millis) -> Step {
        self.exchange.poll(now)
    }

    /// Takes a datagram from the server. Any bytes are safe.
    pub fn on_datagram<'a>(&mut self, now: Millis, datagram: &'a [u8]) -> Incoming<'a> {
        self.shared.on_datagram(core::slice::from_mut(&mut self.exchange), now, datagram).1
    }
}
