//! The memory map as types: the partition table, and which slot a program runs from.

use crate::addresses::{FACTORY, FLASH, FLASH_LEN, JOURNAL, JOURNAL_LEN, SECTOR, SLOT_LEN, SLOTS};
use ota_hal::{Layout, Partition, SlotId};

/// Journal and slots.
pub const LAYOUT: Layout = const {
    assert!(SLOTS[1] + SLOT_LEN <= FLASH_LEN, "the slots end beyond the flash part");
    assert!(FACTORY >= JOURNAL + JOURNAL_LEN && FACTORY + SECTOR <= SLOTS[0], "the factory sector is shared");
    Layout::new(
        Partition::new(SLOTS[0], SLOT_LEN),
        Partition::new(SLOTS[1], SLOT_LEN),
        Partition::new(JOURNAL, JOURNAL_LEN),
        SECTOR,
    )
};

/// Both slots, for a program that writes neither.
pub const ALL_SLOTS: Partition = const {
    assert!(SLOTS[0] + SLOT_LEN == SLOTS[1], "there is something between the slots");
    Partition::new(SLOTS[0], 2 * SLOT_LEN)
};

/// The address at which the processor sees the start of `slot`.
pub const fn slot_address(slot: SlotId) -> u32 {
    FLASH + LAYOUT.slot(slot).start
}

/// The slot this program executes from, by its vector table; `None` for the loader.
pub fn running_slot() -> Option<SlotId> {
    let slots = [SlotId::A, SlotId::B].map(slot_address);
    common::entry::slot_of(crate::scb::vector_table(), slots, SLOT_LEN)
}
