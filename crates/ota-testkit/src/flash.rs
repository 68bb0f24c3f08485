//! A NOR flash part whose rules are enforced and whose operations can be torn.

mod fault;
mod fingerprint;
mod inject;
mod tear;
#[cfg(test)]
mod tests;
mod unstable;

pub use fault::{SimError, Violation, WriteRule};
pub use tear::Tear;

use crate::Rng;
use core::fmt;
use core::ops::Range;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use fault::Event;
use ota_hal::Flash;
use unstable::Unstable;

/// A simulated part: write size `WRITE`, erase value `ERASED` (0xFF or 0x00), sectors of `SECTOR` bytes unless
/// [`SimFlash::with_sectors`] says otherwise, read size `READ`.
///
/// Cloning copies everything, faults to come included: a sweep prepares one flash and tries each cut on a copy.
///
/// # Examples
/// ```
/// use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
/// use ota_testkit::{SimError, SimFlash, Tear};
///
/// let mut flash = SimFlash::<8>::new(8192).seeded(42);
/// flash.cut_at(1, Tear::Prefix); // the second operation
/// flash.erase(0, 4096).unwrap();
/// assert_eq!(flash.write(0, &[0x55; 16]), Err(SimError::NoPower));
/// assert_eq!(flash.erase(0, 4096), Err(SimError::NoPower));
/// flash.power_on();
/// let mut bytes = [0; 16];
/// flash.read(0, &mut bytes).unwrap();
/// assert_eq!(bytes[15], 0xFF); // a prefix never reaches the last byte
/// ```
#[derive(Clone)]
pub struct SimFlash<const WRITE: usize, const ERASED: u8 = 0xFF, const SECTOR: usize = 4096, const READ: usize = 1> {
    cells: Vec<u8>,
    /// Writes of each unit since its last complete erase. `u8::MAX` after a torn erase: erase again.
    writes: Vec<u8>,
    /// Units that read as corrupt.
    corrupt: Vec<bool>,
    /// Where each sector ends.
    ends: Vec<u32>,
    wear: Vec<u32>,
    /// Bytes programmed into each sector.
    programmed: Vec<u64>,
    unstable: Unstable,
    stuck: Vec<bool>,
    rule: WriteRule,
    ecc: bool,
    rng: Rng,
    ops: u64,
    reads: u64,
    events: Vec<Event>,
    failing_reads: Range<u64>,
    powered: bool,
    violation: Option<Violation>,
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize>
    SimFlash<WRITE, ERASED, SECTOR, READ>
{
    /// An erased part of `capacity` bytes in equal sectors.
    ///
    /// # Panics
    /// When the capacity is not a multiple of the sector size.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        assert!(capacity.is_multiple_of(SECTOR as u32), "capacity must be a multiple of the sector size");
        Self::with_sectors(&vec![SECTOR as u32; capacity as usize / SECTOR])
    }

    /// An erased part with these sectors, in order. `SECTOR` should then be the smallest of them.
    ///
    /// # Panics
    /// When a sector is not a multiple of the write size.
    #[must_use]
    pub fn with_sectors(sectors: &[u32]) -> Self {
        let mut end = 0;
        let ends: Vec<u32> = sectors
            .iter()
            .map(|len| {
                assert!(*len > 0 && len.is_multiple_of(WRITE as u32), "sectors must be multiples of the write size");
                end += len;
                end
            })
            .collect();
        let units = end as usize / WRITE;
        Self {
            cells: vec![ERASED; end as usize],
            writes: vec![0; units],
            corrupt: vec![false; units],
            wear: vec![0; ends.len()],
            programmed: vec![0; ends.len()],
            unstable: Unstable::default(),
            stuck: vec![false; ends.len()],
            ends,
            rule: WriteRule::Once,
            ecc: false,
            rng: Rng::new(0),
            ops: 0,
            reads: 0,
            events: Vec::new(),
            failing_reads: 0..0,
            powered: true,
            violation: None,
        }
    }

    /// How many writes and erases were begun since the counter was last reset.
    #[must_use]
    pub const fn ops(&self) -> u64 {
        self.ops
    }
    /// How many reads were begun since the counter was last reset.
    #[must_use]
    pub const fn reads(&self) -> u64 {
        self.reads
    }
    /// The first rule that the code under test broke. A test ends with `assert_eq!(flash.violation(), None)`, since
    /// the code may swallow the error.
    #[must_use]
    pub const fn violation(&self) -> Option<Violation> {
        self.violation
    }
    /// Erases of the sector with this number.
    #[must_use]
    pub fn wear(&self, sector: usize) -> u32 {
        self.wear.get(sector).copied().unwrap_or(0)
    }
    /// Erases of the most worn sector.
    #[must_use]
    pub fn wear_max(&self) -> u32 {
        self.wear.iter().copied().max().unwrap_or(0)
    }
    /// How many sectors there are.
    #[must_use]
    pub fn sectors(&self) -> usize {
        self.ends.len()
    }
    /// Bytes programmed between these sector edges.
    #[must_use]
    pub fn programmed(&self, range: Range<u32>) -> u64 {
        let sectors = self.sector_index(range.start)..self.sector_index(range.end);
        self.programmed.get(sectors).map_or(0, |sectors| sectors.iter().sum())
    }
    /// Whether some bits read as one or the other.
    #[must_use]
    pub fn is_unstable(&self) -> bool {
        !self.unstable.is_empty()
    }
    /// Whether some of these cells have such bits.
    #[must_use]
    pub fn is_unstable_within(&self, range: &Range<u32>) -> bool {
        self.unstable.is_within(range)
    }
    /// Whether there is power.
    #[must_use]
    pub const fn is_powered(&self) -> bool {
        self.powered
    }
    /// The cells as they are, whatever reads would say.
    #[must_use]
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    fn sector_index(&self, offset: u32) -> usize {
        self.ends.partition_point(|end| *end <= offset)
    }
    fn sector_range(&self, index: usize) -> (u32, u32) {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        (start, self.ends.get(index).copied().unwrap_or(start))
    }

    /// Refuses what the part cannot do, and remembers it.
    fn refuse<T>(&mut self, violation: Violation) -> Result<T, SimError> {
        self.violation.get_or_insert(violation);
        Err(SimError::Violation(violation))
    }
    fn bounds(&mut self, at: u32, len: usize, unit: usize) -> Result<(), SimError> {
        let (from, len32) = (at as usize, u32::try_from(len).unwrap_or(u32::MAX));
        if from.checked_add(len).is_none_or(|end| end > self.cells.len()) {
            return self.refuse(Violation::OutOfBounds { at, len: len32 });
        }
        if !from.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return self.refuse(Violation::NotAligned { at, len: len32 });
        }
        Ok(())
    }

    /// Counts an operation, and says how far it gets and how it ends.
    fn begin(&mut self) -> (Tear, Result<(), SimError>, Rng) {
        let op = self.ops;
        self.ops += 1;
        let rng = self.rng.part(op);
        match self.events.iter().find(|event| event.op == op) {
            None => (Tear::After, Ok(()), rng),
            Some(event) if event.cut => {
                self.powered = false;
                (event.tear, Err(SimError::NoPower), rng)
            }
            Some(event) => (event.tear, Err(SimError::Injected), rng),
        }
    }

    /// Changes the cells from `at` on towards `new`, as far as the tear lets it, except in stuck sectors.
    fn change(&mut self, at: usize, new: &[u8], tear: Tear, rng: &mut Rng) {
        let mut after = self.cells[at..at + new.len()].to_vec();
        tear.apply(&mut after, new, WRITE, rng);
        let firm = Tear::UNSTABLE.iter().all(|other| *other != tear);
        if firm && !self.stuck.contains(&true) {
            return self.cells[at..at + new.len()].copy_from_slice(&after);
        }
        for (n, value) in after.into_iter().enumerate() {
            let place = at + n;
            let between = (self.cells[place] ^ new[n]) & tear.unstable(rng);
            if !self.stuck[self.sector_index(place as u32)] {
                self.cells[place] = value;
                self.unstable.add(place as u32, between);
            }
        }
    }

    fn check_write(&mut self, at: u32, bytes: &[u8]) -> Result<(), SimError> {
        self.bounds(at, bytes.len(), WRITE)?;
        let start = at as usize;
        let units = start / WRITE..(start + bytes.len()) / WRITE;
        let full = units.clone().find(|unit| !self.rule.allows(self.writes[*unit]));
        if let Some(unit) = full {
            return self.refuse(Violation::Rewritten { at: (unit * WRITE) as u32 });
        }
        let back = |(old, new): (&u8, &u8)| (old ^ ERASED) & !(new ^ ERASED) != 0;
        let unerased = self.cells[start..].iter().zip(bytes).position(back);
        match unerased {
            Some(n) => self.refuse(Violation::Unerased { at: at + n as u32 }),
            None => Ok(()),
        }
    }

    fn check_erase(&mut self, from: u32, to: u32) -> Result<(), SimError> {
        let len = to.saturating_sub(from);
        self.bounds(from, len as usize, 1)?;
        let edge = |at: u32| at == 0 || self.ends.binary_search(&at).is_ok();
        if from > to || !edge(from) || !edge(to) {
            return self.refuse(Violation::NotAligned { at: from, len });
        }
        Ok(())
    }
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize> fmt::Debug
    for SimFlash<WRITE, ERASED, SECTOR, READ>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFlash")
            .field("seed", &self.rng.seed())
            .field("write_size", &WRITE)
            .field("erase_value", &ERASED)
            .field("sectors", &self.ends.len())
            .field("capacity", &self.cells.len())
            .field("ops", &self.ops)
            .field("events", &self.events)
            .field("powered", &self.powered)
            .field("violation", &self.violation)
            .finish_non_exhaustive()
    }
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize> ErrorType
    for SimFlash<WRITE, ERASED, SECTOR, READ>
{
    type Error = SimError;
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize> ReadNorFlash
    for SimFlash<WRITE, ERASED, SECTOR, READ>
{
    const READ_SIZE: usize = READ;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimError> {
        if !self.powered {
            return Err(SimError::NoPower);
        }
        self.bounds(offset, bytes.len(), READ)?;
        let read = self.reads;
        self.reads += 1;
        if self.failing_reads.contains(&read) {
            return Err(SimError::Injected);
        }
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        bytes.copy_from_slice(&self.cells[start..end]);
        if !self.unstable.is_empty() {
            self.unstable.read(offset, bytes, &mut self.rng);
            // The ECC bits of such a unit are no better.
            if self.ecc && self.unstable.is_within(&(offset..end as u32)) && self.rng.one_in(2) {
                return Err(SimError::Corrupt);
            }
        }
        if self.corrupt[start / WRITE..end.div_ceil(WRITE)].contains(&true) {
            return Err(SimError::Corrupt);
        }
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize> NorFlash
    for SimFlash<WRITE, ERASED, SECTOR, READ>
{
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = SECTOR;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimError> {
        if !self.powered {
            return Err(SimError::NoPower);
        }
        self.check_write(offset, bytes)?;
        let (tear, result, mut rng) = self.begin();
        let sector = self.sector_index(offset);
        self.programmed[sector] += bytes.len() as u64;
        let start = offset as usize;
        let before = self.cells[start..start + bytes.len()].to_vec();
        self.change(start, bytes, tear, &mut rng);
        for (n, (old, new)) in before.chunks(WRITE).zip(bytes.chunks(WRITE)).enumerate() {
            let unit = start / WRITE + n;
            let now = &self.cells[unit * WRITE..][..WRITE];
            let (touched, whole) = (now != old, now == new);
            // A unit that a cut did not reach may be written later; no software could tell it from a fresh one.
            if touched || tear == Tear::After {
                self.writes[unit] = self.writes[unit].saturating_add(1);
            }
            self.corrupt[unit] |= self.ecc && touched && !whole;
        }
        if tear == Tear::After && !self.unstable.is_empty() {
            for (at, new) in (offset..).zip(bytes) {
                self.unstable.settle(at, new ^ ERASED);
            }
        }
        result
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), SimError> {
        if !self.powered {
            return Err(SimError::NoPower);
        }
        self.check_erase(from, to)?;
        let (tear, result, mut rng) = self.begin();
        let (start, end) = (from as usize, to as usize);
        self.change(start, &vec![ERASED; end - start], tear, &mut rng);
        for unit in start / WRITE..end / WRITE {
            let erased = self.cells[unit * WRITE..][..WRITE].iter().all(|byte| *byte == ERASED);
            match tear {
                Tear::Before => {}
                Tear::After => (self.writes[unit], self.corrupt[unit]) = (0, false),
                // Cells that look erased may not be: a torn erase must be done again before anything is written.
                _ => {
                    self.writes[unit] = u8::MAX;
                    self.corrupt[unit] = self.ecc && !erased && (self.corrupt[unit] || rng.one_in(2));
                }
            }
        }
        if tear == Tear::After {
            self.unstable.clear(&(from..to));
        }
        for sector in self.sector_index(from)..self.sector_index(to) {
            self.wear[sector] += 1;
        }
        result
    }
}

impl<const WRITE: usize, const ERASED: u8, const SECTOR: usize, const READ: usize> Flash
    for SimFlash<WRITE, ERASED, SECTOR, READ>
{
    const ERASE_VALUE: u8 = ERASED;
    fn is_corrupt(error: &SimError) -> bool {
        *error == SimError::Corrupt
    }
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        let (start, end) = self.sector_range(self.sector_index(offset));
        (start, end - start)
    }
}
