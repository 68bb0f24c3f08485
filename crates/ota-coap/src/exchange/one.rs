//! One request: when to send it, and when to give it up.

use super::{ExchangeConfig, Failure, Opening, Step, Token};
use crate::Kind;
use ota_hal::Millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// To be sent, and again until acknowledged.
    Sending,
    /// Sent, and no more to be sent.
    Waiting,
}

#[derive(Debug, Clone)]
pub(super) struct Exchange {
    phase: Phase,
    kind: Kind,
    id: u16,
    token: Token,
    sends_left: u8,
    timeout_ms: u32,
    send_at: Millis,
    deadline: Millis,
}

impl Exchange {
    pub(super) const IDLE: Self = Self {
        phase: Phase::Idle,
        kind: Kind::Confirmable,
        id: 0,
        token: Token([0; 4]),
        sends_left: 0,
        timeout_ms: 0,
        send_at: Millis(0),
        deadline: Millis(0),
    };

    /// Opens it. `chance` is any number.
    pub(super) fn open(&mut self, now: Millis, config: &ExchangeConfig, opening: &Opening, chance: u32) {
        let timeout_ms = u32::from(config.ack_timeout_ms);
        // The upper half of the number, as a fraction of half the timeout: below 2^32 for any timeout.
        let jitter_ms = ((chance >> 16) * (timeout_ms / 2)) >> 16;
        *self = Self {
            phase: Phase::Sending,
            kind: opening.kind,
            id: opening.id,
            token: opening.token,
            sends_left: config.retransmit_max.saturating_add(1),
            timeout_ms: timeout_ms + jitter_ms,
            send_at: now,
            deadline: now.after(config.response_ms),
        };
    }

    /// The header of its message.
    pub(super) const fn opening(&self) -> Opening {
        Opening { kind: self.kind, id: self.id, token: self.token }
    }

    pub(super) const fn close(&mut self) {
        self.phase = Phase::Idle;
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether it is open under this message id.
    pub(super) fn has_id(&self, id: u16) -> bool {
        self.is_open() && self.id == id
    }

    /// Whether it is open under this token.
    pub(super) fn has_token(&self, token: &[u8]) -> bool {
        self.is_open() && self.token.0 == token
    }

    pub(super) fn is_confirmable(&self) -> bool {
        self.kind == Kind::Confirmable
    }

    /// It need not be sent again.
    pub(super) const fn acknowledged(&mut self) {
        self.phase = Phase::Waiting;
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        match self.phase {
            Phase::Idle => None,
            Phase::Sending => Some(self.send_at.min(self.deadline)),
            Phase::Waiting => Some(self.deadline),
        }
    }

    #[inline(never)]
    pub(super) fn poll(&mut self, now: Millis) -> Step {
        let Some(next) = self.next_deadline() else {
            return Step::Idle;
        };
        if now < next {
            return Step::Wait(next);
        }
        let waiting = self.phase == Phase::Waiting;
        if now >= self.deadline || self.sends_left == 0 {
            self.phase = Phase::Idle;
            return Step::Failed(if waiting { Failure::NoResponse } else { Failure::NoAnswer });
        }
        if self.kind == Kind::NonConfirmable {
            self.phase = Phase::Waiting;
        }
        self.sends_left -= 1;
        self.send_at = now.after(self.timeout_ms);
        self.timeout_ms = self.timeout_ms.saturating_mul(2);
        Step::Send
    }
}
