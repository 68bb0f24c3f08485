//! The driver over a socket that does what a list says.

extern crate std;

use super::*;
use crate::exchange::TRANSMIT_WAIT_MS;
use crate::message::empty;
use crate::{Code, Encoder, Kind, Token};
use core::future::pending;
use core::task::{Context, Waker};
use ota_hal::Clock;
use ota_testkit::{FakeClock, Rng};
use std::collections::VecDeque;
use std::vec::Vec;

const TOKEN: Token = Token([7, 7, 7, 7]);
const FAR: Millis = Millis(u64::MAX);

/// What the socket does with the next thing that is sent.
#[derive(Clone, Copy, PartialEq)]
enum Sends {
    Well,
    Badly,
    Never,
}

struct Script {
    arriving: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    sends: Sends,
}

impl Datagram for Script {
    type Error = &'static str;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Self::Error> {
        match self.sends {
            Sends::Well => self.sent.push(datagram.to_vec()),
            Sends::Badly => return Err("down"),
            Sends::Never => pending().await,
        }
        Ok(())
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let Some(datagram) = self.arriving.pop_front() else {
            return pending().await;
        };
        buffer.iter_mut().zip(&datagram).for_each(|(to, from)| *to = *from);
        Ok(datagram.len())
    }
}

struct Bench {
    line: Line,
    socket: Script,
    clock: FakeClock,
    rng: Rng,
}

impl Bench {
    fn new(arriving: &[Vec<u8>]) -> Self {
        let mut rng = Rng::new(1);
        let line = Line::new(ExchangeConfig::default(), &mut rng);
        let socket = Script { arriving: arriving.iter().cloned().collect(), sent: Vec::new(), sends: Sends::Well };
        Self { line, socket, clock: FakeClock::new(Millis(1_000)), rng }
    }

    fn begin(&mut self) {
        self.line.endpoint().begin_as(self.clock.now(), true, TOKEN, &mut self.rng).unwrap();
    }

    fn next(&mut self, until: Millis) -> Result<Option<Arrived>, DriveError<&'static str>> {
        let mut buffer = [0; 32];
        let next = self.line.next(&mut self.socket, &self.clock, b"request", &mut buffer, until);
        // The clock never lets anybody wait.
        match pin!(next).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("waits for ever"),
        }
    }
}

/// A message under the token, of 9 bytes and a payload of `len`.
fn message(kind: Kind, id: u16, len: usize) -> Vec<u8> {
    let mut bytes = [0; 64];
    let len = Encoder::new(&mut bytes, kind, Code::CONTENT, id, &TOKEN.0).finish(&[1; 64][..len]).unwrap();
    bytes[..len].to_vec()
}

#[test]
fn waits_no_longer_than_told() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.next(Millis(9_000)), Ok(None));
    assert_eq!(bench.clock.now(), Millis(9_000));
    bench.begin();
    assert_eq!(bench.next(Millis(9_500)), Ok(None));
    assert_eq!((bench.clock.now(), bench.line.is_busy()), (Millis(9_500), true));
    assert_eq!(bench.socket.sent, [b"request"]);
    assert_eq!(bench.next(FAR), Err(DriveError::Exchange(Failure::NoAnswer)));
    assert!(bench.clock.now().since(Millis(9_000)) <= TRANSMIT_WAIT_MS.into());
    assert_eq!((bench.socket.sent.len(), bench.line.is_busy()), (5, false));
}

#[test]
fn acknowledges_before_it_tells() {
    let confirmable = message(Kind::Confirmable, 5, 3);
    let mut bench = Bench::new(&[b"noise".to_vec(), confirmable.clone(), confirmable.clone()]);
    bench.begin();
    assert_eq!(bench.next(FAR), Ok(Some(Arrived::Response(confirmable.len()))));
    assert_eq!(bench.socket.sent, [&b"request"[..], &empty(Kind::Acknowledgement, 5)]);
    assert!(!bench.line.is_busy());
    // The copy is acknowledged too, and told no more.
    assert_eq!(bench.next(Millis(20_000)), Ok(None));
    assert_eq!(bench.socket.sent.len(), 3);

    bench.line.endpoint().watch(TOKEN);
    bench.socket.arriving.push_back(message(Kind::NonConfirmable, 6, 4));
    assert_eq!(bench.next(FAR), Ok(Some(Arrived::Notification(13))));
}

#[test]
fn what_does_not_fit_is_an_error() {
    for len in [23, 40] {
        let mut bench = Bench::new(&[message(Kind::Confirmable, 5, len)]);
        bench.begin();
        assert_eq!(bench.next(FAR), Err(DriveError::Oversize));
        assert!(!bench.line.is_busy());
    }
}

#[test]
fn a_socket_that_sends_nothing_ends_in_time() {
    let mut bench = Bench::new(&[]);
    bench.socket.sends = Sends::Badly;
    bench.begin();
    assert_eq!(bench.next(FAR), Err(DriveError::Link("down")));
    assert!(bench.line.is_busy());
    bench.line.reset();
    assert!(!bench.line.is_busy());

    bench.socket.sends = Sends::Never;
    bench.begin();
    let begun = bench.clock.now();
    assert_eq!(bench.next(FAR), Err(DriveError::Exchange(Failure::NoAnswer)));
    assert!(bench.clock.now().since(begun) <= u64::from(TRANSMIT_WAIT_MS + SEND_MS));

    // An acknowledgement that cannot be sent costs nothing but the peer's patience.
    let mut bench = Bench::new(&[message(Kind::Confirmable, 5, 3)]);
    bench.begin();
    assert_eq!(bench.next(Millis(1_100)), Ok(Some(Arrived::Response(12))));
    bench.socket.sends = Sends::Badly;
    bench.socket.arriving.push_back(message(Kind::Confirmable, 5, 3));
    assert_eq!(bench.next(Millis(5_000)), Ok(None));
}

#[test]
fn a_reset_line_owes_nothing() {
    let mut bench = Bench::new(&[message(Kind::Confirmable, 5, 3)]);
    bench.begin();
    assert_eq!(bench.next(Millis(1_000)), Ok(None));
    // Dropped while the acknowledgement is being sent.
    bench.line.take::<()>(Millis(1_000), 12, &[&message(Kind::Confirmable, 5, 3)[..], &[0]].concat()).unwrap();
    assert!(bench.line.is_busy());
    bench.line.reset();
    bench.socket.arriving.clear();
    bench.socket.sent.clear();
    assert_eq!((bench.next(Millis(2_000)), bench.socket.sent.len()), (Ok(None), 0));
}
