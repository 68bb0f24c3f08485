//! A device and its peer, with a network between them and one clock for all: time jumps from event to event.

use crate::{DatagramFaults, Datagrams, Rng};
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use ota_hal::{Clock, Millis};

/// What lies between a device's driver and a peer that is simulated beside it.
///
/// The peer has no thread of its own: whoever waits hands over a `turn`, in which the peer takes what has [arrived](Self::arrived)
/// and [replies](Self::reply).
#[derive(Debug)]
pub struct Network {
    now: Cell<Millis>,
    there: RefCell<Datagrams>,
    back: RefCell<Datagrams>,
    /// Moments that somebody waits for.
    alarms: RefCell<Vec<Millis>>,
    /// Sending takes a while, before the datagram is on its way and after.
    pub slow: Cell<bool>,
}

impl Network {
    /// One with these faults in both directions; the same seed makes the same ones.
    #[must_use]
    pub fn new(faults: DatagramFaults, seed: u64) -> Self {
        let rng = Rng::new(seed);
        Self {
            now: Cell::new(Millis(5_000)),
            there: RefCell::new(Datagrams::new(faults, rng.part(1))),
            back: RefCell::new(Datagrams::new(faults, rng.part(2))),
            alarms: RefCell::default(),
            slow: Cell::default(),
        }
    }

    /// Sets what happens to datagrams that are sent from now on.
    pub fn set_faults(&self, faults: DatagramFaults) {
        self.there.borrow_mut().set_faults(faults);
        self.back.borrow_mut().set_faults(faults);
    }

    /// The next datagram that has arrived at the peer.
    pub fn arrived(&self) -> Option<Vec<u8>> {
        self.there.borrow_mut().receive(self.now.get())
    }

    /// The peer sends a datagram.
    pub fn reply(&self, datagram: &[u8]) {
        self.back.borrow_mut().send(self.now.get(), datagram);
    }

    /// What is on its way to the device is lost: it has another socket.
    pub fn forget(&self) {
        while self.back.borrow_mut().receive(Millis(u64::MAX)).is_some() {}
    }

    /// Time passes in which nobody looks at anything.
    pub fn pass(&self, ms: u32) {
        self.now.set(self.now.get().after(ms));
    }

    /// The device sends a datagram.
    pub async fn send(&self, datagram: &[u8]) {
        if self.slow.get() {
            yielded().await;
        }
        self.there.borrow_mut().send(self.now.get(), datagram);
        if self.slow.get() {
            yielded().await;
        }
    }

    /// The next datagram at the device, cut to the buffer: its length. Dropping the future loses none.
    pub async fn receive(&self, buffer: &mut [u8], turn: impl Fn()) -> usize {
        poll_fn(|_| {
            turn();
            let Some(datagram) = self.back.borrow_mut().receive(self.now.get()) else {
                return Poll::Pending;
            };
            let n = datagram.len().min(buffer.len());
            buffer[..n].copy_from_slice(&datagram[..n]);
            Poll::Ready(n)
        })
        .await
    }

    /// Waits until `at`, in jumps from event to event, and lets others look at each. An alarm of somebody else's is an event,
    /// too, and so is what the peer will do by itself: `due` says when.
    pub async fn wait_until(&self, at: Millis, turn: impl Fn(), due: impl Fn() -> Option<Millis>) {
        let alarm = Alarm::set(self, at);
        // Whoever waits around this one sets the alarm first.
        yielded().await;
        while self.now.get() < at {
            let next = [self.next_at(), due()].into_iter().flatten().min();
            self.now.set(next.unwrap_or(at).min(at).max(self.now.get()));
            turn();
            yielded().await;
        }
        drop(alarm);
    }

    fn next_at(&self) -> Option<Millis> {
        // One that has rung holds the clock until whom it is for has looked.
        let alarm = self.alarms.borrow().iter().copied().min();
        [self.there.borrow().next_at(), self.back.borrow().next_at(), alarm].into_iter().flatten().min()
    }
}

impl Clock for Network {
    fn now(&self) -> Millis {
        self.now.get()
    }
}

/// A moment that somebody waits for.
struct Alarm<'n>(&'n Network, Millis);

impl<'n> Alarm<'n> {
    fn set(network: &'n Network, at: Millis) -> Self {
        network.alarms.borrow_mut().push(at);
        Self(network, at)
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        let mut alarms = self.0.alarms.borrow_mut();
        if let Some(index) = alarms.iter().position(|at| *at == self.1) {
            alarms.swap_remove(index);
        }
    }
}

/// Pending once.
async fn yielded() {
    let mut looked = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if core::mem::replace(&mut looked, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What a future comes to in so many polls; then it is dropped.
pub fn polled<T>(work: impl Future<Output = T>, times: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match work.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Datagrams that are sent again, at growing intervals, until the other side confirms them.
#[derive(Debug, Default)]
pub struct Unconfirmed(Vec<Again>);

#[derive(Debug)]
struct Again {
    at: Millis,
    left: u32,
    wait_ms: u32,
    bytes: Vec<u8>,
}

impl Unconfirmed {
    /// One more, first sent at `at`.
    pub fn push(&mut self, at: Millis, bytes: Vec<u8>) {
        self.0.push(Again { at, left: 5, wait_ms: 2_000, bytes });
    }

    /// These are not sent any more.
    pub fn drop_where(&mut self, confirmed: impl Fn(&[u8]) -> bool) {
        self.0.retain(|again| !confirmed(&again.bytes));
    }

    /// When the next one is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Millis> {
        self.0.iter().map(|again| again.at).min()
    }

    /// Sends those that are due.
    pub fn turn(&mut self, now: Millis, send: impl Fn(&[u8])) {
        for again in self.0.iter_mut().filter(|again| again.at <= now) {
            send(&again.bytes);
            (again.left, again.at) = (again.left - 1, now.after(again.wait_ms));
            again.wait_ms *= 2;
        }
        self.0.retain(|again| again.left > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done<T>(work: impl Future<Output = T>) -> T {
        polled(work, 1_000).expect("it ends")
    }

    #[test]
    fn a_datagram_comes_back_after_both_ways() {
        let faults = DatagramFaults { delay_min_ms: 30, delay_max_ms: 30, ..DatagramFaults::default() };
        let network = Network::new(faults, 1);
        let turn = || {
            while let Some(datagram) = network.arrived() {
                network.reply(&[&datagram[..], b"!"].concat());
            }
        };
        let mut buffer = [0; 4];
        done(network.send(b"ping"));
        done(network.wait_until(Millis(5_059), turn, || None));
        assert_eq!(network.now(), Millis(5_059));
        done(network.wait_until(Millis(5_060), turn, || None));
        assert_eq!((done(network.receive(&mut buffer, turn)), buffer), (4, *b"ping"), "cut to the buffer");
    }

    #[test]
    fn the_clock_stops_at_every_alarm() {
        let network = Network::new(DatagramFaults::default(), 1);
        let mut context = Context::from_waker(Waker::noop());
        let (mut early, mut late) = (
            pin!(network.wait_until(Millis(5_010), || {}, || None)),
            pin!(network.wait_until(Millis(9_000), || {}, || None)),
        );
        // The late one is asked first each time.
        while early.as_mut().poll(&mut context).is_pending() {
            assert!(late.as_mut().poll(&mut context).is_pending());
            assert!(network.now() <= Millis(5_010), "it went past the early one");
        }
        done(late);
        assert_eq!(network.now(), Millis(9_000));
    }

    #[test]
    fn what_is_not_confirmed_is_sent_five_times() {
        let (mut unconfirmed, sent) = (Unconfirmed::default(), Cell::new(0));
        unconfirmed.push(Millis(7), vec![1]);
        while let Some(at) = unconfirmed.next_at() {
            unconfirmed.turn(at, |_| sent.set(sent.get() + 1));
        }
        assert_eq!(sent.get(), 5);
        unconfirmed.push(Millis(7), vec![1]);
        unconfirmed.drop_where(|bytes| bytes == [1]);
        assert_eq!(unconfirmed.next_at(), None);
    }
}
