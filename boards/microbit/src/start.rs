//! The last step of the loader: from a verified image to its first instruction.
#![expect(unsafe_code, reason = "jumps to the image")]

use crate::addresses::{RAM, RETAINED};
use crate::map::slot_address;
use crate::scb;
use common::entry::{Core, Misfit, Vectors};
use ota_hal::ReadAt;
use ota_verify::Verified;

/// This part cannot move its vector table: only the words must be aligned.
const CORE: Core = Core { align: 4, ram: RAM, ram_end: RETAINED };

/// Whether the image of `proof` can run from `slot`, its medium.
///
/// # Errors
/// [`Misfit`].
pub fn check<R: ReadAt>(slot: &mut R, proof: &Verified) -> Result<Vectors, Misfit> {
    CORE.check(slot, proof, slot_address(proof.slot()))
}

/// Hands over to the image. The watchdog keeps running.
pub fn start(vectors: Vectors) -> ! {
    // SAFETY: `check` saw a stack in RAM and an entry in a verified payload, which is memory-mapped and not written any
    // more. The one interrupt that is enabled is the watchdog's, which uses no variable.
    unsafe { scb::enter(vectors.address()) }
}
