//! What a first pass taught about moved addresses: with it the parser sees which differences will cost nothing.

use super::space::Terms;
use super::views::ahead;
use crate::Every;
use crate::isa::{self, Arch, Context, Kind, Look, Unit};
use std::vec::Vec;

pub(crate) struct Oracle<'a> {
    old: &'a [u8],
    new: &'a [u8],
    terms: Terms,
    shifts: Vec<(u32, i32)>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(old: &'a [u8], new: &'a [u8], terms: Terms, mut lessons: Vec<(u32, i32)>) -> Self {
        // The last lesson about a key counts.
        lessons.reverse();
        lessons.sort_by_key(|(key, _)| *key);
        lessons.dedup_by_key(|(key, _)| *key);
        Self { old, new, terms, shifts: lessons }
    }

    fn shift(&self, key: u32) -> i32 {
        let place = self.shifts.partition_point(|(at, _)| *at < key);
        let above = self.shifts.get(place);
        let below = place.checked_sub(1).and_then(|place| self.shifts.get(place));
        match (below, above) {
            (Some(below), Some(above)) if key - below.0 <= above.0 - key => below.1,
            (_, Some(above)) => above.1,
            (Some(below), None) => below.1,
            (None, None) => 0,
        }
    }

    /// Whether the difference between the old byte at `q` and the new one at `i` comes from a moved address.
    pub(crate) fn explains(&self, q: usize, i: usize) -> bool {
        (0..4.min(q + 1).min(i + 1)).any(|back| self.unit_explains(q - back, i - back, back))
            || self.terms.arch == Arch::RiscV
                && (0..4.min(q + 1).min(i + 1)).any(|back| self.low_explains(q - back, i - back))
    }

    fn unit_explains(&self, q: usize, i: usize, back: usize) -> bool {
        let bytes = &ahead(self.old, q);
        let left = (self.new.len() - i) as u32;
        let look = Look { bytes, q: q as u32, i: i as u32, left, from_new: false, size: self.old.len() as u32 };
        let mut context = Context::at(q as u32);
        let unit = isa::detect::<Every>(&look, self.terms.arch, &self.terms.space, &mut context);
        let len = unit.len as usize;
        if unit.kind == Kind::Byte || len <= back || i + len > self.new.len() {
            return false;
        }
        let key = if unit.is_offset { unit.key.wrapping_add(self.terms.space.base) } else { unit.key };
        let own = (i as i64 - q as i64) as i32;
        self.comes_out(&unit, &look, self.shift(key), &context)
            || unit.kind == Kind::Local && self.comes_out(&unit, &look, own, &context)
    }

    fn comes_out(&self, unit: &Unit, look: &Look<'_>, shift: i32, context: &Context) -> bool {
        let word = isa::moved::<Every>(unit, look.raw(unit.len), look.i, shift, self.terms.arch, context);
        self.new[look.i as usize..].starts_with(&word.to_le_bytes()[..unit.len as usize])
    }

    /// The low part of an address: equal but for its twelve bits.
    fn low_explains(&self, q: usize, i: usize) -> bool {
        let word = |image: &[u8], at: usize| image.get(at..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw));
        let (Some(old), Some(new)) = (word(self.old, q), word(self.new, i)) else { return false };
        q.is_multiple_of(2) && isa::riscv::differ_in_low_only(old, new)
    }
}
