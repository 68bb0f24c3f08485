//! What all requests to one server share: message ids, the observation, and the judgement of what comes.

use super::one::Exchange;
use super::recent::Recent;
use super::{Event, ExchangeConfig, Failure, Incoming, Opening, Token};
use crate::message::empty;
use crate::{Code, Kind, Message, Reply, option};
use ota_hal::{Entropy, Millis};

#[derive(Debug)]
pub(super) struct Shared {
    config: ExchangeConfig,
    next_id: u16,
    pub(super) watched: Option<Token>,
    recent: Recent,
}

impl Shared {
    pub(super) fn new(config: ExchangeConfig, entropy: &mut dyn Entropy) -> Self {
        Self { config, next_id: entropy.next_u32() as u16, watched: None, recent: Recent::NONE }
    }

    /// A random token that is not in use: not the watched one, nor one of `exchanges`.
    pub(super) fn new_token(&self, exchanges: &[Exchange], entropy: &mut dyn Entropy) -> Token {
        let mut number = entropy.next_u32();
        loop {
            let token = Token(number.to_be_bytes());
            let used = self.watched == Some(token) || exchanges.iter().any(|open| open.has_token(&token.0));
            if !used {
                return token;
            }
            number = number.wrapping_add(1);
        }
    }

    /// Opens a request under the next message id.
    pub(super) fn open(
        &mut self,
        exchange: &mut Exchange,
        now: Millis,
        kind: Kind,
        token: Token,
        entropy: &mut dyn Entropy,
    ) -> Opening {
        let opening = Opening { kind, id: self.next_id, token };
        self.next_id = self.next_id.wrapping_add(1);
        exchange.open(now, &self.config, &opening, entropy.next_u32());
        opening
    }

    /// What a datagram means to the requests that are open, and to which: `exchanges.len()` when to none.
    #[inline(never)]
    pub(super) fn on_datagram<'a>(
        &mut self,
        exchanges: &mut [Exchange],
        now: Millis,
        datagram: &'a [u8],
    ) -> (usize, Incoming<'a>) {
        let none = exchanges.len();
        let message = match Message::decode(datagram) {
            Ok(message) => message,
            Err(malformed) => return (none, nothing(malformed.reply)),
        };
        let asked = match message.kind {
            Kind::Reset | Kind::Acknowledgement => exchanges.iter().position(|open| open.has_id(message.id)),
            Kind::Confirmable | Kind::NonConfirmable => {
                exchanges.iter().position(|open| open.has_token(message.token) && message.code.is_response())
            }
        };
        let exchange = asked.and_then(|at| exchanges.get_mut(at));
        let incoming = match (message.kind, exchange) {
            (Kind::Reset, Some(exchange)) => {
                exchange.close();
                Incoming { reply: None, event: Event::Failed(Failure::Reset) }
            }
            (Kind::Acknowledgement, Some(exchange)) => self.on_acknowledgement(now, message, exchange),
            (Kind::Reset | Kind::Acknowledgement, None) => nothing(Reply::Ignore),
            // A notification that is repeated while its observation is renewed, under the same token.
            (Kind::Confirmable, Some(_)) if self.is_watched(&message) && self.recent.holds(now, message.id) => {
                acknowledged(message.id)
            }
            // Else the open request comes first: what bears its token is the response to it, even under a message id that
            // was seen before (a server that restarted). So each request gets one response, and a repeated one is no second.
            (_, Some(exchange)) => self.accept(now, message, Some(exchange)),
            (_, None) => self.on_message(now, message),
        };
        (asked.unwrap_or(none), incoming)
    }

    fn on_acknowledgement<'a>(&mut self, now: Millis, message: Message<'a>, exchange: &mut Exchange) -> Incoming<'a> {
        if !exchange.is_confirmable() {
            return nothing(Reply::Ignore);
        }
        if message.code == Code::EMPTY {
            exchange.acknowledged();
        } else if exchange.has_token(message.token) {
            return self.accept(now, message, Some(exchange));
        }
        nothing(Reply::Ignore)
    }

    /// A message that answers no open request. A client serves nothing: requests and pings are reset.
    fn on_message<'a>(&mut self, now: Millis, message: Message<'a>) -> Incoming<'a> {
        if !message.code.is_response() || message.token.len() != size_of::<Token>() {
            return nothing(message.rejection());
        }
        if message.kind == Kind::Confirmable && self.recent.holds(now, message.id) {
            return acknowledged(message.id);
        }
        if self.is_watched(&message) { self.accept(now, message, None) } else { nothing(message.rejection()) }
    }

    fn is_watched(&self, message: &Message<'_>) -> bool {
        self.watched.is_some_and(|watched| message.token == watched.0)
    }

    /// Takes the response to an open request, or a notification, unless an option makes it unusable.
    fn accept<'a>(&mut self, now: Millis, message: Message<'a>, exchange: Option<&mut Exchange>) -> Incoming<'a> {
        let open = exchange.is_some();
        if let Some(exchange) = exchange {
            exchange.close();
        }
        if let Some(number) = message.unrecognized(&option::IN_RESPONSES) {
            let event = if open { Event::Failed(Failure::BadOption(number)) } else { Event::Nothing };
            return Incoming { reply: message.rejection().datagram(), event };
        }
        let mut reply = None;
        if message.kind == Kind::Confirmable {
            self.recent.add(now, message.id);
            reply = Some(empty(Kind::Acknowledgement, message.id));
        }
        let event = if open { Event::Response(message) } else { Event::Notification(message) };
        Incoming { reply, event }
    }
}

/// A message that was taken before.
const fn acknowledged<'a>(id: u16) -> Incoming<'a> {
    Incoming { reply: Some(empty(Kind::Acknowledgement, id)), event: Event::Nothing }
}

const fn nothing<'a>(reply: Reply) -> Incoming<'a> {
    Incoming { reply: reply.datagram(), event: Event::Nothing }
}
