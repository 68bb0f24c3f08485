//! The memory map of this board.

use crate::file_flash::{FileFlash, SECTOR};
use ota_hal::{Layout, Partition, Region, Shared, SlotId};
use std::cell::RefCell;

const SLOT: u32 = 4 << 20;
const JOURNAL: u32 = 64 << 10;

/// Two slots of 4 MiB, then 64 KiB of journal.
pub const LAYOUT: Layout = const {
    Layout::new(Partition::new(0, SLOT), Partition::new(SLOT, SLOT), Partition::new(2 * SLOT, JOURNAL), SECTOR)
};

/// Bytes of the whole part.
pub const FLASH_LEN: u32 = 2 * SLOT + JOURNAL;

/// A window on the part that several owners may hold.
pub type Window<'a> = Region<Shared<'a, FileFlash>>;

/// The window of one slot.
pub const fn slot(flash: &RefCell<FileFlash>, id: SlotId) -> Window<'_> {
    Region::new(Shared::new(flash), LAYOUT.slot(id))
}

/// The window of the journal.
pub const fn journal(flash: &RefCell<FileFlash>) -> Window<'_> {
    Region::new(Shared::new(flash), LAYOUT.journal())
}
