//! From a verified image to its first instruction: whether it can run where it lies, and which slot code lies in.

use ota_hal::{ReadAt, SlotId};
use ota_verify::Verified;

/// Why an authentic image cannot run where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// Its payload does not begin where a vector table may.
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
            Self::Alignment => "the payload is not aligned for a vector table",
            Self::Stack => "the stack is not in RAM",
            Self::Entry => "the entry is not in the payload",
            Self::Read => "the slot cannot be read",
        }
    }
}

/// A vector table that can be entered. Only [`Core::check`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Vectors(u32);

impl Vectors {
    /// Where it is. Its first word is the end of a stack in RAM, its second an entry within a verified payload.
    pub const fn address(&self) -> u32 {
        self.0
    }
}

/// What a program must meet to run on a part.
#[derive(Debug, Clone, Copy)]
pub struct Core {
    /// Alignment of a vector table.
    pub align: u32,
    /// Where the RAM of a program begins.
    pub ram: u32,
    /// Where it ends.
    pub ram_end: u32,
}

impl Core {
    /// Whether the image of `proof` can run from `slot`, its medium, which lies at `base`.
    ///
    /// The image is authentic and linked for its slot, so this guards against mistakes, not against attacks.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn check<R: ReadAt>(&self, slot: &mut R, proof: &Verified, base: u32) -> Result<Vectors, Misfit> {
        let [mut stack, mut entry] = [[0; 4]; 2];
        slot.read_at(proof.payload_offset(), &mut stack).map_err(|_| Misfit::Read)?;
        slot.read_at(proof.payload_offset() + 4, &mut entry).map_err(|_| Misfit::Read)?;
        let payload = base + proof.payload_offset();
        self.judge(payload, proof.payload_len(), u32::from_le_bytes(stack), u32::from_le_bytes(entry))
    }

    /// Whether a payload at an address, of a length, with these first two words, can be entered.
    fn judge(&self, payload: u32, len: u32, stack: u32, entry: u32) -> Result<Vectors, Misfit> {
        if !payload.is_multiple_of(self.align) {
            return Err(Misfit::Alignment);
        }
        if stack <= self.ram || stack > self.ram_end || !stack.is_multiple_of(8) {
            return Err(Misfit::Stack);
        }
        // Bit 0 of an address says Thumb, which is all a Cortex-M knows.
        if entry & 1 == 0 || (entry & !1).wrapping_sub(payload) >= len {
            return Err(Misfit::Entry);
        }
        Ok(Vectors(payload))
    }
}

/// The slot that holds `address`; both are `len` bytes long and begin at these addresses.
pub fn slot_of(address: u32, starts: [u32; 2], len: u32) -> Option<SlotId> {
    [SlotId::A, SlotId::B]
        .into_iter()
        .zip(starts)
        .find(|(_, start)| address.wrapping_sub(*start) < len)
        .map(|(slot, _)| slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_entered_is() {
        const RAM: u32 = 0x2000_0000;
        const END: u32 = 0x203F_FF00;
        for (at, align, odd) in [(0x2110_0200, 256, 0x20), (0x6200, 4, 2)] {
            let core = Core { align, ram: RAM, ram_end: END };
            let judged = |payload, stack, entry| core.judge(payload, 0x1000, stack, entry);
            assert_eq!(judged(at, END, at + 0xC1), Ok(Vectors(at)));
            assert_eq!(judged(at, RAM + 8, at + 0xFFF), Ok(Vectors(at)));
            for (payload, stack, entry, why) in [
                (at + odd, END, at + 0xC1, Misfit::Alignment),
                (at, RAM, at + 0xC1, Misfit::Stack),
                (at, END + 8, at + 0xC1, Misfit::Stack),
                (at, END - 4, at + 0xC1, Misfit::Stack),
                (at, u32::MAX, at + 0xC1, Misfit::Stack),
                (at, END, at + 0xC0, Misfit::Entry),
                (at, END, at - 1, Misfit::Entry),
                (at, END, at + 0x1001, Misfit::Entry),
                (at, END, u32::MAX, Misfit::Entry),
            ] {
                assert_eq!(judged(payload, stack, entry), Err(why), "{payload:#x} {stack:#x} {entry:#x}");
            }
        }
    }

    #[test]
    fn an_address_is_in_one_slot_or_none() {
        let ([a, b], len) = ([0x2110_0000, 0x2120_0000], 0x10_0000);
        for (address, slot) in [
            (0, None),
            (a - 1, None),
            (a, Some(SlotId::A)),
            (b - 1, Some(SlotId::A)),
            (b, Some(SlotId::B)),
            (b + len - 1, Some(SlotId::B)),
            (b + len, None),
            (u32::MAX, None),
        ] {
            assert_eq!(slot_of(address, [a, b], len), slot, "{address:#x}");
        }
    }
}
