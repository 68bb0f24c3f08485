//! Where decoded bytes go.

use crate::slot_target::{Cursor, SlotError, SlotTarget, WRITE_SIZE_MAX};
use ota_diff::Images;
use ota_hal::{Flash, Region};
use ota_verify::Keys;

/// Both images, while some bytes are decoded.
pub(super) struct Output<'a, 'k, F, K> {
    pub(super) base: &'a mut Region<F>,
    pub(super) slot: &'a mut SlotTarget<'k, F, K>,
}

impl<F: Flash, K: Keys> Images for Output<'_, '_, F, K> {
    type Error = SlotError;

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        Ok(self.base.read(offset, bytes)?)
    }

    /// Some of the bytes may still wait in memory.
    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        let Cursor { written, unit, .. } = &self.slot.cursor;
        let flashed = (written.saturating_sub(offset) as usize).min(bytes.len());
        let (front, back) = bytes.split_at_mut(flashed);
        let from = (offset.max(*written) - written) as usize;
        if let Some(waiting) = unit.get(from..from + back.len()) {
            back.copy_from_slice(waiting);
        }
        if front.is_empty() {
            return Ok(());
        }
        Ok(self.slot.region.read(offset, front)?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SlotError> {
        // Whole write units, as many as the buffer holds.
        let piece = const { WRITE_SIZE_MAX - WRITE_SIZE_MAX % F::WRITE_SIZE };
        self.slot.take(bytes, piece)
    }
}
