//! Being told of changes: which notifications are news, and until when silence means that nothing changed.
//!
//! The requests are the caller's: a GET with [`REGISTER`] in its Observe option begins an observation, one with
//! [`DEREGISTER`] under the same token ends it, and so does the reset of a notification ([`crate::Endpoint::unwatch`]).
//!
//! # Source
//! RFC 7641 §3.1 to §3.6, §4.2.

use crate::{Code, Kind, Message, option};
use ota_hal::{Entropy, Millis};

/// Observe in a request that begins or renews an observation.
pub const REGISTER: u32 = 0;
/// Observe in a request that ends one.
pub const DEREGISTER: u32 = 1;

/// A notification this much later than the last is news, whatever its number.
const REORDER_MS: u64 = 128_000;
/// Numbers are compared in 24 bits.
const HALF: u32 = 1 << 23;
/// After Max-Age a client waits this long at least, and up to three times as long, so that a server that went away is not
/// asked by all at once (RFC 7641 §3.3.1).
const GRACE_MS: u32 = 5_000;

/// What a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// News.
    Fresh,
    /// Overtaken by one that came before.
    Stale,
    /// The last word: an error, or a response without the option. The server has forgotten us. Register anew, after a
    /// wait if it was an error.
    Ended,
}

/// An observation that a server has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    number: u32,
    at: Millis,
    until: Millis,
}

impl Observation {
    /// The observation that began, or was renewed, with this response; `None` when the server does not do so, or the
    /// response is an error. With an observation, have the endpoint [watch](crate::Endpoint::watch) the request's token.
    pub fn begin(now: Millis, response: &Message<'_>, entropy: &mut dyn Entropy) -> Option<Self> {
        let number = sequence(response)?;
        Some(Self { number, at: now, until: fresh_until(now, response, entropy) })
    }

    /// Judges a notification. The response to a renewed registration begins anew: [`Observation::begin`].
    pub fn on_notification(&mut self, now: Millis, message: &Message<'_>, entropy: &mut dyn Entropy) -> Notice {
        let Some(number) = sequence(message) else {
            return Notice::Ended;
        };
        if !self.is_news(now, number) {
            return Notice::Stale;
        }
        *self = Self { number, at: now, until: fresh_until(now, message, entropy) };
        Notice::Fresh
    }

    /// Whether what was taken for the response to a renewed registration is an older notification, which bears the same
    /// token. The response itself is an acknowledgement, or has the number of the last notification or a later one.
    #[must_use]
    pub fn is_overtaken(&self, now: Millis, message: &Message<'_>) -> bool {
        message.kind != Kind::Acknowledgement
            && sequence(message).is_some_and(|number| number != self.number && !self.is_news(now, number))
    }

    fn is_news(&self, now: Millis, number: u32) -> bool {
        let ahead = number.wrapping_sub(self.number) & (2 * HALF - 1);
        (1..HALF).contains(&ahead) || now.since(self.at) > REORDER_MS
    }

    /// When to renew the registration, under the same token, if nothing came until then: Max-Age has passed. The
    /// response begins a new observation.
    #[must_use]
    pub const fn next_deadline(&self) -> Millis {
        self.until
    }
}

/// The number of a message that says that the observation goes on.
fn sequence(message: &Message<'_>) -> Option<u32> {
    if !matches!(message.code, Code::CONTENT | Code::VALID) {
        return None;
    }
    message.uint(option::OBSERVE)
}

/// When to ask again after this response, observed or not: when Max-Age has passed, and [`grace_ms`]. The caller caps it.
pub fn fresh_until(now: Millis, message: &Message<'_>, entropy: &mut dyn Entropy) -> Millis {
    let age_s = message.uint(option::MAX_AGE).unwrap_or(option::MAX_AGE_DEFAULT);
    now.after(age_s.saturating_mul(1_000)).after(grace_ms(entropy))
}

/// A random wait of 5 to 15 s, in milliseconds.
pub fn grace_ms(entropy: &mut dyn Entropy) -> u32 {
    GRACE_MS + (((entropy.next_u32() >> 16) * (2 * GRACE_MS)) >> 16)
}

#[cfg(test)]
mod tests;
