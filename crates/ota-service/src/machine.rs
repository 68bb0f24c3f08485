//! The state machine of one update: pure, without flash, socket or clock.
//!
//! Facts come in as [`Event`]s, together with the present moment and a random number. What is to happen at once comes
//! out as an [`Effect`]; what is wished for as long as the state lasts is [`Machine::wish`]. Two machines with the
//! same state behave the same: the unit tests explore all of it.
//!
//! ```text
//!            offer              accept            opened             envelope accepted
//!   Idle ──────────► Deciding ─────────► Opening ────────► Receiving ────────┐ (payload: again from Opening)
//!                    │     ▲             ▲  │ fault          │ fault         ▼
//!              defer ▼     │ until       │  └──► BackingOff ◄┘           Verifying
//!                   Deferred             └─────────┘ until                  │ proven
//!                                                                           ▼
//!   Idle ◄── confirmed ── Trial ◄═══════ reset ═══════ Resetting ◄─────── Staged
//!                           │ gate                              welcome
//!                           └──────► RollingBack ══ reset
//! ```
//! From every state but the last four a refusal, a fault that cannot be retried, or a cancel leads to `Idle`;
//! `Staged` and `Resetting` return there when the staged image was withdrawn.

#[cfg(test)]
mod explore;
mod facts;
mod gates;
mod reporter;
#[cfg(test)]
mod tests;
pub use facts::{Effect, Event, Found, Part, State, Why, Wish};
pub use gates::{Judge, Verdict};
pub use reporter::{Item, Reporter};

use crate::Timing;
use ota_boot::RollbackReason;
use ota_download::{Backoff, Failure, jitter_ms};
use ota_hal::{Entropy, Millis};

/// See the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    state: State,
    source_open: bool,
    ticket: u32,
    retry: Backoff,
    restarts_left: u8,
    restarts_max: u8,
    timing: Timing,
}

/// How often storing the accept is tried before the device restarts and the loader decides.
const STORE_TRIES: u8 = 5;

struct Drawn(u32);
impl Entropy for Drawn {
    fn next_u32(&mut self) -> u32 {
        self.0
    }
}

impl Machine {
    /// An idle machine.
    pub const fn new(timing: Timing, retry: Backoff, restarts: u8) -> Self {
        let state = State::Idle;
        Self { state, source_open: false, ticket: 0, retry, restarts_left: restarts, restarts_max: restarts, timing }
    }

    /// Where the update stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a job or a trial is under way.
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What is wished for now.
    pub fn wish(&self, now: Millis) -> Wish {
        let fetching = matches!(self.state, State::Opening { .. } | State::Receiving { .. });
        if self.source_open && !fetching {
            return Wish::Close;
        }
        match self.state {
            State::Idle => Wish::Wait(None),
            State::Deciding => Wish::Decide,
            State::Deferred { until } | State::BackingOff { until, .. } => Wish::Wait(Some(until)),
            State::Opening { part, until } => Wish::Open { part, ticket: self.ticket, until },
            State::Receiving { until, .. } => Wish::Read { until },
            State::Verifying => Wish::Verify,
            State::Staged { ask_at } if now < ask_at => Wish::Wait(Some(ask_at)),
            State::Staged { .. } => Wish::AskReset,
            State::Trial { check_at, .. } if now < check_at => Wish::Wait(Some(check_at)),
            State::Trial { .. } => Wish::CheckGates,
            State::Resetting | State::RollingBack => Wish::Reset,
        }
    }

    /// Takes a fact. `random` is a fresh random number. Facts that do not fit the state change nothing: they are
    /// late answers to something that was given up.
    pub fn on(&mut self, event: Event, now: Millis, random: u32) -> Effect {
        match event {
            Event::Offer { known } => return self.on_offer(known),
            Event::Cancel => return self.on_cancel(),
            Event::Closed => {
                self.source_open = false;
                return Effect::None;
            }
            _ => {}
        }
        match (self.state, event) {
            (State::Idle, Event::Start(found)) => self.start(found, now, random),
            (State::Deciding, Event::Accept) => self.begin(now, random),
            (State::Deciding, Event::Defer { ms }) => self.go(State::Deferred { until: now.after(ms) }),
            (State::Deferred { until }, Event::Tick) if now >= until => self.go(State::Deciding),

            (State::Opening { part, .. }, Event::Opened) => {
                self.source_open = true;
                self.go(State::Receiving { part, until: now.after(self.timing.read_ms) })
            }
            (State::Receiving { part, .. }, Event::Moved) => {
                self.go(State::Receiving { part, until: now.after(self.timing.read_ms) })
            }
            (State::Receiving { .. }, Event::Stored) => {
                self.retry.on_progress();
                Effect::None
            }
            (State::Receiving { part: Part::Envelope, .. }, Event::EnvelopeAccepted) => self.open(Part::Payload, now),
            (State::Receiving { part: Part::Payload, .. }, Event::Complete) => self.go(State::Verifying),
            (State::Opening { part, until } | State::Receiving { part, until }, Event::Tick) if now >= until => {
                self.fault(part, Failure::Retry { after_ms: 0 }, now, random)
            }
            (State::Opening { part, .. } | State::Receiving { part, .. }, Event::Fault(failure)) => {
                self.fault(part, failure, now, random)
            }
            (State::BackingOff { part, until }, Event::Tick) if now >= until => self.open(part, now),

            (State::Verifying, Event::Proven) => self.go(State::Staged { ask_at: now }),
            (State::Verifying, Event::Applied) => self.end(Why::Applied),
            (State::Verifying | State::Receiving { part: Part::Payload, .. }, Event::Damaged) => {
                if self.restarts_left == 0 {
                    return self.end(Why::Refused);
                }
                self.fault(Part::Payload, Failure::Restart, now, random)
            }
            (
                State::Deciding
                | State::Opening { .. }
                | State::Receiving { .. }
                | State::BackingOff { .. }
                | State::Verifying,
                Event::Refused,
            ) => self.end(Why::Refused),

            (State::Staged { .. }, Event::ResetWelcome(true)) => self.go(State::Resetting),
            (State::Staged { .. }, Event::ResetWelcome(false)) => {
                self.go(State::Staged { ask_at: now.after(self.timing.reset_ask_ms) })
            }
            (State::Staged { .. } | State::Resetting, Event::Withdrawn) => self.end(Why::Cancelled),

            (State::Trial { stores_left, .. }, event) => self.on_trial(event, stores_left, now),
            _ => Effect::None,
        }
    }

    fn on_offer(&mut self, known: bool) -> Effect {
        match self.state {
            State::Idle => self.go(State::Deciding),
            _ if known => Effect::Repeat,
            _ => Effect::Busy,
        }
    }

    fn on_cancel(&mut self) -> Effect {
        match self.state {
            State::Idle | State::RollingBack => Effect::None,
            // The image on trial already replaced the job; giving it up is a request of its own.
            State::Trial { .. } => Effect::Repeat,
            State::Staged { .. } | State::Resetting => Effect::Withdraw,
            _ => self.end(Why::Cancelled),
        }
    }

    fn on_trial(&mut self, event: Event, stores_left: u8, now: Millis) -> Effect {
        let check_at = now.after(self.timing.gate_check_ms);
        match event {
            Event::Gates(Verdict::Pending) => self.go(State::Trial { check_at, stores_left }),
            Event::Gates(Verdict::Pass) => {
                self.state = State::Trial { check_at, stores_left };
                Effect::Confirm
            }
            Event::Gates(Verdict::Failed(gate)) => self.roll_back(RollbackReason::GateFailed(gate)),
            Event::Gates(Verdict::TimedOut(gate)) => self.roll_back(RollbackReason::GateTimeout(gate)),
            Event::GiveUp(reason) => self.roll_back(reason),
            Event::Confirmed => self.go(State::Idle),
            Event::NotStored => match stores_left.checked_sub(1) {
                Some(stores_left) => self.go(State::Trial { check_at, stores_left }),
                // Neither accept nor rollback can be stored: the loader spends an attempt and decides.
                None => self.roll_back(RollbackReason::Requested),
            },
            _ => Effect::None,
        }
    }

    fn start(&mut self, found: Found, now: Millis, random: u32) -> Effect {
        match found {
            Found::Nothing => Effect::None,
            Found::Deferred => self.go(State::Deciding),
            Found::Accepted => self.begin(now, random),
            Found::Partial => self.open(Part::Payload, now),
            Found::Complete => self.go(State::Verifying),
            Found::Staged => self.go(State::Staged { ask_at: now }),
            Found::Trial => self.go(State::Trial { check_at: now, stores_left: STORE_TRIES }),
        }
    }

    /// A fresh job: the first request waits for a random part of the hold-off.
    fn begin(&mut self, now: Millis, random: u32) -> Effect {
        self.retry.on_progress();
        self.restarts_left = self.restarts_max;
        match jitter_ms(random, self.timing.hold_off_ms) {
            0 => self.open(Part::Envelope, now),
            ms => self.go(State::BackingOff { part: Part::Envelope, until: now.after(ms) }),
        }
    }

    fn open(&mut self, part: Part, now: Millis) -> Effect {
        self.ticket = self.ticket.wrapping_add(1);
        self.go(State::Opening { part, until: now.after(self.timing.open_ms) })
    }

    fn fault(&mut self, part: Part, failure: Failure, now: Millis, random: u32) -> Effect {
        let (part, after_ms) = match failure {
            Failure::Permanent => return self.end(Why::Permanent),
            Failure::Retry { after_ms } => (part, after_ms),
            Failure::Restart => match self.restarts_left.checked_sub(1) {
                Some(left) => {
                    self.restarts_left = left;
                    (Part::Envelope, 0)
                }
                None => return self.end(Why::RestartsUsedUp),
            },
        };
        let Some(ms) = self.retry.next_wait_ms(&mut Drawn(random), after_ms) else {
            return self.end(Why::TriesUsedUp);
        };
        self.state = State::BackingOff { part, until: now.after(ms) };
        if failure == Failure::Restart { Effect::Restart } else { Effect::Waiting { ms } }
    }

    fn roll_back(&mut self, reason: RollbackReason) -> Effect {
        self.state = State::RollingBack;
        Effect::RollBack(reason)
    }

    fn end(&mut self, why: Why) -> Effect {
        self.state = State::Idle;
        Effect::End(why)
    }

    fn go(&mut self, state: State) -> Effect {
        self.state = state;
        Effect::None
    }
}
