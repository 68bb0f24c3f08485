//! A slot as the target of the firmware.

use crate::target::{Expected, Finished, Plan, Target, TargetError};
use ota_hal::{Flash, Region, RegionError, SlotId};
use ota_transport::{Checksum, FailStage};
use ota_verify::{Candidate, Identity, Keys, Refusal, Rules, Why, digest_region_with};

/// Writes one slot: erases just ahead, programs each write unit once, and proves by reading back.
///
/// The part's write size must not exceed [`WRITE_SIZE_MAX`]; checked while compiling.
///
/// # Power loss
/// Bytes before the sector that is being written are durable; [`Target::resume`] erases that sector again. The first
/// sector is erased before anything else, so the image that was in the slot is gone before its successor comes.
#[derive(Debug)]
pub struct SlotTarget<'k, F, K> {
    pub(crate) region: Region<F>,
    slot: SlotId,
    keys: &'k K,
    identity: Identity,
    address: Option<u32>,
    pub(crate) cursor: Cursor,
}

/// Largest write size a [`SlotTarget`] serves.
pub const WRITE_SIZE_MAX: usize = 64;

/// Where the next byte goes. Everything here is lost in a power cut.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    /// Size of the whole image file; 0 when nothing was begun.
    pub(crate) size: u32,
    /// Bytes taken.
    pub(crate) taken: u32,
    /// Bytes programmed: a multiple of the write size.
    pub(crate) written: u32,
    /// End of what is erased.
    pub(crate) erased: u32,
    /// Start of the sector that is being written: all before it is durable.
    pub(crate) durable: u32,
    pub(crate) unit: [u8; WRITE_SIZE_MAX],
}

/// Why a slot was not written or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SlotError {
    stage: FailStage,
    text: &'static str,
    damage: bool,
}

impl SlotError {
    pub(crate) const fn burn(text: &'static str) -> Self {
        Self { stage: FailStage::Burn, text, damage: false }
    }
    const fn verify(text: &'static str) -> Self {
        Self { stage: FailStage::Verify, text, damage: false }
    }
    pub(crate) const fn damage(text: &'static str) -> Self {
        Self { stage: FailStage::Verify, text, damage: true }
    }
}

impl TargetError for SlotError {
    fn stage(&self) -> FailStage {
        self.stage
    }
    fn text(&self) -> &'static str {
        self.text
    }
    fn is_damage(&self) -> bool {
        self.damage
    }
}

impl<E> From<RegionError<E>> for SlotError {
    fn from(e: RegionError<E>) -> Self {
        match e {
            RegionError::OutOfBounds => Self::burn("image larger than the slot"),
            // A cut left them so; the erase before the next download makes them good again.
            RegionError::Corrupt => Self { damage: true, ..Self::burn("flash cells hold no valid data") },
            _ => Self::burn("flash driver failed"),
        }
    }
}

impl<'k, F: Flash, K: Keys> SlotTarget<'k, F, K> {
    const UNIT: usize = {
        assert!(F::WRITE_SIZE <= WRITE_SIZE_MAX && F::WRITE_SIZE > 0, "write size above WRITE_SIZE_MAX");
        F::WRITE_SIZE
    };

    /// The slot `slot`, which is `region`. It must not be the one that runs. Where images are executed in place, say
    /// [`SlotTarget::linked_at`] too.
    pub const fn new(region: Region<F>, slot: SlotId, keys: &'k K, identity: Identity) -> Self {
        Self { region, slot, keys, identity, address: None, cursor: Cursor::NONE }
    }

    /// Takes only images that are linked for `address`, where the processor sees this slot. Others are refused before
    /// they are staged; a loader with `ota_boot::InPlace` would refuse them at their trial.
    #[must_use]
    pub fn linked_at(self, address: u32) -> Self {
        Self { address: Some(address), ..self }
    }

    pub(crate) fn erase_sector(&mut self, at: u32) -> Result<u32, SlotError> {
        let (start, len) = self.region.sector_at(at)?;
        self.region.erase(start, len)?;
        Ok(start.saturating_add(len))
    }

    /// Programs whole units, erasing each sector just before its first byte.
    fn program(&mut self, mut bytes: &[u8]) -> Result<(), SlotError> {
        while !bytes.is_empty() {
            let at = self.cursor.written;
            if at >= self.cursor.erased {
                self.cursor.durable = at;
                self.cursor.erased = self.erase_sector(at)?;
            }
            let room = (self.cursor.erased - at) as usize;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.region.write(at, now)?;
            // At most the slot's length, which is a u32.
            self.cursor.written += now.len() as u32;
            bytes = later;
        }
        Ok(())
    }

    /// Programs what waits, padded with the erase value. Nothing may come after a padded unit.
    pub(crate) fn flush(&mut self) -> Result<(), SlotError> {
        let filled = (self.cursor.taken - self.cursor.written) as usize;
        if filled != 0 {
            let mut unit = self.cursor.unit;
            unit.iter_mut().skip(filled).for_each(|byte| *byte = F::ERASE_VALUE);
            self.program(unit.get(..filled.next_multiple_of(Self::UNIT)).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Takes bytes, and programs them `piece` by piece: whole write units, at most [`WRITE_SIZE_MAX`] bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8], piece: usize) -> Result<(), SlotError> {
        let filled = (self.cursor.taken - self.cursor.written) as usize;
        self.cursor.taken += bytes.len() as u32;
        if filled != 0 {
            let (first, rest) = bytes.split_at((piece - filled).min(bytes.len()));
            if let Some(place) = self.cursor.unit.get_mut(filled..filled + first.len()) {
                place.copy_from_slice(first);
            }
            if filled + first.len() < piece {
                return Ok(());
            }
            let unit = self.cursor.unit;
            self.program(unit.get(..piece).unwrap_or_default())?;
            bytes = rest;
        }
        let (whole, tail) = bytes.split_at(bytes.len() - bytes.len() % piece);
        self.program(whole)?;
        if let Some(place) = self.cursor.unit.get_mut(..tail.len()) {
            place.copy_from_slice(tail);
        }
        Ok(())
    }
}

impl Cursor {
    const NONE: Self = Self::at(0, 0);
    /// Continues at `offset`, the start of a sector. Nothing is erased yet.
    pub(crate) const fn at(size: u32, offset: u32) -> Self {
        let unit = [0; WRITE_SIZE_MAX];
        Self { size, taken: offset, written: offset, erased: offset, durable: offset, unit }
    }
}

impl<F: Flash, K: Keys> Target for SlotTarget<'_, F, K> {
    type Error = SlotError;

    fn capacity(&self) -> u32 {
        self.region.len()
    }
    fn slot(&self) -> SlotId {
        self.slot
    }

    fn begin(&mut self, plan: &Plan) -> Result<(), SlotError> {
        let size = plan.size;
        if size == 0 || size > self.region.len() {
            return Err(SlotError::burn("image larger than the slot"));
        }
        self.cursor = Cursor::at(size, 0);
        self.cursor.erased = self.erase_sector(0)?;
        Ok(())
    }

    fn resume(&mut self, plan: &Plan, durable: u32) -> Result<u32, SlotError> {
        let size = plan.size;
        if durable == 0 || durable > size || size > self.region.len() {
            self.begin(plan)?;
            return Ok(0);
        }
        if durable == size {
            self.cursor = Cursor::at(size, size);
            return Ok(size);
        }
        // A position that is no sector edge (another layout wrote it) goes back to the edge before.
        let (start, _) = self.region.sector_at(durable)?;
        self.cursor = Cursor::at(size, start);
        self.cursor.erased = self.erase_sector(start)?;
        Ok(start)
    }

    fn write(&mut self, bytes: &[u8], _: &mut dyn FnMut()) -> Result<u32, SlotError> {
        let left = self.cursor.size - self.cursor.taken;
        if bytes.len() > left as usize {
            return Err(SlotError::burn("more bytes than announced"));
        }
        if bytes.is_empty() {
            // After the last byte more is written than was taken: the padding of the last unit.
            return Ok(self.cursor.durable);
        }
        self.take(bytes, Self::UNIT)?;
        if self.cursor.taken == self.cursor.size {
            self.flush()?;
            self.cursor.durable = self.cursor.size;
        } else if self.cursor.written == self.cursor.erased {
            // Exactly at a sector's end: all of it is durable.
            self.cursor.durable = self.cursor.written;
        }
        Ok(self.cursor.durable)
    }

    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, SlotError> {
        self.cursor = Cursor::NONE;
        if expected.size > self.region.len() {
            return Err(SlotError::burn("image larger than the slot"));
        }
        match (&expected.digest, &expected.checksum) {
            // A signed digest says more than the cloud's checksum, which is over the whole package anyway.
            (Some(digest), _) if digest_region_with(&mut self.region, expected.size, |_| progress())? != *digest => {
                return Err(SlotError::damage("image digest differs from the manifest"));
            }
            (None, Some(checksum)) => check_sum(&mut self.region, expected.size, checksum, progress)?,
            _ => {}
        }
        let rules = Rules { keys: self.keys, identity: self.identity, floor: expected.floor };
        let mut candidate = Candidate::NONE;
        let judged = candidate
            .verify(&mut self.region, self.slot, &rules, 0, |_| progress())
            .and_then(|proof| self.address.map_or(Ok(()), |address| proof.linked_at(address)).map_err(Why::from));
        match (judged, candidate.into_proof()) {
            (Ok(()), Some(proof)) => Ok(Finished::Stage(proof)),
            (Err(Why::READ) | Ok(()), _) => Err(SlotError::burn("flash driver failed")),
            // With a signed digest these are the bytes the vendor meant; without, they may have suffered on the way.
            (Err(why), _) => {
                let damage = expected.digest.is_none() && why == Refusal::Digest.into();
                Err(SlotError { damage, ..SlotError::verify(why.text()) })
            }
        }
    }

    fn abort(&mut self) -> Result<(), SlotError> {
        self.cursor = Cursor::NONE;
        self.erase_sector(0)?;
        Ok(())
    }
}

fn check_sum<F: Flash>(
    region: &mut Region<F>,
    size: u32,
    checksum: &Checksum,
    progress: &mut dyn FnMut(),
) -> Result<(), SlotError> {
    let same = match checksum {
        Checksum::Sha256(sum) => digest_region_with(region, size, |_| progress())? == *sum,
        #[cfg(feature = "md5")]
        Checksum::Md5(sum) => ota_verify::md5_region_with(region, size, |_| progress())? == *sum,
        // Built without MD5: the image's own digest and signature say more than this sum could.
        #[cfg(not(feature = "md5"))]
        Checksum::Md5(_) => true,
    };
    if same { Ok(()) } else { Err(SlotError::damage("checksum differs from the offer")) }
}

#[cfg(test)]
mod tests;
