//! What is known of the offers, and when to ask for them. Pure: messages and times come in.

use crate::OfferError;
use ota_coap::{
    BlockError, Download, ETag, Message, Notice, Observation, Outcome, Szx, Token, Upload, observe, option,
};
use ota_hal::{Entropy, Millis, crc};

/// First wait after a refusal; it doubles.
const WAIT_MS: u32 = 2_000;
/// Longest of them.
const WAIT_MAX_MS: u32 = 300_000;

/// Waits of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) poll_ms: u32,
    pub(super) retry_ms: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Ask for the offers.
    Ask,
    /// Ask for their next block.
    Continue,
    /// Nothing, until then.
    Wait(Millis),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// All that came was told.
    Told,
    /// Blocks come in.
    Fetching(Download),
    /// So many bytes of the body are the offers.
    Whole(usize, ETag),
    /// They do not fit the body.
    TooLarge(ETag),
}

/// The offers, as a resource that changes.
#[derive(Debug)]
pub(super) struct Offers<'x> {
    body: &'x mut [u8],
    state: State,
    /// The representation that was told last.
    seen: ETag,
    observation: Option<Observation>,
    token: Option<Token>,
    szx: Szx,
    ask_at: Millis,
    refusals: u8,
}

impl<'x> Offers<'x> {
    pub(super) const fn new(body: &'x mut [u8]) -> Self {
        Self {
            body,
            state: State::Told,
            seen: ETag::NONE,
            observation: None,
            token: None,
            szx: Szx::MIN,
            ask_at: Millis(0),
            refusals: 0,
        }
    }

    pub(super) const fn token(&self) -> Option<Token> {
        self.token
    }

    pub(super) const fn download(&self) -> Option<&Download> {
        match &self.state {
            State::Fetching(download) => Some(download),
            _ => None,
        }
    }

    pub(super) fn progress(&self, now: Millis) -> Progress {
        match self.state {
            State::Fetching(_) => Progress::Continue,
            _ if now >= self.ask_at => Progress::Ask,
            _ => Progress::Wait(self.ask_at),
        }
    }

    /// They may have changed, or were not fetched to their end.
    pub(super) fn ask_again(&mut self) {
        self.ask_at = Millis(0);
        if matches!(self.state, State::Fetching(_)) {
            self.state = State::Told;
        }
    }

    /// They are to be told whether they have changed or not.
    pub(super) fn tell_again(&mut self) {
        self.seen = ETag::NONE;
        self.ask_again();
    }

    /// A registration begins, with blocks of `szx`.
    pub(super) fn begin(&mut self, token: Token, szx: Szx) -> Result<(), BlockError> {
        self.state = State::Fetching(Download::new(0, szx, ETag::NONE)?);
        (self.token, self.szx) = (Some(token), szx);
        Ok(())
    }

    /// The response to a registration. The token to watch, when the server observes.
    pub(super) fn on_first(
        &mut self,
        now: Millis,
        message: &Message<'_>,
        ask: Ask,
        entropy: &mut dyn Entropy,
    ) -> Option<Token> {
        if self.observation.as_ref().is_some_and(|observation| observation.is_overtaken(now, message)) {
            self.unsure(now, entropy);
            return self.token;
        }
        self.observation = Observation::begin(now, message, entropy);
        let fresh_until = match &self.observation {
            Some(observation) => observation.next_deadline(),
            None => observe::fresh_until(now, message, entropy),
        };
        self.ask_by(fresh_until, now, ask, entropy);
        self.on_block(now, message, ask, entropy);
        self.token.filter(|_| self.observation.is_some())
    }

    /// A block of them.
    pub(super) fn on_block(&mut self, now: Millis, message: &Message<'_>, ask: Ask, entropy: &mut dyn Entropy) {
        match self.put(message) {
            Ok(()) => self.refusals = 0,
            Err(error) => self.failed(now, error, ask, entropy),
        }
    }

    /// Whether a notification is news.
    pub(super) fn on_notification(
        &mut self,
        now: Millis,
        message: &Message<'_>,
        ask: Ask,
        entropy: &mut dyn Entropy,
    ) -> Notice {
        let Some(observation) = &mut self.observation else { return Notice::Stale };
        let notice = observation.on_notification(now, message, entropy);
        match notice {
            Notice::Fresh => {
                let fresh_until = observation.next_deadline();
                self.ask_by(fresh_until, now, ask, entropy);
            }
            Notice::Stale => {}
            Notice::Ended => {
                self.observation = None;
                match judge(message) {
                    Err(error) => self.failed(now, error, ask, entropy),
                    // The server may be about to go away: not at once.
                    Ok(_) => self.wait(now, 0, entropy),
                }
            }
        }
        notice
    }

    /// Takes what a notification holds.
    pub(super) fn on_news(&mut self, now: Millis, message: &Message<'_>, ask: Ask, entropy: &mut dyn Entropy) {
        match Download::new(0, self.szx, ETag::NONE) {
            Ok(download) => self.state = State::Fetching(download),
            Err(_) => return self.ask_again(),
        }
        self.on_block(now, message, ask, entropy);
    }

    /// The answer to a question, where offers are not observed.
    pub(super) fn on_answer(&mut self, now: Millis, message: &Message<'_>, ask: Ask, entropy: &mut dyn Entropy) {
        self.ask_by(Millis(u64::MAX), now, ask, entropy);
        if let Err(error) = judge(message) {
            return self.failed(now, error, ask, entropy);
        }
        self.refusals = 0;
        let more = message.option(option::BLOCK2).is_some_and(|value| value.last().is_some_and(|last| last & 8 != 0));
        self.state = match self.body.get_mut(..message.payload.len()) {
            Some(place) if !more => {
                place.copy_from_slice(message.payload);
                State::Whole(message.payload.len(), ETag::NONE)
            }
            _ => State::TooLarge(ETag::NONE),
        };
    }

    /// The server cannot be asked so.
    pub(super) fn refused(&mut self, now: Millis, ask: Ask, entropy: &mut dyn Entropy) {
        self.observation = None;
        self.failed(now, BlockError::Size, ask, entropy);
    }

    /// A message with them, perhaps the `first`, does not fit the scratch buffer.
    pub(super) fn too_large(&mut self, first: bool, now: Millis, ask: Ask, entropy: &mut dyn Entropy) {
        if first && self.observation.is_some() {
            return self.unsure(now, entropy);
        }
        self.failed(now, BlockError::TooLarge, ask, entropy);
        self.state = State::TooLarge(ETag::NONE);
    }

    /// What came for the response to a renewal may be a notification. The next response is believed, whatever it is.
    fn unsure(&mut self, now: Millis, entropy: &mut dyn Entropy) {
        (self.observation, self.state) = (None, State::Told);
        self.wait(now, 0, entropy);
    }

    /// Moves what has come, whole and new, to the start of `out`: its length.
    pub(super) fn take(&mut self, out: &mut [u8]) -> Option<Result<usize, OfferError>> {
        let (taken, tag) = match self.state {
            State::Whole(len, ETag::NONE) => (Ok(len), self.tag_of(len)),
            State::Whole(len, tag) => (Ok(len), tag),
            State::TooLarge(tag) => (Err(OfferError::TooLarge), tag),
            State::Told | State::Fetching(_) => return None,
        };
        self.state = State::Told;
        if tag != ETag::NONE && core::mem::replace(&mut self.seen, tag) == tag {
            return None;
        }
        Some(taken.and_then(|len| {
            let (place, body) = (out.get_mut(..len), self.body.get(..len));
            place.zip(body).map(|(place, body)| place.copy_from_slice(body)).ok_or(OfferError::TooLarge)?;
            Ok(len)
        }))
    }

    /// What stands for the entity tag of offers that have none.
    fn tag_of(&self, len: usize) -> ETag {
        ETag::new(&crc::update(crc::INIT, self.body.get(..len).unwrap_or_default()).to_be_bytes())
    }

    fn put(&mut self, message: &Message<'_>) -> Result<(), BlockError> {
        let State::Fetching(download) = &mut self.state else { return Ok(()) };
        let piece = download.on_response(message)?;
        let (start, tag) = (piece.offset as usize, download.etag());
        let end = start.saturating_add(piece.bytes.len());
        let known = tag != ETag::NONE && tag == self.seen;
        match self.body.get_mut(start..end) {
            // No more blocks of what was told already.
            _ if known => self.state = State::Told,
            None => self.state = State::TooLarge(tag),
            Some(place) => {
                place.copy_from_slice(piece.bytes);
                if piece.last {
                    self.state = State::Whole(end, tag);
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, now: Millis, error: BlockError, ask: Ask, entropy: &mut dyn Entropy) {
        self.state = State::Told;
        let after_ms = match error.outcome() {
            Outcome::Retry { after_ms } => after_ms.min(ask.retry_ms),
            Outcome::Restart => 0,
            Outcome::Permanent => WAIT_MAX_MS,
        };
        self.wait(now, after_ms, entropy);
    }

    /// Asks again at `at`, or when the longest wait between two questions is over: a Max-Age is not believed for years.
    fn ask_by(&mut self, at: Millis, now: Millis, ask: Ask, entropy: &mut dyn Entropy) {
        self.ask_at = at.min(now.after(ask.poll_ms).after(observe::grace_ms(entropy)));
    }

    /// Waits so long, and half to all of a window that doubles.
    fn wait(&mut self, now: Millis, after_ms: u32, entropy: &mut dyn Entropy) {
        let window = WAIT_MS.checked_shl(u32::from(self.refusals)).unwrap_or(WAIT_MAX_MS).min(WAIT_MAX_MS);
        self.refusals = self.refusals.saturating_add(1).min(16);
        let half = window / 2;
        // The upper part of the number, as a fraction: below 2^32 for any window.
        let jitter = ((entropy.next_u32() >> 20) * half) >> 12;
        self.ask_at = now.after(after_ms).after(half + jitter);
    }
}

/// What the code of a response says: it answers nothing that was sent in blocks.
fn judge(message: &Message<'_>) -> Result<ota_coap::Progress, BlockError> {
    Upload::new(0, Szx::MAX)?.on_response(message)
}
