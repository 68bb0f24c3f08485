//! The flash parts that are swept.

use ota_hal::{Layout, Partition};
use ota_testkit::WriteRule;

/// A flash part and how it is divided. Write size and erase value are those of the type it is simulated with.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Bytes programmed at once.
    pub write: usize,
    /// Value of an erased byte.
    pub erased: u8,
    /// Sectors of a slot: repeated until the slot is long enough.
    pub slot: &'static [u32],
    /// Sectors of one bank of the journal.
    pub bank: &'static [u32],
    /// How often a unit may be written.
    pub rule: WriteRule,
    /// Whether torn units read as corrupt.
    pub ecc: bool,
}

impl Geometry {
    /// All sectors in order, and where slots and journal lie, for slots of `room` bytes at least: slot A, slot B with its
    /// sectors in the opposite order, the journal.
    ///
    /// # Panics
    /// When the geometry is no valid layout.
    #[must_use]
    pub fn divided(&self, room: u32) -> (Vec<u32>, Layout) {
        let cycle: u32 = self.slot.iter().sum();
        let a: Vec<u32> = self.slot.repeat(room.div_ceil(cycle) as usize);
        let (len, bank): (u32, u32) = (a.iter().sum(), self.bank.iter().sum());
        let b = a.iter().rev().copied();
        let sectors: Vec<u32> = a.iter().copied().chain(b).chain(self.bank.repeat(2)).collect();
        let (slot_a, slot_b) = (Partition::new(0, len), Partition::new(len, len));
        let layout = Layout::try_with_sectors(slot_a, slot_b, Partition::new(2 * len, 2 * bank), &sectors);
        (sectors, layout.expect("the geometry is a valid layout"))
    }

    /// The smallest and the largest sector of a slot.
    #[must_use]
    pub fn sector_max(&self) -> u32 {
        self.slot.iter().copied().max().unwrap_or(0)
    }
}

const fn part(name: &'static str, write: usize, slot: &'static [u32], bank: &'static [u32]) -> Geometry {
    Geometry { name, write, erased: 0xFF, slot, bank, rule: WriteRule::Once, ecc: false }
}
const fn ecc(geometry: Geometry) -> Geometry {
    Geometry { ecc: true, ..geometry }
}
const fn rule(rule: WriteRule, geometry: Geometry) -> Geometry {
    Geometry { rule, ..geometry }
}
const fn zero(geometry: Geometry) -> Geometry {
    Geometry { erased: 0x00, ..geometry }
}

/// Every geometry; the first one is the small one, on which all pairs of cuts are made.
pub const GEOMETRIES: &[Geometry] = &[
    part("w8", 8, &[256], &[256; 4]),
    rule(WriteRule::Clear, part("w1-clear", 1, &[256], &[256; 4])),
    part("w2", 2, &[256], &[512; 2]),
    rule(WriteRule::Twice, part("w4-twice", 4, &[256], &[1024])),
    ecc(part("w4-ecc", 4, &[512], &[512; 2])),
    ecc(part("w8-ecc", 8, &[512], &[512; 3])),
    ecc(part("w16-ecc", 16, &[512], &[1024])),
    ecc(part("w32-ecc", 32, &[512], &[512; 4])),
    part("w64", 64, &[512], &[2048]),
    zero(part("w4-zero", 4, &[256], &[256; 4])),
    zero(rule(WriteRule::Clear, part("w1-zero-clear", 1, &[256], &[256; 5]))),
    ecc(zero(part("w16-zero-ecc", 16, &[512], &[1024]))),
    part("w8-uneven", 8, &[256, 512, 256, 1024], &[512, 256, 256]),
    part("w4-uneven", 4, &[128, 128, 256, 1536], &[1024]),
    ecc(part("w32-uneven-ecc", 32, &[1024, 256], &[256, 1024, 256])),
    part("w8-tiny", 8, &[128], &[128; 8]),
    part("w4-page", 4, &[64], &[64; 16]),
    part("w16", 16, &[256], &[256; 5]),
    part("w8-4k", 8, &[4096], &[4096]),
    rule(WriteRule::Clear, part("w1-4k-clear", 1, &[4096], &[4096])),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_geometry_is_valid_and_named_once() {
        for (n, geometry) in GEOMETRIES.iter().enumerate() {
            let (sectors, layout) = geometry.divided(3000);
            assert!(sectors.iter().all(|len| len.is_multiple_of(geometry.write as u32)), "{geometry:?}");
            assert!(layout.slot(ota_hal::SlotId::A).len >= 3000, "{geometry:?}");
            assert!(GEOMETRIES[..n].iter().all(|other| other.name != geometry.name), "{geometry:?}");
        }
        assert!(GEOMETRIES.len() >= 16);
    }
}
