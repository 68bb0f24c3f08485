//! A slot as the target of the firmware.

use crate::target::{Expected, Finished, Target, TargetError};
use ota_hal::{Flash, Region, SlotId};
use ota_transport::FailStage;
use ota_verify::{Identity, Keys};

/// Writes one slot.
#[derive(Debug)]
pub struct SlotTarget<'k, F, K> {
    region: Region<F>,
    slot: SlotId,
    keys: &'k K,
    identity: Identity,
}

/// Why a slot was not written or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotError {
    stage: FailStage,
    text: &'static str,
}

impl TargetError for SlotError {
    fn stage(&self) -> FailStage {
        self.stage
    }
    fn text(&self) -> &'static str {
        self.text
    }
}

impl<'k, F: Flash, K: Keys> SlotTarget<'k, F, K> {
    /// The slot `slot`, which is `region`. It must not be the one that runs.
    pub const fn new(region: Region<F>, slot: SlotId, keys: &'k K, identity: Identity) -> Self {
        Self { region, slot, keys, identity }
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
    fn begin(&mut self, _: u32) -> Result<(), SlotError> {
        let _ = (self.keys, self.identity);
        todo!()
    }
    fn resume(&mut self, _: u32, _: u32) -> Result<u32, SlotError> {
        todo!()
    }
    fn write(&mut self, _: &[u8]) -> Result<u32, SlotError> {
        todo!()
    }
    fn finish(&mut self, _: &Expected) -> Result<Finished, SlotError> {
        todo!()
    }
    fn abort(&mut self) -> Result<(), SlotError> {
        todo!()
    }
}
