//! A byte stream between two ends of one program, with faults.

use crate::Rng;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use std::collections::VecDeque;
use std::rc::Rc;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// In order: reads return 0.
    End,
    /// Broken: reads and writes fail.
    Reset,
}

/// The stream was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkError;

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the simulated stream was reset")
    }
}
impl core::error::Error for LinkError {}
impl Error for LinkError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

/// What happens to the bytes that one end receives. The default is a perfect stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Longest read; 0 for no limit. Each read returns a random length up to it.
    pub chunk_max: usize,
    /// One byte in so many has a random bit flipped; 0 for none.
    pub corrupt_one_in: u32,
    /// One byte in so many is lost; 0 for none.
    pub drop_one_in: u32,
    /// One byte in so many comes twice; 0 for none.
    pub repeat_one_in: u32,
    /// One byte in so many comes after its successor; 0 for none.
    pub reorder_one_in: u32,
    /// So many times a read finds nothing before it finds what has arrived; 0 for at once.
    pub delay_reads: u32,
    /// After this many bytes the stream ends like this, whatever is still to come: with [`Closed::End`] it is truncated.
    pub close_after: Option<(u64, Closed)>,
}

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: Option<Closed>,
    reader: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
    fn close(&mut self, how: Closed) {
        if how == Closed::Reset || self.closed.is_none() {
            self.closed = Some(how);
        }
        self.wake();
    }
}

/// One end of a stream. Dropping it ends the stream for the other end.
///
/// # Examples
/// ```
/// use embedded_io_async::Read;
/// use ota_testkit::{Closed, Faults, Link, Rng};
///
/// let (mut device, mut server) = Link::pair(Rng::new(7));
/// device.set_faults(Faults { chunk_max: 3, close_after: Some((4, Closed::Reset)), ..Faults::default() });
/// server.push(b"HTTP/1.1 200 OK");
/// assert_eq!(device.take(), b"HTTP");
/// ```
#[derive(Debug)]
pub struct Link {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    faults: Faults,
    received: u64,
    waited: u32,
    rng: Rng,
}

impl Link {
    /// Two ends that are connected.
    #[must_use]
    pub fn pair(rng: Rng) -> (Self, Self) {
        let (there, back) = (Rc::new(RefCell::new(Pipe::default())), Rc::new(RefCell::new(Pipe::default())));
        let end = |incoming: &Rc<RefCell<Pipe>>, outgoing: &Rc<RefCell<Pipe>>, number| Self {
            incoming: Rc::clone(incoming),
            outgoing: Rc::clone(outgoing),
            faults: Faults::default(),
            received: 0,
            waited: 0,
            rng: rng.part(number),
        };
        (end(&back, &there, 0), end(&there, &back, 1))
    }

    /// An end that receives `bytes` and then sees the stream end.
    #[must_use]
    pub fn scripted(bytes: &[u8], rng: Rng) -> Self {
        let (link, mut other) = Self::pair(rng);
        other.push(bytes);
        link
    }

    /// Sets what happens to the bytes that this end receives from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }
    /// Sends without waiting.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.bytes.extend(bytes);
        pipe.wake();
    }
    /// Everything that has arrived, without waiting; this end's faults apply.
    pub fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut bytes = [0; 256];
        while let Some(Ok(len @ 1..)) = self.receive(&mut bytes) {
            all.extend(&bytes[..len]);
        }
        all
    }
    /// Ends the stream in both directions. Bytes under way still arrive when it ends in order.
    pub fn close(&mut self, how: Closed) {
        self.incoming.borrow_mut().close(how);
        self.outgoing.borrow_mut().close(how);
    }
    /// How many bytes this end has received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes, or how the stream ended; `None` when there is nothing yet.
    fn receive(&mut self, bytes: &mut [u8]) -> Option<Result<usize, LinkError>> {
        if let Some((after, how)) = self.faults.close_after
            && self.received >= after
        {
            self.close(how);
            self.incoming.borrow_mut().bytes.clear();
        }
        let mut pipe = self.incoming.borrow_mut();
        if pipe.closed == Some(Closed::Reset) {
            return Some(Err(LinkError));
        }
        if bytes.is_empty() {
            return Some(Ok(0));
        }
        if !pipe.bytes.is_empty() && self.waited < self.faults.delay_reads {
            self.waited += 1;
            return None;
        }
        self.waited = 0;
        let limit = match self.faults.chunk_max {
            0 => bytes.len(),
            max => bytes.len().min(1 + self.rng.below(max as u32) as usize),
        };
        let mut len = 0;
        while len < limit && self.faults.close_after.is_none_or(|(after, _)| self.received < after) {
            let Some(byte) = pipe.bytes.pop_front() else {
                break;
            };
            if self.rng.one_in(self.faults.drop_one_in) {
                continue;
            }
            if pipe.bytes.front().is_some() && self.rng.one_in(self.faults.reorder_one_in) {
                let next = pipe.bytes.pop_front();
                pipe.bytes.push_front(byte);
                next.into_iter().for_each(|next| pipe.bytes.push_front(next));
                continue;
            }
            if self.rng.one_in(self.faults.repeat_one_in) {
                pipe.bytes.push_front(byte);
            }
            let flip = if self.rng.one_in(self.faults.corrupt_one_in) { 1 << self.rng.below(8) } else { 0 };
            bytes[len] = byte ^ flip;
            len += 1;
            self.received += 1;
        }
        match (len, pipe.closed) {
            (0, None) => None,
            (len, _) => Some(Ok(len)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.outgoing.borrow_mut().close(Closed::End);
    }
}

impl ErrorType for Link {
    type Error = LinkError;
}

impl Read for Link {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, LinkError> {
        poll_fn(|context| match self.receive(bytes) {
            Some(result) => Poll::Ready(result),
            None => {
                let mut pipe = self.incoming.borrow_mut();
                if !pipe.bytes.is_empty() {
                    // Delayed: nobody else will wake the reader.
                    context.waker().wake_by_ref();
                }
                pipe.reader = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

impl Write for Link {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        if self.outgoing.borrow().closed.is_some() || Rc::strong_count(&self.outgoing) == 1 {
            return Err(LinkError);
        }
        self.push(bytes);
        Ok(bytes.len())
    }
    async fn flush(&mut self) -> Result<(), LinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;
    use core::task::Context;

    fn now<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn bytes_arrive_in_order_and_the_end_is_seen() {
        let (mut a, mut b) = Link::pair(Rng::new(1));
        let mut bytes = [0; 8];
        assert_eq!(now(a.read(&mut bytes)), Poll::Pending);
        assert_eq!(now(b.write(b"hello")), Poll::Ready(Ok(5)));
        assert_eq!(now(a.read(&mut bytes[..3])), Poll::Ready(Ok(3)));
        drop(b);
        assert_eq!(now(a.read(&mut bytes)), Poll::Ready(Ok(2)));
        assert_eq!(now(a.read(&mut bytes)), Poll::Ready(Ok(0)));
        assert_eq!(now(a.write(b"x")), Poll::Ready(Err(LinkError)));
    }

    #[test]
    fn closes_at_the_byte_it_was_told() {
        for (how, then) in [(Closed::End, Ok(0)), (Closed::Reset, Err(LinkError))] {
            for after in 0..=4 {
                let mut link = Link::scripted(b"abcdef", Rng::new(2));
                link.set_faults(Faults { close_after: Some((after, how)), ..Faults::default() });
                let mut bytes = [0; 9];
                if after > 0 {
                    assert_eq!(now(link.read(&mut bytes)), Poll::Ready(Ok(after as usize)));
                }
                assert_eq!(now(link.read(&mut bytes)), Poll::Ready(then), "{how:?} after {after}");
            }
        }
    }

    #[test]
    fn faults_follow_from_the_seed() {
        let received = |seed| {
            let mut link = Link::scripted(&[0; 400], Rng::new(seed));
            link.set_faults(Faults {
                chunk_max: 7,
                corrupt_one_in: 20,
                drop_one_in: 20,
                repeat_one_in: 30,
                ..Faults::default()
            });
            link.take()
        };
        assert_eq!(received(3), received(3));
        assert_ne!(received(3), received(4));
        assert!(received(3).iter().any(|byte| *byte != 0));
    }

    #[test]
    fn bytes_change_places_and_none_is_lost() {
        let bytes: Vec<u8> = (0..200).collect();
        let mut link = Link::scripted(&bytes, Rng::new(6));
        link.set_faults(Faults { reorder_one_in: 5, ..Faults::default() });
        let mut received = link.take();
        assert_ne!(received, bytes);
        let moved = received.iter().zip(&bytes).filter(|(got, sent)| got != sent).count();
        assert!((20..160).contains(&moved), "{moved}");
        received.sort_unstable();
        assert_eq!(received, bytes);
    }

    #[test]
    fn delayed_bytes_arrive_later() {
        let mut link = Link::scripted(b"late", Rng::new(7));
        link.set_faults(Faults { delay_reads: 3, ..Faults::default() });
        let mut bytes = [0; 8];
        for _ in 0..3 {
            assert_eq!(now(link.read(&mut bytes)), Poll::Pending);
        }
        assert_eq!(now(link.read(&mut bytes)), Poll::Ready(Ok(4)));
        assert_eq!(now(link.read(&mut bytes)), Poll::Ready(Ok(0)));
    }

    #[test]
    fn short_reads() {
        let mut link = Link::scripted(&[9; 100], Rng::new(5));
        link.set_faults(Faults { chunk_max: 4, ..Faults::default() });
        let mut bytes = [0; 50];
        while let Poll::Ready(Ok(len @ 1..)) = now(link.read(&mut bytes)) {
            assert!(len <= 4);
        }
        assert_eq!(link.received(), 100);
    }
}
