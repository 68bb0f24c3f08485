extern crate std;

use super::*;
use crate::message::empty;
use crate::option;
use ota_testkit::Rng;
use std::vec::Vec;

const START: Millis = Millis(1_000_000);

/// An endpoint with an open request: the request's bytes, and the time.
struct Open {
    endpoint: Endpoint,
    id: u16,
    token: Token,
    now: Millis,
}

fn open(confirmable: bool) -> Open {
    let mut rng = Rng::new(7);
    let mut endpoint = Endpoint::new(ExchangeConfig::default(), &mut rng);
    let opening = endpoint.begin(START, confirmable, &mut rng).unwrap();
    let (id, token) = (opening.id, opening.token());
    let mut bytes = [0; 16];
    assert_eq!(opening.encode(&mut bytes, Code::GET).finish(b""), Ok(8));
    let kind = if confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
    let request = Message::decode(&bytes[..8]).unwrap();
    assert_eq!((request.kind, request.id, request.token), (kind, id, &token.0[..]));
    assert_eq!(endpoint.poll(START), Step::Send);
    Open { endpoint, id, token, now: START }
}

impl Open {
    fn message(&self, kind: Kind, code: Code, id: u16, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
        let mut bytes = [0; 64];
        let token: &[u8] = if code == Code::EMPTY { &[] } else { &self.token.0 };
        let mut message = Encoder::new(&mut bytes, kind, code, id, token);
        write(&mut message);
        let len = message.finish(b"").unwrap();
        bytes[..len].to_vec()
    }
    fn take(&mut self, datagram: &[u8]) -> (Option<[u8; 4]>, &'static str) {
        let Incoming { reply, event } = self.endpoint.on_datagram(self.now, datagram);
        let event = match event {
            Event::Nothing => "nothing",
            Event::Response(_) => "response",
            Event::Notification(_) => "notification",
            Event::Failed(Failure::Reset) => "reset",
            Event::Failed(Failure::BadOption(_)) => "bad option",
            Event::Failed(_) => "failed",
        };
        (reply, event)
    }
    fn on(&mut self, kind: Kind, code: Code, id: u16) -> (Option<[u8; 4]>, &'static str) {
        let datagram = self.message(kind, code, id, |_| {});
        self.take(&datagram)
    }
    /// Polls at each deadline until something other than waiting.
    fn next(&mut self) -> Step {
        loop {
            match self.endpoint.poll(self.now) {
                Step::Wait(at) => {
                    assert_eq!(self.endpoint.next_deadline(), Some(at));
                    self.now = at;
                }
                step => return step,
            }
        }
    }
}

const ACK: Kind = Kind::Acknowledgement;
const CON: Kind = Kind::Confirmable;
const NON: Kind = Kind::NonConfirmable;

fn reply(kind: Kind, id: u16) -> Option<[u8; 4]> {
    Some(empty(kind, id))
}

/// RFC 7252 §4.2: five transmissions, the waits double, 93 s at the most.
#[test]
fn a_request_without_answer_is_sent_five_times() {
    let mut firsts = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut open = open(true);
        open.endpoint = Endpoint::new(ExchangeConfig::default(), &mut rng);
        open.endpoint.begin(START, true, &mut rng).unwrap();
        let mut sent = Vec::new();
        while open.next() == Step::Send {
            sent.push(open.now.since(START));
        }
        let first = sent[1];
        assert!((2_000..3_000).contains(&first), "{first}");
        firsts.insert(first);
        assert_eq!(sent, [0, first, 3 * first, 7 * first, 15 * first]);
        assert_eq!(open.now.since(START), 31 * first);
        assert!(open.now.since(START) <= u64::from(TRANSMIT_WAIT_MS));
        assert_eq!(open.endpoint.poll(open.now), Step::Idle);
    }
    assert!(firsts.len() > 100 && firsts.first() < Some(&2_050) && firsts.last() > Some(&2_950), "{firsts:?}");
    let mut open = open(true);
    while open.next() == Step::Send {}
    assert!(!open.endpoint.is_busy());
}

/// RFC 7252, figures 16 and 18 to 20.
#[test]
fn a_piggy_backed_response_ends_the_request_once() {
    let mut open = open(true);
    let id = open.id;
    assert_eq!(open.on(ACK, Code::CONTENT, id.wrapping_add(1)), (None, "nothing"));
    assert_eq!(open.on(ACK, Code::CONTENT, id), (None, "response"));
    assert_eq!(open.on(ACK, Code::CONTENT, id), (None, "nothing"));
    assert_eq!(open.endpoint.poll(open.now), Step::Idle);
}

#[test]
fn a_response_under_another_token_does_not_count() {
    let mut open = open(true);
    let (id, token) = (open.id, open.token);
    open.token = Token([9; 4]);
    assert_eq!(open.on(ACK, Code::CONTENT, id), (None, "nothing"));
    assert_eq!(open.on(CON, Code::CONTENT, 5), (reply(Kind::Reset, 5), "nothing"));
    assert_eq!(open.on(NON, Code::CONTENT, 5), (None, "nothing"));
    assert!(matches!(open.endpoint.poll(open.now), Step::Wait(_)));
    open.token = token;
    assert_eq!(open.on(ACK, Code::NOT_FOUND, id), (None, "response"));
}

/// RFC 7252, figures 21 and 22: bare acknowledgement, then the response; repeated, it is acknowledged again.
#[test]
fn a_separate_response_is_acknowledged_as_often_as_it_comes() {
    let mut open = open(true);
    let id = open.id;
    assert_eq!(open.on(ACK, Code::EMPTY, id), (None, "nothing"));
    assert_eq!(open.endpoint.poll(open.now.after(80_000)), Step::Wait(START.after(TRANSMIT_WAIT_MS)));
    assert_eq!(open.on(CON, Code::CONTENT, 0xABCD), (reply(ACK, 0xABCD), "response"));
    assert_eq!(open.on(CON, Code::CONTENT, 0xABCD), (reply(ACK, 0xABCD), "nothing"));
    open.now = open.now.after(250_000);
    assert_eq!(open.on(CON, Code::CONTENT, 0xABCD), (reply(Kind::Reset, 0xABCD), "nothing"));
}

/// The acknowledgement may be lost, or come behind the response (RFC 7252 §5.2.2).
#[test]
fn a_response_stands_for_its_acknowledgement() {
    let mut open = open(true);
    let id = open.id;
    assert_eq!(open.on(NON, Code::CONTENT, 77), (None, "response"));
    assert_eq!(open.on(ACK, Code::EMPTY, id), (None, "nothing"));
}

#[test]
fn a_response_that_does_not_come_is_given_up() {
    let mut open = open(true);
    let id = open.id;
    open.on(ACK, Code::EMPTY, id);
    assert_eq!(open.next(), Step::Failed(Failure::NoResponse));
    assert_eq!(open.now, START.after(TRANSMIT_WAIT_MS));
}

/// RFC 7252, figures 23 and 24.
#[test]
fn a_non_confirmable_request_is_sent_once() {
    let mut open = open(false);
    let id = open.id;
    assert_eq!(open.on(ACK, Code::EMPTY, id), (None, "nothing"));
    assert_eq!(open.next(), Step::Failed(Failure::NoResponse));

    let mut open = self::open(false);
    let id = open.id;
    assert_eq!(open.on(ACK, Code::CONTENT, id), (None, "nothing"), "nothing was to be acknowledged");
    assert_eq!(open.on(NON, Code::CONTENT, 5), (None, "response"));
    let mut open = self::open(false);
    let id = open.id;
    assert_eq!(open.on(Kind::Reset, Code::EMPTY, id), (None, "reset"));
}

#[test]
fn a_reset_ends_the_request_it_names() {
    let mut open = open(true);
    let id = open.id;
    assert_eq!(open.on(Kind::Reset, Code::EMPTY, id ^ 1), (None, "nothing"));
    assert_eq!(open.on(Kind::Reset, Code::EMPTY, id), (None, "reset"));
    assert_eq!(open.on(Kind::Reset, Code::EMPTY, id), (None, "nothing"));
}

#[test]
fn a_response_with_an_unknown_critical_option_is_rejected() {
    for (kind, answer) in [(ACK, None), (CON, reply(Kind::Reset, 3)), (NON, None)] {
        let mut open = open(true);
        let id = if kind == ACK { open.id } else { 3 };
        let datagram = open.message(kind, Code::CONTENT, id, |m| _ = m.option(9, b"oscore"));
        assert_eq!(open.take(&datagram), (answer, "bad option"));
        assert_eq!(open.endpoint.poll(open.now), Step::Idle);
    }
}

#[test]
fn one_request_at_a_time_and_cancelled_ones_are_reset() {
    let mut open = open(true);
    assert_eq!(open.endpoint.begin(START, true, &mut Rng::new(1)), Err(Busy));
    open.endpoint.cancel();
    assert_eq!(open.on(CON, Code::CONTENT, 9), (reply(Kind::Reset, 9), "nothing"));
    let id = open.id;
    assert_eq!(open.on(ACK, Code::CONTENT, id), (None, "nothing"));
    let next = open.endpoint.begin(START, true, &mut Rng::new(1)).unwrap();
    assert_eq!(next.id, id.wrapping_add(1));
    assert_ne!(next.token(), open.token);
}

/// Pings (RFC 7252 §4.3) and requests: a client serves nothing.
#[test]
fn requests_are_reset_or_ignored() {
    let mut open = open(true);
    for code in [Code::EMPTY, Code::GET, Code::POST] {
        assert_eq!(open.on(CON, code, 8), (reply(Kind::Reset, 8), "nothing"));
    }
    assert_eq!(open.on(NON, Code::GET, 8), (None, "nothing"));
    assert_eq!(open.take(b"\x49\x45\x12\x34"), (reply(Kind::Reset, 0x1234), "nothing"));
    assert_eq!(open.take(b"\xFF\xFF"), (None, "nothing"));
}

#[test]
fn notifications_come_while_watched_and_between_other_requests() {
    let mut open = open(true);
    let id = open.id;
    open.on(ACK, Code::CONTENT, id);
    let token = open.token;
    open.endpoint.watch(token);
    open.endpoint.begin(START, true, &mut Rng::new(3)).unwrap();
    assert_eq!(open.on(CON, Code::CONTENT, 20), (reply(ACK, 20), "notification"));
    assert_eq!(open.on(CON, Code::CONTENT, 20), (reply(ACK, 20), "nothing"));
    assert_eq!(open.on(NON, Code::CONTENT, 21), (None, "notification"));
    assert!(open.endpoint.is_busy());
    // Renewed under the same token: what comes is the response, unless it came before.
    open.endpoint.cancel();
    open.endpoint.begin_as(START, true, token, &mut Rng::new(4)).unwrap();
    assert_eq!(open.on(CON, Code::CONTENT, 20), (reply(ACK, 20), "nothing"));
    assert!(open.endpoint.is_busy());
    assert_eq!(open.on(CON, Code::CONTENT, 22), (reply(ACK, 22), "response"));
    open.endpoint.unwatch();
    assert_eq!(open.on(CON, Code::CONTENT, 23), (reply(Kind::Reset, 23), "nothing"));
}

#[test]
fn ids_and_tokens_begin_anywhere() {
    let begun = |seed| {
        let mut rng = Rng::new(seed);
        let opening = Endpoint::new(ExchangeConfig::default(), &mut rng).begin(START, true, &mut rng).unwrap();
        (opening.id, opening.token().0)
    };
    let all: std::collections::BTreeSet<_> = (0..100).map(begun).collect();
    assert_eq!(all.len(), 100);
}

/// No datagram makes a panic, a second response, or more than four bytes of answer.
#[test]
fn hostile_datagrams_are_survived() {
    let mut rng = Rng::new(11);
    for round in 0..3_000 {
        let mut open = open(round % 3 != 0);
        open.endpoint.watch(Token([1; 4]));
        let id = open.id;
        let mut datagram =
            open.message(ACK, Code::CONTENT, id, |m| _ = m.uint(option::BLOCK2, 14).uint(option::SIZE2, 99));
        for _ in 0..=rng.below(3) {
            let at = rng.below(datagram.len() as u32) as usize;
            datagram[at] = rng.byte();
        }
        datagram.truncate(rng.below(datagram.len() as u32 + 1) as usize);
        let ended = matches!(open.take(&datagram).1, "response" | "reset" | "bad option");
        assert_eq!(ended, !open.endpoint.is_busy());
        assert!(!(ended && open.take(&datagram).1 == "response"));
    }
}

/// What the README says of memory. No pointers: the same on a device, or less.
#[test]
fn sizes_in_memory() {
    let sizes = (
        size_of::<Endpoint>(),
        size_of::<crate::Download>(),
        size_of::<crate::Upload>(),
        size_of::<crate::Observation>(),
        size_of::<Window<4>>(),
    );
    assert_eq!(sizes, (80, 24, 12, 24, 128));
}
