//! Decoded bytes on their way out.

use crate::Images;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// So many bytes are held before they are written.
const PENDING: u32 = 32;
/// The most bytes of a unit.
pub(crate) const UNIT_MAX: u32 = 4;
/// An encoder looks one block and the rest of a unit ahead.
const ROOM: usize = (PENDING + UNIT_MAX) as usize;

/// Decoded bytes that were not written yet.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Output {
    held: u32,
    written: u32,
    pending: [u8; ROOM],
}

impl Output {
    pub(crate) const fn new() -> Self {
        Self { pending: [0; ROOM], held: 0, written: 0 }
    }

    /// Where the next decoded byte belongs.
    pub(crate) const fn produced(&self) -> u32 {
        self.written + self.held
    }

    pub(crate) const fn written(&self) -> u32 {
        self.written
    }

    pub(crate) const fn has_room(&self) -> bool {
        self.held + UNIT_MAX <= PENDING
    }

    pub(crate) fn put(&mut self, byte: u8) {
        if let Some(place) = self.pending.get_mut(self.held as usize) {
            *place = byte;
            self.held += 1;
        }
    }

    /// Writes what is pending, but nothing at or past `until`.
    pub(crate) fn flush<I: Images>(&mut self, images: &mut I, until: u32) -> Result<(), I::Error> {
        let count = self.held.min(until.saturating_sub(self.written));
        if count == 0 {
            return Ok(());
        }
        images.write(self.pending.get(..count as usize).unwrap_or(&[]))?;
        self.held -= count;
        for at in 0..self.held {
            let byte = self.pending.get((at + count) as usize).copied().unwrap_or(0);
            if let Some(place) = self.pending.get_mut(at as usize) {
                *place = byte;
            }
        }
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

    pub(crate) const fn is_sound(&self, new_size: u32) -> bool {
        self.held <= PENDING && self.written <= new_size && self.held <= new_size - self.written
    }
}
