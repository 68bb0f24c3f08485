//! Messages that came while nobody waited for them.

use crate::OfferError;

/// Device and length before each message.
const HEAD: usize = 3;

/// A queue of messages in the caller's buffer. Outlives connections, so that an acknowledged offer is not lost with one.
///
/// A message that does not fit is dropped, and [`OfferError::TooLarge`] comes in its place after the others.
#[derive(Debug)]
pub struct Inbox<'x> {
    buf: &'x mut [u8],
    used: usize,
    dropped: bool,
}

/// Device and length of a message, or why it is not there.
pub(super) type Taken = Result<(u8, usize), OfferError>;

impl<'x> Inbox<'x> {
    /// A queue in `buf`. Each message takes 3 bytes more than its payload.
    pub const fn new(buf: &'x mut [u8]) -> Self {
        Self { buf, used: 0, dropped: false }
    }

    pub(super) fn push(&mut self, device: u8, payload: &[u8]) {
        let stored = u16::try_from(payload.len()).ok().and_then(|len| {
            let [low, high] = len.to_le_bytes();
            let entry = self.buf.get_mut(self.used..self.used + HEAD + payload.len())?;
            let (head, body) = entry.split_at_mut(HEAD);
            head.copy_from_slice(&[device, low, high]);
            body.copy_from_slice(payload);
            self.used += HEAD + payload.len();
            Some(())
        });
        self.dropped |= stored.is_none();
    }

    /// Moves the oldest message to the start of `out`.
    pub(super) fn pop(&mut self, out: &mut [u8]) -> Option<Taken> {
        let &[device, low, high, ..] = self.buf.get(..self.used)? else {
            return core::mem::take(&mut self.dropped).then_some(Err(OfferError::TooLarge));
        };
        let end = HEAD + usize::from(u16::from_le_bytes([low, high]));
        let taken = self.buf.get(HEAD..end).map(|payload| copy(device, payload, out));
        self.buf.copy_within(end.min(self.used)..self.used, 0);
        self.used = self.used.saturating_sub(end);
        taken
    }
}

/// Copies a message to the start of `out`.
pub(super) fn copy(device: u8, payload: &[u8], out: &mut [u8]) -> Taken {
    out.get_mut(..payload.len()).ok_or(OfferError::TooLarge)?.copy_from_slice(payload);
    Ok((device, payload.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_in_the_order_they_came() {
        let mut buf = [0; 20];
        let mut inbox = Inbox::new(&mut buf);
        let mut out = [0; 8];
        assert_eq!(inbox.pop(&mut out), None);
        inbox.push(1, b"first");
        inbox.push(0, b"");
        assert_eq!(inbox.pop(&mut out), Some(Ok((1, 5))));
        assert_eq!(&out[..5], b"first");
        inbox.push(2, b"second");
        assert_eq!(inbox.pop(&mut out), Some(Ok((0, 0))));
        assert_eq!(inbox.pop(&mut out), Some(Ok((2, 6))));
        assert_eq!(&out[..6], b"second");
        assert_eq!(inbox.pop(&mut out), None);
    }

    #[test]
    fn what_does_not_fit_is_reported_once() {
        let mut buf = [0; 10];
        let mut inbox = Inbox::new(&mut buf);
        let mut out = [0; 4];
        inbox.push(0, b"12345");
        inbox.push(0, b"x");
        inbox.push(0, b"y");
        assert_eq!(inbox.pop(&mut out), Some(Err(OfferError::TooLarge)), "larger than what it is read into");
        assert_eq!(inbox.pop(&mut out), Some(Err(OfferError::TooLarge)), "the two that were dropped");
        assert_eq!(inbox.pop(&mut out), None);
        inbox.push(7, b"z");
        assert_eq!(inbox.pop(&mut out), Some(Ok((7, 1))));
    }
}
