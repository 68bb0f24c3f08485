//! The partition table: plain data, checked before anything is written.

use core::fmt;

/// One of the two image slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotId {
    /// The first slot.
    A,
    /// The second slot.
    B,
}

impl SlotId {
    /// The slot that is not this one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
    /// 0 for A, 1 for B.
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// A range of a flash part: `start` and `len` in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// First byte, from the start of the part.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Partition {
    /// A partition of `len` bytes at `start`.
    pub const fn new(start: u32, len: u32) -> Self {
        Self { start, len }
    }
    const fn end(self) -> Option<u32> {
        self.start.checked_add(self.len)
    }
    const fn overlaps(self, other: Self) -> bool {
        match (self.end(), other.end()) {
            (Some(a), Some(b)) => self.start < b && other.start < a,
            _ => true,
        }
    }
}

/// Where the two slots and the journal live on one flash part.
///
/// # Examples
/// ```
/// use ota_hal::{Layout, Partition};
/// // Checked while compiling: an overlap or a misaligned partition does not build.
/// const LAYOUT: Layout = const {
///     Layout::new(Partition::new(0x2_0000, 0x3_0000), Partition::new(0x5_0000, 0x3_0000), Partition::new(0x8_0000, 0x2000), 0x1000)
/// };
/// assert_eq!(LAYOUT.slot(ota_hal::SlotId::B).start, 0x5_0000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    slots: [Partition; 2],
    journal: Partition,
    sector: u32,
}

/// Why a [`Layout`] was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// A partition is empty. Give it at least one sector.
    Empty,
    /// A partition does not start and end on a sector edge. Align it to the sector size.
    NotAligned,
    /// A partition ends beyond 4 GiB.
    TooFar,
    /// Two partitions share bytes. Move one of them.
    Overlap,
    /// The slots differ in length. Make them equal, or an image could fit one slot and not the other.
    UnequalSlots,
    /// The journal has fewer than two sectors. It needs a second one to survive a power cut while rotating.
    JournalTooSmall,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a partition is empty",
            Self::NotAligned => "a partition is not aligned to the sector size",
            Self::TooFar => "a partition ends beyond 4 GiB",
            Self::Overlap => "two partitions overlap",
            Self::UnequalSlots => "the slots differ in length",
            Self::JournalTooSmall => "the journal has fewer than two sectors",
        })
    }
}
impl core::error::Error for LayoutError {}

impl Layout {
    /// A checked layout; meant for a `const` block, where a mistake does not compile.
    ///
    /// # Panics
    /// When [`Layout::try_new`] would return an error.
    pub const fn new(slot_a: Partition, slot_b: Partition, journal: Partition, sector: u32) -> Self {
        match Self::try_new(slot_a, slot_b, journal, sector) {
            Ok(layout) => layout,
            Err(_) => panic!("the flash layout is not valid: see LayoutError"),
        }
    }

    /// A checked layout. `sector` is the largest erase unit of the part.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub const fn try_new(a: Partition, b: Partition, journal: Partition, sector: u32) -> Result<Self, LayoutError> {
        let all = [a, b, journal];
        let mut i = 0;
        while i < all.len() {
            let p = all[i];
            if p.len == 0 || sector == 0 {
                return Err(LayoutError::Empty);
            }
            if !p.start.is_multiple_of(sector) || !p.len.is_multiple_of(sector) {
                return Err(LayoutError::NotAligned);
            }
            if p.end().is_none() {
                return Err(LayoutError::TooFar);
            }
            i += 1;
        }
        if a.overlaps(b) || a.overlaps(journal) || b.overlaps(journal) {
            return Err(LayoutError::Overlap);
        }
        if a.len != b.len {
            return Err(LayoutError::UnequalSlots);
        }
        if journal.len / sector < 2 {
            return Err(LayoutError::JournalTooSmall);
        }
        Ok(Self { slots: [a, b], journal, sector })
    }

    /// The partition of a slot.
    pub const fn slot(&self, slot: SlotId) -> Partition {
        self.slots[slot.index()]
    }
    /// The journal's partition.
    pub const fn journal(&self) -> Partition {
        self.journal
    }
    /// The sector size the layout was checked against.
    pub const fn sector(&self) -> u32 {
        self.sector
    }
}
