//! The last step of the loader: from a verified image to its first instruction.
#![expect(unsafe_code, reason = "jumps to the image")]

use crate::addresses::{RAM, RETAINED};
use crate::map::slot_address;
use crate::scb;
use ota_hal::ReadAt;
use ota_verify::Verified;

/// Why an authentic image cannot run where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// Its payload does not begin on a word.
    Alignment,
    /// Its stack would not lie in RAM.
    Stack,
    /// Its first instruction would not lie in its payload.
    Entry,
    /// The slot could not be read again.
    Read,
}

impl Misfit {
    /// For the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Alignment => "the payload is not aligned",
            Self::Stack => "the stack is not in RAM",
            Self::Entry => "the entry is not in the payload",
            Self::Read => "the slot cannot be read",
        }
    }
}

/// Stack and entry of a program that can be entered. Only [`check`] makes one.
#[derive(Debug)]
pub struct Vectors(u32);

/// Whether the image of `proof` can run from `slot`, its medium.
///
/// The image is authentic and linked for its slot, so this guards against mistakes, not against attacks.
///
/// # Errors
/// [`Misfit`].
pub fn check<R: ReadAt>(slot: &mut R, proof: &Verified) -> Result<Vectors, Misfit> {
    let base = slot_address(proof.slot());
    let [mut stack, mut entry] = [[0; 4]; 2];
    slot.read_at(proof.payload_offset(), &mut stack).map_err(|_| Misfit::Read)?;
    slot.read_at(proof.payload_offset() + 4, &mut entry).map_err(|_| Misfit::Read)?;
    let payload = base + proof.payload_offset();
    judge(payload, proof.payload_len(), u32::from_le_bytes(stack), u32::from_le_bytes(entry))
}

/// Whether a payload at an address, of a length, with these first two words, can be entered.
fn judge(payload: u32, len: u32, stack: u32, entry: u32) -> Result<Vectors, Misfit> {
    if !payload.is_multiple_of(4) {
        return Err(Misfit::Alignment);
    }
    if stack <= RAM || stack > RETAINED || !stack.is_multiple_of(8) {
        return Err(Misfit::Stack);
    }
    // Bit 0 of an address says Thumb, which is all this processor knows.
    if entry & 1 == 0 || (entry & !1).wrapping_sub(payload) >= len {
        return Err(Misfit::Entry);
    }
    Ok(Vectors(payload))
}

/// Hands over to the image. The watchdog keeps running.
pub fn start(vectors: Vectors) -> ! {
    // SAFETY: `check` saw a stack in RAM and an entry in a verified payload, which is memory-mapped and not written any
    // more. The one interrupt that is enabled is the watchdog's, which uses no variable.
    unsafe { scb::enter(vectors.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_entered_is() {
        const AT: u32 = 0x6200;
        let judged = |payload, stack, entry| judge(payload, 0x1000, stack, entry).map(|vectors| vectors.0);
        assert_eq!(judged(AT, RETAINED, AT + 0xC1), Ok(AT));
        assert_eq!(judged(AT, RAM + 8, AT + 0xFFF), Ok(AT));
        for (payload, stack, entry, why) in [
            (AT + 2, RETAINED, AT + 0xC1, Misfit::Alignment),
            (AT, RAM, AT + 0xC1, Misfit::Stack),
            (AT, RETAINED + 8, AT + 0xC1, Misfit::Stack),
            (AT, RETAINED - 4, AT + 0xC1, Misfit::Stack),
            (AT, u32::MAX, AT + 0xC1, Misfit::Stack),
            (AT, RETAINED, AT + 0xC0, Misfit::Entry),
            (AT, RETAINED, AT - 1, Misfit::Entry),
            (AT, RETAINED, AT + 0x1001, Misfit::Entry),
            (AT, RETAINED, u32::MAX, Misfit::Entry),
        ] {
            assert_eq!(judged(payload, stack, entry), Err(why), "{payload:#x} {stack:#x} {entry:#x}");
        }
    }
}
