//! The memory map as types: the partition table, and which slot a program runs from.

use crate::addresses::{FLASH_LEN, JOURNAL, JOURNAL_LEN, PAGE, SLOT_LEN, SLOTS};
use ota_hal::{Layout, Partition, SlotId};

/// Journal and slots.
pub const LAYOUT: Layout = const {
    assert!(SLOTS[1] + SLOT_LEN <= FLASH_LEN, "the slots end beyond the flash");
    assert!(JOURNAL + JOURNAL_LEN <= SLOTS[0], "the journal is shared");
    Layout::new(
        Partition::new(SLOTS[0], SLOT_LEN),
        Partition::new(SLOTS[1], SLOT_LEN),
        Partition::new(JOURNAL, JOURNAL_LEN),
        PAGE,
    )
};

/// Both slots, for a program that writes neither.
pub const ALL_SLOTS: Partition = const {
    assert!(SLOTS[0] + SLOT_LEN == SLOTS[1], "there is something between the slots");
    Partition::new(SLOTS[0], 2 * SLOT_LEN)
};

/// The address at which the processor sees the start of `slot`: flash is mapped at 0.
pub const fn slot_address(slot: SlotId) -> u32 {
    LAYOUT.slot(slot).start
}

/// The slot this program executes from, by where its code lies; `None` for the loader.
#[cfg(feature = "app")]
pub fn running_slot() -> Option<SlotId> {
    u32::try_from(running_slot as *const () as usize).ok().and_then(slot_of)
}

/// The slot that holds `address`.
#[cfg(any(feature = "app", test))]
fn slot_of(address: u32) -> Option<SlotId> {
    [SlotId::A, SlotId::B].into_iter().find(|&slot| address.wrapping_sub(slot_address(slot)) < SLOT_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_one_slot_or_none() {
        let [a, b] = [SlotId::A, SlotId::B].map(slot_address);
        for (address, slot) in [
            (0, None),
            (a - 1, None),
            (a, Some(SlotId::A)),
            (b - 1, Some(SlotId::A)),
            (b, Some(SlotId::B)),
            (b + SLOT_LEN - 1, Some(SlotId::B)),
            (b + SLOT_LEN, None),
            (u32::MAX, None),
        ] {
            assert_eq!(slot_of(address), slot, "{address:#x}");
        }
    }
}
