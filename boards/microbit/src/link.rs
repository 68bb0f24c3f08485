//! One request, one answer: the line as the application's halves share it.
//!
//! The device asks, the other side answers; it never speaks unasked. So nothing arrives while flash is written, which
//! stops the processor longer than the receiver can hold bytes. A request without an answer is sent again under the same
//! sequence number, without end: how long to wait is the caller's business.

use crate::frame::{self, Receiver};
use core::task::Poll;
use ota_hal::Millis;

/// The bytes of a line.
pub trait Wire {
    /// Sends one; may wait for it.
    fn send(&mut self, byte: u8);
    /// Takes one that arrived.
    fn receive(&mut self) -> Option<u8>;
}

/// Whose exchange it is: one future's, or that of all who ask for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(u16);

/// Whoever asks for events: any of them may take what another asked for.
pub const EVENTS: Owner = Owner(0);

/// After this long a request is sent again.
pub const RESEND_MS: u64 = 300;
/// Answers have the request's kind and this bit.
const ANSWER: u8 = 0x80;
/// In an answer's first byte: there is an event to ask for. The other bits are the status.
const EVENT_WAITS: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Idle,
    Asked {
        owner: Owner,
        kind: u8,
        since: Millis,
    },
    /// The receiver holds the answer. `passed`: somebody else wanted the line already.
    Answered {
        owner: Owner,
        passed: bool,
    },
}

/// The line.
#[derive(Debug)]
pub struct Link<W> {
    wire: W,
    receiver: Receiver,
    turn: Turn,
    sequence: u8,
    owners: u16,
    event_waits: bool,
    /// When the last exchange ended.
    quiet_since: Millis,
}

impl<W: Wire> Link<W> {
    /// A line on which nothing was said. `seed` tells this start's sequence numbers from the last one's.
    pub fn new(wire: W, seed: u8) -> Self {
        Self {
            wire,
            receiver: Receiver::default(),
            turn: Turn::Idle,
            sequence: seed,
            owners: 0,
            event_waits: false,
            quiet_since: Millis(0),
        }
    }

    /// Whose the next exchange is.
    pub fn owner(&mut self) -> Owner {
        self.owners = self.owners.checked_add(1).unwrap_or(1);
        Owner(self.owners)
    }

    /// Asks, asks again, and is ready when [`Self::answer`] is the answer. Call again with the same arguments until then.
    /// While the line is another's, waits; an exchange whose owner is gone is given up.
    pub fn poll(&mut self, owner: Owner, kind: u8, parts: &[&[u8]], now: Millis) -> Poll<()> {
        self.pump();
        match &mut self.turn {
            Turn::Answered { owner: of, .. } if *of == owner => return Poll::Ready(()),
            // Its owner gets one more turn to take it.
            Turn::Answered { passed, .. } if !*passed => *passed = true,
            Turn::Answered { .. } | Turn::Idle => {
                self.sequence = self.sequence.wrapping_add(1);
                self.ask(owner, kind, parts, now);
            }
            Turn::Asked { owner: of, since, .. } if now.since(*since) >= RESEND_MS => {
                if *of == owner {
                    self.ask(owner, kind, parts, now);
                } else {
                    self.turn = Turn::Idle;
                }
            }
            Turn::Asked { .. } => {}
        }
        Poll::Pending
    }

    fn ask(&mut self, owner: Owner, kind: u8, parts: &[&[u8]], now: Millis) {
        self.receiver.clear();
        // What still arrives belongs to an older request.
        while self.wire.receive().is_some() {}
        frame::write(kind, self.sequence, parts, |byte| self.wire.send(byte));
        self.turn = Turn::Asked { owner, kind, since: now };
    }

    /// Takes what arrived; whether there was anything, and more is to come.
    pub fn pump(&mut self) -> bool {
        let mut took = false;
        while let Turn::Asked { owner, kind, .. } = self.turn {
            let Some(byte) = self.wire.receive() else { return took };
            took = true;
            if !self.receiver.push(byte) {
                continue;
            }
            let Some(frame) = self.receiver.frame() else { continue };
            if let (true, [status, ..]) =
                (frame.kind == kind | ANSWER && frame.sequence == self.sequence, frame.payload)
            {
                self.event_waits = status & EVENT_WAITS != 0;
                self.turn = Turn::Answered { owner, passed: false };
            }
        }
        false
    }

    /// Status and body of the answer that [`Self::poll`] was ready for.
    pub fn answer(&self) -> (u8, &[u8]) {
        match self.receiver.frame().map(|frame| frame.payload) {
            Some([status, body @ ..]) => (status & !EVENT_WAITS, body),
            _ => (!EVENT_WAITS, &[]),
        }
    }

    /// The answer was taken: the line is free.
    pub fn done(&mut self, now: Millis) {
        self.turn = Turn::Idle;
        self.quiet_since = now;
    }

    /// Whether events are to be asked for: the other side says there is one, nobody said anything for `quiet_ms`, or
    /// they were asked for already.
    pub fn events_due(&self, quiet_ms: u64, now: Millis) -> bool {
        match self.turn {
            Turn::Asked { owner, .. } | Turn::Answered { owner, .. } if owner == EVENTS => true,
            _ => self.event_waits || now.since(self.quiet_since) >= quiet_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    /// Answers each request with its payload behind a status, or not at all.
    #[derive(Default)]
    struct Echo {
        receiver: Receiver,
        out: VecDeque<u8>,
        asked: Vec<(u8, u8)>,
        deaf: u32,
        status: u8,
    }
    impl Wire for Echo {
        fn send(&mut self, byte: u8) {
            if self.receiver.push(byte) {
                let frame = self.receiver.frame().unwrap();
                self.asked.push((frame.kind, frame.sequence));
                if self.deaf > 0 {
                    self.deaf -= 1;
                    return;
                }
                let out = &mut self.out;
                frame::write(frame.kind | ANSWER, frame.sequence, &[&[self.status], frame.payload], |b| {
                    out.push_back(b)
                });
            }
        }
        fn receive(&mut self) -> Option<u8> {
            self.out.pop_front()
        }
    }
    fn link() -> Link<Echo> {
        Link::new(Echo::default(), 9)
    }
    const NOW: Millis = Millis(1000);

    #[test]
    fn a_lost_answer_is_asked_for_again_under_the_same_number() {
        let mut link = link();
        link.wire.deaf = 2;
        let owner = link.owner();
        for ms in [0, 1, RESEND_MS, RESEND_MS + 5, 2 * RESEND_MS] {
            assert_eq!(link.poll(owner, 4, &[b"ab", b"c"], NOW.after(ms as u32)), Poll::Pending);
        }
        assert_eq!(link.poll(owner, 4, &[b"ab", b"c"], NOW), Poll::Ready(()));
        assert_eq!(link.answer(), (0, &b"abc"[..]));
        assert_eq!(link.wire.asked, [(4, 10); 3]);
    }

    #[test]
    fn nobody_takes_an_answer_that_is_not_his() {
        let mut link = link();
        let [first, second] = [link.owner(), link.owner()];
        assert_eq!(link.poll(first, 4, &[b"first"], NOW), Poll::Pending);
        // The first one is gone; its answer is passed over once, then dropped.
        assert_eq!(link.poll(second, 4, &[b"second"], NOW), Poll::Pending);
        assert_eq!(link.poll(second, 4, &[b"second"], NOW), Poll::Pending);
        assert_eq!(link.poll(second, 4, &[b"second"], NOW), Poll::Ready(()));
        assert_eq!(link.answer(), (0, &b"second"[..]));
        assert_eq!(link.wire.asked, [(4, 10), (4, 11)]);
    }

    #[test]
    fn a_request_whose_owner_is_gone_is_given_up() {
        let mut link = link();
        link.wire.deaf = 1;
        let [gone, next] = [link.owner(), link.owner()];
        assert_eq!(link.poll(gone, 4, &[], NOW), Poll::Pending);
        let late = NOW.after(RESEND_MS as u32);
        for _ in 0..2 {
            assert_eq!(link.poll(next, 3, &[], late), Poll::Pending);
        }
        assert_eq!(link.poll(next, 3, &[], late), Poll::Ready(()));
    }

    #[test]
    fn events_are_due_when_announced_when_quiet_and_while_asked_for() {
        let mut link = link();
        link.wire.status = EVENT_WAITS;
        let owner = link.owner();
        link.done(NOW);
        assert!(!link.events_due(250, NOW));
        assert!(link.events_due(250, NOW.after(250)));
        let _ = link.poll(owner, 4, &[], NOW);
        assert_eq!(link.poll(owner, 4, &[], NOW), Poll::Ready(()));
        link.done(NOW);
        assert!(link.events_due(250, NOW));
        link.wire.status = 0;
        let _ = link.poll(EVENTS, 1, &[], NOW);
        link.event_waits = false;
        assert!(link.events_due(250, NOW));
    }
}
