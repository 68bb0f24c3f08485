//! Preparing a flash, and telling it what goes wrong and when.

use super::{Event, Rng, SimFlash, Tear, WriteRule};
use core::ops::Range;

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize>
    SimFlash<WRITE, ERASED, SECTOR, READ>
{
    /// Sets the seed that every random tear follows from.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.rng = Rng::new(seed);
        self
    }
    /// As [`SimFlash::seeded`], later.
    pub fn set_seed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }
    /// Sets how often a unit may be written.
    #[must_use]
    pub fn with_rule(mut self, rule: WriteRule) -> Self {
        self.rule = rule;
        self
    }
    /// Makes torn units read as corrupt, as parts with ECC do.
    #[must_use]
    pub fn with_ecc(mut self) -> Self {
        self.ecc = true;
        self
    }
    /// Fills the whole part with random bytes, as if it had a past: every sector must be erased before use.
    pub fn fill_garbage(&mut self, rng: &mut Rng) {
        rng.fill(&mut self.cells);
        self.writes.fill(u8::MAX);
    }
    /// Puts `bytes` at the begin of the part, whatever they are: units that are not erased then count as written.
    pub fn preload(&mut self, bytes: &[u8]) {
        for (cell, byte) in self.cells.iter_mut().zip(bytes) {
            *cell = *byte;
        }
        for (writes, unit) in self.writes.iter_mut().zip(self.cells.chunks(WRITE)) {
            *writes = u8::from(unit.iter().any(|byte| *byte != ERASED));
        }
    }

    /// Cuts the power at operation `op`, counted from the last [`SimFlash::reset_counters`].
    pub fn cut_at(&mut self, op: u64, tear: Tear) {
        self.events.push(Event { op, tear, cut: true });
    }
    /// Makes operation `op` fail after it got as far as `tear`; the power stays.
    pub fn fail_at(&mut self, op: u64, tear: Tear) {
        self.events.push(Event { op, tear, cut: false });
    }
    /// Makes the reads with these numbers fail.
    pub fn fail_reads(&mut self, reads: Range<u64>) {
        self.failing_reads = reads;
    }
    /// Makes the units that `range` touches read as corrupt until they are erased.
    pub fn corrupt(&mut self, range: Range<u32>) {
        let units = range.start as usize / WRITE..(range.end as usize).div_ceil(WRITE);
        if let Some(units) = self.corrupt.get_mut(units) {
            units.fill(true);
        }
    }
    /// Flips the bits of `mask` in the cell at `offset`, as decay does.
    pub fn decay(&mut self, offset: u32, mask: u8) {
        if let Some(cell) = self.cells.get_mut(offset as usize) {
            *cell ^= mask;
        }
    }
    /// Makes the sector with this number ignore writes and erases while claiming to have done them.
    pub fn stick_sector(&mut self, sector: usize) {
        if let Some(stuck) = self.stuck.get_mut(sector) {
            *stuck = true;
        }
    }
    /// Cuts the power now, between two operations.
    pub fn power_off(&mut self) {
        self.powered = false;
    }
    /// Restores the power. Faults that are still to come stay.
    pub fn power_on(&mut self) {
        self.powered = true;
    }
    /// Starts counting operations and reads at zero again, and forgets the cuts and failures that were still to come.
    pub fn reset_counters(&mut self) {
        (self.ops, self.reads) = (0, 0);
        self.events.clear();
        self.failing_reads = 0..0;
    }
}
