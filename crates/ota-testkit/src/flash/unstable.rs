//! Bits that an interrupted operation left between two values.

use crate::Rng;
use core::ops::Range;

/// The cells with such bits, by offset, and which bits those are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unstable {
    cells: Vec<(u32, u8)>,
}

impl Unstable {
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
    pub(super) fn cells(&self) -> &[(u32, u8)] {
        &self.cells
    }

    pub(super) fn is_within(&self, range: &Range<u32>) -> bool {
        !self.within(range).is_empty()
    }

    fn within(&self, range: &Range<u32>) -> Range<usize> {
        let place = |offset| self.cells.partition_point(|(at, _)| *at < offset);
        place(range.start)..place(range.end)
    }

    /// Forgets the cells of `range`.
    pub(super) fn clear(&mut self, range: &Range<u32>) {
        if !self.is_empty() {
            self.cells.drain(self.within(range));
        }
    }
    /// Adds bits.
    pub(super) fn add(&mut self, at: u32, mask: u8) {
        match self.cells.binary_search_by_key(&at, |(at, _)| *at) {
            _ if mask == 0 => {}
            Ok(place) => self.cells[place].1 |= mask,
            Err(place) => self.cells.insert(place, (at, mask)),
        }
    }
    /// Bits that are programmed are as they should be from now on.
    pub(super) fn settle(&mut self, at: u32, programmed: u8) {
        if let Ok(place) = self.cells.binary_search_by_key(&at, |(at, _)| *at) {
            self.cells[place].1 &= !programmed;
            if self.cells[place].1 == 0 {
                self.cells.remove(place);
            }
        }
    }
    /// The unstable bits of one cell.
    #[cfg(test)]
    pub(super) fn mask(&self, at: u32) -> u8 {
        self.cells.binary_search_by_key(&at, |(at, _)| *at).map_or(0, |place| self.cells[place].1)
    }
    /// Lets the bits of what is read from `start` on fall.
    pub(super) fn read(&self, start: u32, bytes: &mut [u8], rng: &mut Rng) {
        for (at, mask) in &self.cells[self.within(&(start..start + bytes.len() as u32))] {
            bytes[(at - start) as usize] ^= rng.byte() & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fall_anew_at_each_read_until_they_are_settled_or_cleared() {
        let mut unstable = Unstable::default();
        for (at, mask) in [(7, 0x80), (3, 0x01), (5, 0), (3, 0x02)] {
            unstable.add(at, mask);
        }
        assert_eq!(unstable.cells(), [(3, 0x03), (7, 0x80)]);
        let mut rng = Rng::new(1);
        let mut seen = [[false; 2]; 2];
        for _ in 0..50 {
            let mut bytes = [0; 8];
            unstable.read(0, &mut bytes, &mut rng);
            assert_eq!((bytes[3] & !3, bytes[7] & !0x80, bytes[4]), (0, 0, 0));
            seen[0][usize::from(bytes[3] & 1)] = true;
            seen[1][usize::from(bytes[7] >> 7)] = true;
        }
        assert_eq!(seen, [[true; 2]; 2]);
        unstable.settle(3, 0x01);
        assert_eq!((unstable.mask(3), unstable.mask(7), unstable.mask(4)), (0x02, 0x80, 0));
        unstable.clear(&(4..8));
        unstable.settle(3, 0xFF);
        assert!(unstable.is_empty());
    }
}
