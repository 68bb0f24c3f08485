//! Where things lie in the address space. Plain numbers, because `build.rs` reads this file too.

/// Code memory: loaded from the loader's ELF file at every start of the emulator.
pub const ROM: u32 = 0x0000_0000;
/// How much of it the loader may take.
pub const ROM_LEN: u32 = 0x4_0000;

/// RAM.
pub const RAM: u32 = 0x2000_0000;
/// All of it.
pub const RAM_LEN: u32 = 0x40_0000;
/// The end of RAM that no program initialises: it carries facts over a reset.
pub const RETAINED: u32 = RAM + RAM_LEN - 0x100;

/// Where the PSRAM, which is our flash, is mapped.
pub const FLASH: u32 = 0x2100_0000;
/// How much of its 16 MiB is the flash part.
pub const FLASH_LEN: u32 = 0x40_0000;
/// Erase unit.
pub const SECTOR: u32 = 0x1000;
/// Offset of the journal in the flash part: two banks of four sectors.
pub const JOURNAL: u32 = 0;
/// Length of the journal.
pub const JOURNAL_LEN: u32 = 0x8000;
/// Offset of the sector that the factory writes and no program does.
pub const FACTORY: u32 = 0x8000;
/// Offsets of the slots.
pub const SLOTS: [u32; 2] = [0x10_0000, 0x20_0000];
/// Length of a slot.
pub const SLOT_LEN: u32 = 0x10_0000;
/// Length of the image header: the payload begins with a vector table of 48 words, which must lie on a multiple of
/// the next power of two, 256 bytes. 512 is the default of `ota sign`.
pub const HEADER: u32 = 0x200;
/// What is kept free behind the payload for the image's TLVs.
pub const TRAILER: u32 = 0x1000;
/// Where the delta benchmark finds its images, behind the flash part: a head sector, the old image, the patches.
pub const DELTA: u32 = FLASH_LEN;
/// Where it writes the new image.
pub const DELTA_NEW: u32 = 0xC0_0000;
/// Room for it: the rest of the PSRAM.
pub const DELTA_NEW_LEN: u32 = 0x40_0000;
