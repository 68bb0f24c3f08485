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
    let address = u32::try_from(running_slot as *const () as usize).ok()?;
    common::entry::slot_of(address, [SlotId::A, SlotId::B].map(slot_address), SLOT_LEN)
}
