//! The partition table: plain data, checked before anything is written.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A partition, a sector or the part is empty. Give it at least one sector.
    #[error("a partition or a sector is empty")]
    Empty,
    /// A partition does not start and end on a sector edge. Align it to the sectors.
    #[error("a partition is not aligned to the sectors")]
    NotAligned,
    /// A partition ends beyond 4 GiB or beyond the last sector.
    #[error("a partition ends beyond the part")]
    TooFar,
    /// Two partitions share bytes. Move one of them.
    #[error("two partitions overlap")]
    Overlap,
    /// The slots differ in length. Make them equal, or an image could fit one slot and not the other.
    #[error("the slots differ in length")]
    UnequalSlots,
    /// The journal has fewer than two sectors. It needs a second one to survive a power cut while rotating.
    #[error("the journal has fewer than two sectors")]
    JournalTooSmall,
    /// The middle of the journal is not a sector edge, so its two banks cannot be erased apart. With equal sectors:
    /// give it an even number.
    #[error("the middle of the journal is not a sector edge")]
    JournalUneven,
}

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

    /// A checked layout on a part whose sectors all have the size `sector`.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub const fn try_new(a: Partition, b: Partition, journal: Partition, sector: u32) -> Result<Self, LayoutError> {
        Self::check(a, b, journal, Sectors::Equal(sector))
    }

    /// A checked layout on a part with sectors of several sizes: all of them, in order from offset 0.
    ///
    /// # Errors
    /// The first rule that is broken.
    ///
    /// # Examples
    /// ```
    /// use ota_hal::{Layout, Partition};
    /// const K: u32 = 1024;
    /// // STM32F407, 1 MiB: the loader in the first sector, the journal in the next two, slots in the large ones.
    /// const SECTORS: [u32; 12] = [16, 16, 16, 16, 64, 128, 128, 128, 128, 128, 128, 128];
    /// const LAYOUT: Layout = const {
    ///     let mut sectors = SECTORS;
    ///     let mut n = 0;
    ///     while n < sectors.len() {
    ///         sectors[n] *= K;
    ///         n += 1;
    ///     }
    ///     let (a, b) = (Partition::new(128 * K, 384 * K), Partition::new(512 * K, 384 * K));
    ///     match Layout::try_with_sectors(a, b, Partition::new(16 * K, 32 * K), &sectors) {
    ///         Ok(layout) => layout,
    ///         Err(_) => panic!("see LayoutError"),
    ///     }
    /// };
    /// assert_eq!(LAYOUT.sector(), 128 * K);
    /// ```
    pub const fn try_with_sectors(
        a: Partition,
        b: Partition,
        journal: Partition,
        sectors: &[u32],
    ) -> Result<Self, LayoutError> {
        Self::check(a, b, journal, Sectors::Listed(sectors))
    }

    const fn check(a: Partition, b: Partition, journal: Partition, sectors: Sectors<'_>) -> Result<Self, LayoutError> {
        let sector = sectors.largest();
        let all = [a, b, journal];
        let mut i = 0;
        while i < all.len() {
            let p = all[i];
            if p.len == 0 || sector == 0 {
                return Err(LayoutError::Empty);
            }
            let Some(end) = p.end() else { return Err(LayoutError::TooFar) };
            if sectors.is_past(end) {
                return Err(LayoutError::TooFar);
            }
            if !sectors.is_edge(p.start) || !sectors.is_edge(end) {
                return Err(LayoutError::NotAligned);
            }
            i += 1;
        }
        if a.overlaps(b) || a.overlaps(journal) || b.overlaps(journal) {
            return Err(LayoutError::Overlap);
        }
        if a.len != b.len {
            return Err(LayoutError::UnequalSlots);
        }
        if sectors.holds(journal) {
            return Err(LayoutError::JournalTooSmall);
        }
        if !journal.len.is_multiple_of(2) || !sectors.is_edge(journal.start + journal.len / 2) {
            return Err(LayoutError::JournalUneven);
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
    /// The size of the sectors the layout was checked against; of the largest when they differ.
    pub const fn sector(&self) -> u32 {
        self.sector
    }
}

/// Where the sectors of a part begin and end.
#[derive(Clone, Copy)]
enum Sectors<'a> {
    Equal(u32),
    Listed(&'a [u32]),
}

impl Sectors<'_> {
    /// The largest sector; 0 when one of them, or the list, is empty.
    const fn largest(self) -> u32 {
        match self {
            Self::Equal(len) => len,
            Self::Listed(list) => {
                let (mut largest, mut i) = (0, 0);
                while i < list.len() {
                    if list[i] == 0 {
                        return 0;
                    }
                    if list[i] > largest {
                        largest = list[i];
                    }
                    i += 1;
                }
                largest
            }
        }
    }

    /// Whether a sector begins or ends at `at`.
    const fn is_edge(self, at: u32) -> bool {
        match self {
            Self::Equal(len) => at.is_multiple_of(len),
            Self::Listed(list) => {
                let (mut edge, mut i) = (0_u64, 0);
                while i < list.len() && edge < at as u64 {
                    edge += list[i] as u64;
                    i += 1;
                }
                edge == at as u64
            }
        }
    }

    /// Whether `end` lies beyond the last listed sector.
    const fn is_past(self, end: u32) -> bool {
        match self {
            Self::Equal(_) => false,
            Self::Listed(list) => {
                let (mut last, mut i) = (0_u64, 0);
                while i < list.len() {
                    last += list[i] as u64;
                    i += 1;
                }
                end as u64 > last
            }
        }
    }

    /// Whether `partition`, whose ends are sector edges, is a single sector.
    const fn holds(self, partition: Partition) -> bool {
        match self {
            Self::Equal(len) => partition.len <= len,
            Self::Listed(list) => {
                let (mut start, mut i) = (0_u64, 0);
                while i < list.len() && start < partition.start as u64 {
                    start += list[i] as u64;
                    i += 1;
                }
                i < list.len() && list[i] == partition.len
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn p(start: u32, len: u32) -> Partition {
        Partition::new(start, len)
    }

    #[test]
    fn a_good_layout() {
        let layout = Layout::try_new(p(0x2000, 0x3000), p(0x5000, 0x3000), p(0, 0x2000), 0x1000).unwrap();
        assert_eq!((layout.slot(SlotId::A), layout.slot(SlotId::B)), (p(0x2000, 0x3000), p(0x5000, 0x3000)));
        assert_eq!((layout.journal(), layout.sector()), (p(0, 0x2000), 0x1000));
        assert_eq!((SlotId::A.other(), SlotId::B.other()), (SlotId::B, SlotId::A));
    }

    #[test]
    fn each_rule() {
        use LayoutError::*;
        let good = [p(0x2000, 0x3000), p(0x5000, 0x3000), p(0, 0x2000)];
        let cases: [(usize, Partition, LayoutError); 10] = [
            (0, p(0x2000, 0), Empty),
            (0, p(0x2001, 0x3000), NotAligned),
            (1, p(0x5000, 0x3001), NotAligned),
            (1, p(0xFFFF_F000, 0x3000), TooFar),
            (1, p(0x4000, 0x3000), Overlap),
            (2, p(0x1000, 0x2000), Overlap),
            (2, p(0x7000, 0x2000), Overlap),
            (1, p(0x5000, 0x2000), UnequalSlots),
            (2, p(0, 0x1000), JournalTooSmall),
            (2, p(0x8000, 0x3000), JournalUneven),
        ];
        for (n, partition, error) in cases {
            let mut all = good;
            all[n] = partition;
            assert_eq!(Layout::try_new(all[0], all[1], all[2], 0x1000), Err(error), "{partition:?}");
        }
        assert_eq!(Layout::try_new(good[0], good[1], good[2], 0), Err(Empty));
    }

    #[test]
    fn listed_sectors() {
        use LayoutError::*;
        let list = [16, 16, 32, 64, 64];
        let check = |journal| Layout::try_with_sectors(p(64, 64), p(128, 64), journal, &list).map(|l| l.sector());
        assert_eq!(check(p(0, 32)), Ok(64));
        assert_eq!(check(p(0, 64)), Ok(64), "16 and 16, then 32");
        assert_eq!(check(p(0, 16)), Err(JournalTooSmall));
        assert_eq!(check(p(32, 32)), Err(JournalTooSmall));
        assert_eq!(check(p(16, 48)), Err(JournalUneven));
        assert_eq!(check(p(8, 24)), Err(NotAligned));
        assert_eq!(check(p(192, 64)), Err(TooFar));
        assert_eq!(Layout::try_with_sectors(p(64, 64), p(128, 64), p(0, 32), &[]), Err(Empty));
        assert_eq!(Layout::try_with_sectors(p(64, 64), p(128, 64), p(0, 32), &[16, 0]), Err(Empty));
    }
}
