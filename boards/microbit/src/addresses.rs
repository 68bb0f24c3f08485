//! Where things lie in the address space. Plain numbers, because `build.rs` reads this file too.

/// Flash: code memory, at address 0.
pub const FLASH_LEN: u32 = 0x4_0000;
/// Erase unit.
pub const PAGE: u32 = 0x400;
/// The loader's pages, from address 0 on.
pub const LOADER_LEN: u32 = 0x4000;
/// The journal: two banks of four pages.
pub const JOURNAL: u32 = LOADER_LEN;
/// Length of the journal.
pub const JOURNAL_LEN: u32 = 0x2000;
/// The slots.
pub const SLOTS: [u32; 2] = [0x6000, 0x2_3000];
/// Length of a slot.
pub const SLOT_LEN: u32 = 0x1_D000;
/// Length of the image header. This part cannot move its vector table, so the application's needs no alignment; the
/// runtime crate insists on that of parts that can: 256 bytes. 512 is the default of `ota sign`.
pub const HEADER: u32 = 0x200;
/// What is kept free behind the payload for the image's TLVs.
pub const TRAILER: u32 = 0x400;

/// RAM.
pub const RAM: u32 = 0x2000_0000;
/// All of it.
pub const RAM_LEN: u32 = 0x4000;
/// The end of RAM that no program initialises: it carries the cause of a reset over it.
pub const RETAINED: u32 = RAM + RAM_LEN - 8;
