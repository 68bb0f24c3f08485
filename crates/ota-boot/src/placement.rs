//! From where the processor executes an image: out of its slot, or out of a copy.

use ota_hal::SlotId;
use ota_verify::{Refusal, Verified};

/// Whether a verified image can be started from the slot it is in.
///
/// A part of [`Config`](crate::Config) without a default: a board says which of the two it is, and one that copies links
/// nothing for it.
///
/// # For implementers
/// Images that come here are authentic, so this guards against mistakes, not against attacks. A refused image counts as
/// one that does not verify. A board with needs of its own (an alignment, a range of RAM) may ask for them here.
pub trait Placement {
    /// Whether the image may be started.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, image: &Verified) -> Result<(), Refusal>;
}

/// Payloads are copied to where they run, or run from anywhere. An image's ROM_FIXED address is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied;

/// Payloads run where they lie. The addresses at which the processor sees slot A and slot B, not their payloads; twice
/// the same for a part that maps the slot to be started to one place.
///
/// Only images start that say (ROM_FIXED, `ota sign --rom-address`) that they are linked for their slot. An image of the
/// other slot is authentic and whole, and would fault with its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InPlace(pub [u32; 2]);

impl InPlace {
    /// The address of `slot`.
    pub const fn address(&self, slot: SlotId) -> u32 {
        let Self([a, b]) = *self;
        match slot {
            SlotId::A => a,
            SlotId::B => b,
        }
    }
}

impl Placement for Copied {
    fn check(&self, _: &Verified) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Placement for InPlace {
    fn check(&self, image: &Verified) -> Result<(), Refusal> {
        image.linked_at(self.address(image.slot()))
    }
}
