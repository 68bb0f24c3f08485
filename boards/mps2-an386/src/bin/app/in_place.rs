//! A slot whose images must be linked for it.

use board::map::slot_address;
use ota_hal::SlotId;
use ota_service::{Expected, Finished, Target, TargetError};
use ota_transport::FailStage;

/// Refuses an image that is linked for another slot before it is staged: the loader could not start it, and its trial
/// would end after three vain starts.
#[derive(Debug)]
pub(crate) struct InPlace<T>(pub(crate) T);

/// Why the slot was not written or not believed.
#[derive(Debug)]
pub(crate) enum InPlaceError<E> {
    /// The image is good, but not here: offer the one for this slot, or a package of both.
    OtherSlot,
    /// As the slot says.
    Slot(E),
}

impl<E: TargetError> TargetError for InPlaceError<E> {
    fn stage(&self) -> FailStage {
        match self {
            Self::OtherSlot => FailStage::Verify,
            Self::Slot(e) => e.stage(),
        }
    }
    fn text(&self) -> &'static str {
        match self {
            Self::OtherSlot => "image linked for the other slot",
            Self::Slot(e) => e.text(),
        }
    }
}

impl<T: Target> Target for InPlace<T> {
    type Error = InPlaceError<T::Error>;

    fn accepts(&self, component: &str) -> bool {
        self.0.accepts(component)
    }
    fn capacity(&self) -> u32 {
        self.0.capacity()
    }
    fn slot(&self) -> SlotId {
        self.0.slot()
    }
    fn begin(&mut self, size: u32) -> Result<(), Self::Error> {
        self.0.begin(size).map_err(InPlaceError::Slot)
    }
    fn resume(&mut self, size: u32, durable: u32) -> Result<u32, Self::Error> {
        self.0.resume(size, durable).map_err(InPlaceError::Slot)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<u32, Self::Error> {
        self.0.write(bytes).map_err(InPlaceError::Slot)
    }
    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, Self::Error> {
        match self.0.finish(expected, progress).map_err(InPlaceError::Slot)? {
            Finished::Stage(proof) if proof.rom_address() != Some(slot_address(self.slot())) => {
                Err(InPlaceError::OtherSlot)
            }
            finished => Ok(finished),
        }
    }
    fn abort(&mut self) -> Result<(), Self::Error> {
        self.0.abort().map_err(InPlaceError::Slot)
    }
}
