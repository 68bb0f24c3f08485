//! Blocks that are asked for ahead of their turn, and wait for it.

use core::ops::Range;
use ota_coap::{BlockError, Busy, Code, Download, Endpoint, Mark, Message, Step, Window};
use ota_hal::{Entropy, Millis};

/// A part of the store as large as a block, and the request of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Free,
    /// The block that begins there was asked for.
    Asked(u32),
    /// A block is here.
    Held(Held),
    /// It is being read.
    Read,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    at: u32,
    len: u32,
    /// The download as it is behind it.
    behind: Download,
    /// Whether the object ends behind it.
    last: bool,
}

/// Up to `W` blocks, each in its place, behind the front: the [`Download`] of what was taken in order.
#[derive(Debug)]
pub(super) struct Ahead<const W: usize> {
    window: Window<W>,
    places: [Place; W],
    /// The first byte that was not asked for.
    next: u32,
    /// The block at `next` was refused before its turn: nothing is asked for until its turn has come.
    alone: bool,
}

impl<const W: usize> Ahead<W> {
    pub(super) const fn new() -> Self {
        Self { window: Window::new(), places: [const { Place::Free }; W], next: 0, alone: false }
    }

    pub(super) const fn window(&mut self) -> &mut Window<W> {
        &mut self.window
    }

    /// Moves the front behind the block whose turn it is, if that is here: its bytes in the store, and whether it is the
    /// last. What was read before is free again.
    pub(super) fn turn(&mut self, front: &mut Download) -> Option<(Range<usize>, bool)> {
        for place in self.places.iter_mut().filter(|place| **place == Place::Read) {
            *place = Place::Free;
        }
        let size = front.szx().bytes() as usize;
        let due = |place: &Place| matches!(place, Place::Held(held) if held.at == front.at());
        let n = self.places.iter().position(due)?;
        let place = self.places.get_mut(n)?;
        let Place::Held(held) = core::mem::replace(place, Place::Read) else { return None };
        *front = held.behind;
        Some((n * size..n * size + held.len as usize, held.last))
    }

    /// Opens requests for the blocks that come next, before `end`, in the free ones of the first `places`.
    pub(super) fn ask(
        &mut self,
        front: &Download,
        end: u32,
        places: usize,
        endpoint: &mut Endpoint,
        now: Millis,
        entropy: &mut dyn Entropy,
    ) -> Result<(), Busy> {
        let size = front.szx().bytes();
        self.next = self.next.max(front.at());
        for (n, place) in self.places.iter_mut().enumerate().take(places) {
            let ahead = self.next > front.at();
            if ahead && (self.alone || self.next >= end || front.ahead(self.next).is_none()) {
                break;
            }
            if *place == Place::Free {
                self.window.begin(endpoint, n, now, entropy)?;
                *place = Place::Asked(self.next);
                self.next = (self.next & !(size - 1)).saturating_add(size);
            }
        }
        Ok(())
    }

    /// What the window wants next.
    pub(super) fn poll(&mut self, now: Millis) -> (usize, Step) {
        self.window.poll(now)
    }

    /// Writes the request of `place`; its length, or `None` when it does not fit.
    pub(super) fn write(&self, n: usize, front: &Download, bytes: &mut [u8], mark: Mark) -> Option<usize> {
        let Place::Asked(at) = self.places.get(n)? else { return None };
        let mut message = self.window.opening(n)?.encode_again(bytes, Code::GET, mark);
        front.ahead(*at)?.write(&mut message);
        message.finish(b"").ok()
    }

    /// Puts the block that came for `place` into the store. One that is refused before its turn is asked for again then.
    pub(super) fn on_response(
        &mut self,
        n: usize,
        message: &Message<'_>,
        front: &Download,
        store: &mut [u8],
    ) -> Result<(), BlockError> {
        let Some(Place::Asked(at)) = self.places.get(n).cloned() else { return Ok(()) };
        match judge(at, message, front) {
            Ok((held, bytes)) => {
                let start = n * front.szx().bytes() as usize;
                for (to, from) in store.iter_mut().skip(start).zip(bytes) {
                    *to = *from;
                }
                self.alone &= at != front.at();
                self.places.get_mut(n).into_iter().for_each(|place| *place = Place::Held(held.clone()));
                Ok(())
            }
            Err(_) if at > front.at() => {
                self.drop_from(at);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets what was asked for and held from `at` on.
    fn drop_from(&mut self, at: u32) {
        for (n, place) in self.places.iter_mut().enumerate() {
            let from = match place {
                Place::Asked(from) | Place::Held(Held { at: from, .. }) => *from,
                Place::Free | Place::Read => continue,
            };
            if from >= at {
                self.window.cancel(n);
                *place = Place::Free;
            }
        }
        (self.next, self.alone) = (at, true);
    }
}

/// A block of the same object and size as those before it.
fn judge<'a>(at: u32, message: &Message<'a>, front: &Download) -> Result<(Held, &'a [u8]), BlockError> {
    let mut behind = front.ahead(at).ok_or(BlockError::TooLarge)?;
    let piece = behind.on_response(message)?;
    if behind.szx() != front.szx() {
        return Err(BlockError::Size);
    }
    Ok((Held { at, len: piece.bytes.len() as u32, behind, last: piece.last }, piece.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `docs/performance.md` says of memory: with the window's 32 bytes, 68 for each request.
    #[test]
    fn sizes_in_memory() {
        assert_eq!(size_of::<Place>(), 36);
    }
}
