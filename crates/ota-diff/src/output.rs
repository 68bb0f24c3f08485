//! Decoded bytes on their way out.

use crate::Images;
use crate::tape::Tape;

const PENDING: u32 = 32;
/// The most bytes that one step of the model puts out.
pub(crate) const STEP_BYTES: u32 = 20;

/// Decoded bytes that were not written yet, and the last one of all as context.
pub(crate) struct Output {
    pending: [u8; PENDING as usize],
    held: u32,
    written: u32,
    /// The last byte.
    tail: u8,
}

impl Output {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = PENDING as usize + 1 + 4 + 1;

    pub(crate) const fn new() -> Self {
        Self { pending: [0; PENDING as usize], held: 0, written: 0, tail: 0 }
    }

    pub(crate) fn begin(&mut self) {
        (self.held, self.written, self.tail) = (0, 0, 0);
    }

    /// Where the next decoded byte belongs.
    pub(crate) const fn produced(&self) -> u32 {
        self.written + self.held
    }

    pub(crate) const fn written(&self) -> u32 {
        self.written
    }

    /// The last decoded byte; 0 before the first.
    pub(crate) const fn tail(&self) -> u8 {
        self.tail
    }

    pub(crate) fn has_room(&self) -> bool {
        self.held + STEP_BYTES <= PENDING
    }

    pub(crate) fn put(&mut self, byte: u8) {
        self.pencil(0, byte);
        self.keep(1);
    }

    /// Writes a byte that may come `ahead` bytes after the last one: it counts when it is kept.
    pub(crate) fn pencil(&mut self, ahead: u32, byte: u8) {
        if let Some(place) = self.pending.get_mut((self.held + ahead) as usize) {
            *place = byte;
        }
    }

    /// The first `count` bytes that may come.
    pub(crate) fn pencilled(&self, count: u32) -> &[u8] {
        let held = self.held as usize;
        self.pending.get(held..held + count as usize).unwrap_or(&[])
    }

    /// Keeps the first `count` bytes that may come, at least one and at most as many as there is room for.
    pub(crate) fn keep(&mut self, count: u32) {
        self.held = (self.held + count).min(PENDING);
        self.tail = self.pending.get(self.held as usize - 1).copied().unwrap_or(0);
    }

    /// Writes what is pending, but nothing at or past `until`.
    pub(crate) fn flush<I: Images>(&mut self, images: &mut I, until: u32) -> Result<(), I::Error> {
        let count = self.held.min(until.saturating_sub(self.written));
        if count == 0 {
            return Ok(());
        }
        images.write(self.pending.get(..count as usize).unwrap_or(&[]))?;
        let kept = self.held - count;
        for at in 0..kept {
            let byte = self.pending.get((at + count) as usize).copied().unwrap_or(0);
            if let Some(place) = self.pending.get_mut(at as usize) {
                *place = byte;
            }
        }
        self.held = kept;
        self.written += count;
        Ok(())
    }

    /// Reads decoded bytes, written or pending; the range lies below `produced`.
    pub(crate) fn read<I: Images>(&self, images: &mut I, from: u32, bytes: &mut [u8]) -> Result<(), I::Error> {
        let flashed = (self.written.saturating_sub(from) as usize).min(bytes.len());
        let Some((front, back)) = bytes.split_at_mut_checked(flashed) else { return Ok(()) };
        if !front.is_empty() {
            images.read_new(from, front)?;
        }
        for (at, place) in (from.max(self.written) - self.written..).zip(back) {
            *place = self.pending.get(at as usize).copied().unwrap_or(0);
        }
        Ok(())
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.bytes(&mut self.pending);
        tape.small(&mut self.held);
        tape.word(&mut self.written);
        tape.bytes(core::slice::from_mut(&mut self.tail));
    }

    pub(crate) const fn is_sound(&self, new_size: u32) -> bool {
        self.held <= PENDING && self.written <= new_size && self.held <= new_size - self.written
    }
}
