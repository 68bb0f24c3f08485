//! The client's side of the messages, with a server that may send anything at any time.

use super::Bytes;
use ota_coap::{Code, Endpoint, Event, ExchangeConfig, Step, Token};
use ota_hal::Millis;
use ota_testkit::Rng;

/// A request that is open.
struct Open {
    token: Token,
    id: [u8; 2],
    deadline: Millis,
    sends: u32,
}

struct Run {
    rng: Rng,
    now: Millis,
    endpoint: Endpoint,
    open: Option<Open>,
    last: Option<Token>,
    watched: Option<Token>,
}

/// Two bytes a step, and a datagram behind some: requests end once, in time, with what belongs to them.
pub(super) fn body(data: &[u8]) {
    let mut rng = Rng::new(1);
    let endpoint = Endpoint::new(ExchangeConfig::default(), &mut rng);
    let mut run = Run { rng, now: Millis(7), endpoint, open: None, last: None, watched: None };
    let mut bytes = Bytes(data);
    while let (Some(what), Some(n)) = (bytes.next(), bytes.next()) {
        match what % 8 {
            0 => run.now = run.now.after(u32::from(n) * 397),
            1 => run.begin(n),
            2 => run.poll(),
            3 if n & 1 == 1 => {
                run.endpoint.cancel();
                run.open = None;
            }
            3 => run.watch(n),
            _ => run.hear(what, bytes.take(usize::from(n % 64))),
        }
        assert_eq!(run.endpoint.is_busy(), run.open.is_some(), "open here and not there");
    }
    run.ends();
}

impl Run {
    fn begin(&mut self, n: u8) {
        let (now, confirmable) = (self.now, n & 1 == 0);
        let again = self.last.filter(|_| n & 2 == 2);
        let opening = match again {
            Some(token) => self.endpoint.begin_as(now, confirmable, token, &mut self.rng),
            None => self.endpoint.begin(now, confirmable, &mut self.rng),
        };
        let Ok(opening) = opening else {
            assert!(self.open.is_some(), "busy without a request");
            return;
        };
        assert!(self.open.is_none(), "two requests at a time");
        let (token, mut bytes) = (opening.token(), [0; 32]);
        opening.encode(&mut bytes, Code::GET).finish(b"").expect("it fits");
        let deadline = now.after(ExchangeConfig::default().response_ms);
        self.last = Some(token);
        self.open = Some(Open { token, id: [bytes[2], bytes[3]], deadline, sends: 0 });
    }

    fn watch(&mut self, n: u8) {
        self.watched = self.last.filter(|_| n & 2 == 0);
        match self.watched {
            Some(token) => self.endpoint.watch(token),
            None => self.endpoint.unwatch(),
        }
    }

    /// Until there is nothing to do now.
    fn poll(&mut self) {
        loop {
            match self.endpoint.poll(self.now) {
                Step::Send => {
                    let open = self.open.as_mut().expect("a request to send");
                    open.sends += 1;
                    assert!(open.sends <= 5 && self.now < open.deadline, "sent too often or too late");
                }
                Step::Wait(at) => {
                    let open = self.open.as_ref().expect("a request to wait for");
                    assert!(at > self.now && at <= open.deadline, "a wait that does not end");
                    return;
                }
                Step::Failed(_) => {
                    assert!(self.open.take().is_some_and(|open| open.sends > 0 || self.now >= open.deadline));
                    return;
                }
                Step::Idle => return assert!(self.open.is_none()),
            }
        }
    }

    /// A datagram; unless `what` says otherwise it has the open request's token and message id.
    fn hear(&mut self, what: u8, chunk: &[u8]) {
        let mut datagram = chunk.to_vec();
        if let (0, Some(token), [head, code, high, low, rest @ ..]) = (what & 0x10, self.last, chunk) {
            let [high, low] = self.open.as_ref().filter(|_| what & 0x20 == 0).map_or([*high, *low], |open| open.id);
            datagram = [&[head & 0x30 | 0x44, *code, high, low], &token.0[..], rest].concat();
        }
        let incoming = self.endpoint.on_datagram(self.now, &datagram);
        if let Some(reply) = incoming.reply {
            assert_eq!((datagram[0] >> 4 & 3, &reply[2..]), (0, &datagram[2..4]), "a reply to nothing");
            assert!(matches!(reply[..2], [0x60 | 0x70, 0]));
        }
        match incoming.event {
            Event::Nothing => {}
            Event::Response(message) => {
                let open = self.open.take().expect("a response without a request");
                assert!(open.token.0 == message.token && message.code.is_response(), "another's response");
            }
            Event::Notification(message) => {
                assert!(self.watched.is_some_and(|watched| watched.0 == message.token));
                assert!(self.open.as_ref().is_none_or(|open| open.token.0 != message.token));
            }
            Event::Failed(_) => assert!(self.open.take().is_some(), "nothing failed"),
        }
    }

    /// An open request ends by itself.
    fn ends(&mut self) {
        for _ in 0..16 {
            self.poll();
            let Some(at) = self.endpoint.next_deadline() else { return assert!(self.open.is_none()) };
            self.now = self.now.max(at);
        }
        panic!("a request that does not end");
    }
}

/// A request with its answer piggy-backed, one with a separate answer that comes twice, and an observation.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let answer = b"\x60\x45\0\0\xFFabc";
    let separate = b"\x40\x45\x12\x34\xFFabc";
    let notification = b"\x40\x45\x12\x35\x61\x02\xFFabc";
    vec![
        [&[1, 0, 2, 0, 4, 8][..], answer].concat(),
        [&[1, 0, 2, 0, 0x14, 4, 0x60, 0, 0, 0, 0x24, 8][..], separate, &[0x24, 8], separate].concat(),
        [&[1, 0, 2, 0, 4, 8][..], answer, &[3, 0, 0x24, 10], notification, &[0, 255, 3, 2, 0x24, 10], notification]
            .concat(),
        [&[1, 1, 2, 0, 0, 9, 2, 0, 0, 255, 2, 0, 1, 2][..], &[4, 8], b"\x70\0\0\0\xFFabc"].concat(),
    ]
}
