//! Where decoded bytes go: they are compared with what the flash holds as long as that is the same, then written.

use super::checkpoint::Shelf;
use crate::slot_target::{Cursor, SlotError, SlotTarget, WRITE_SIZE_MAX};
use ota_diff::{HEADER_LEN, Images};
use ota_hal::{Flash, Region, RegionError};
use ota_verify::Keys;

/// Both images, while some bytes are decoded.
pub(super) struct Output<'a, 'k, F, K> {
    pub(super) base: &'a mut Region<F>,
    pub(super) slot: &'a mut SlotTarget<'k, F, K>,
    /// Of the image that is made.
    pub(super) size: u32,
    /// As in [`super::Work`].
    pub(super) same: &'a mut Option<u32>,
    /// Where the newest checkpoint is in the image.
    pub(super) marked: u32,
    pub(super) shelf: &'a Shelf,
    pub(super) patch: &'a [u8; HEADER_LEN],
}

impl<F: Flash, K: Keys> Output<'_, '_, F, K> {
    const UNIT: usize = F::WRITE_SIZE;
    /// Whole write units, as many as a buffer of [`WRITE_SIZE_MAX`] bytes holds.
    const PIECE: u32 = (WRITE_SIZE_MAX - WRITE_SIZE_MAX % Self::UNIT) as u32;

    /// How many of the bytes the flash holds already.
    fn equal(&mut self, at: u32, bytes: &[u8]) -> Result<usize, SlotError> {
        let mut found = [0; WRITE_SIZE_MAX];
        let found = found.get_mut(..bytes.len()).unwrap_or_default();
        match self.slot.region.read(at, found) {
            Ok(()) => Ok(bytes.iter().zip(found).take_while(|(a, b)| *a == *b).count()),
            Err(RegionError::Corrupt) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    /// From here on the flash holds something else: the sector is erased, and gets back what was right in it.
    fn part(&mut self, at: u32) -> Result<(), SlotError> {
        let whole = at - at % Self::UNIT as u32;
        let mut unit = [0; WRITE_SIZE_MAX];
        self.slot.region.read(whole, unit.get_mut(..(at - whole) as usize).unwrap_or_default())?;
        let (start, _) = self.slot.region.sector_at(at)?;
        // The last piece waits in memory, unless it would not be decoded again after a cut.
        let right = whole - start;
        let rescue = right.saturating_sub(Self::PIECE).max(self.marked.saturating_sub(start));
        let mut kept = [0; WRITE_SIZE_MAX];
        let kept = kept.get_mut(..(right - rescue) as usize).unwrap_or_default();
        self.slot.region.read(start + rescue, kept)?;
        let rescued = match rescue {
            0 => None,
            len => Some(self.shelf.rescue(&mut self.slot.region, start, len, self.patch)?),
        };
        let erased = self.slot.erase_sector(at)?;
        if let Some(rescued) = rescued {
            copy(&mut self.slot.region, rescued.content(), start, rescue, Self::PIECE)?;
        }
        if !kept.is_empty() {
            self.slot.region.write(start + rescue, kept)?;
        }
        self.slot.cursor = Cursor { size: self.size, taken: at, written: whole, erased, durable: 0, unit };
        *self.same = None;
        Ok(())
    }

    /// Continues at the mark. The power may have been cut while its sector was erased again: then it gets back what was
    /// rescued.
    pub(super) fn mend(&mut self, sequence: u32) -> Result<(), SlotError> {
        let (start, _) = self.slot.region.sector_at(self.marked)?;
        let risk = self.marked - start;
        if risk == 0 {
            return Ok(());
        }
        let rescued = self.shelf.rescued(&mut self.slot.region, sequence);
        let Some(rescued) = rescued.filter(|r| r.position == start && r.len >= risk && r.patch == *self.patch) else {
            return Ok(());
        };
        let mut piece = [0; WRITE_SIZE_MAX];
        let mut same = true;
        for at in (0..risk).step_by(WRITE_SIZE_MAX) {
            let piece = piece.get_mut(..(risk - at).min(WRITE_SIZE_MAX as u32) as usize).unwrap_or_default();
            self.slot.region.read(rescued.content() + at, piece)?;
            same = same && self.equal(start + at, piece)? == piece.len();
        }
        if !same {
            let erased = self.slot.erase_sector(start)?;
            copy(&mut self.slot.region, rescued.content(), start, risk, Self::PIECE)?;
            let (taken, unit) = (self.marked, [0; WRITE_SIZE_MAX]);
            self.slot.cursor = Cursor { size: self.size, taken, written: taken, erased, durable: 0, unit };
            *self.same = None;
        }
        Ok(())
    }
}

/// Copies whole units to an erased place.
fn copy<F: Flash>(region: &mut Region<F>, from: u32, to: u32, len: u32, most: u32) -> Result<(), SlotError> {
    let mut piece = [0; WRITE_SIZE_MAX];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(most);
        let piece = piece.get_mut(..n as usize).unwrap_or_default();
        region.read(from + done, piece)?;
        region.write(to + done, piece)?;
        done += n;
    }
    Ok(())
}

impl<F: Flash, K: Keys> Images for Output<'_, '_, F, K> {
    type Error = SlotError;

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        Ok(self.base.read(offset, bytes)?)
    }

    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        if self.same.is_some() {
            return Ok(self.slot.region.read(offset, bytes)?);
        }
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
        let Some(at) = *self.same else {
            return self.slot.take(bytes, Self::PIECE as usize);
        };
        let equal = self.equal(at, bytes)?;
        let end = at + equal as u32;
        *self.same = Some(end);
        match bytes.get(equal..) {
            Some([]) | None => Ok(()),
            Some(other) => {
                self.part(end)?;
                self.slot.take(other, Self::PIECE as usize)
            }
        }
    }
}
