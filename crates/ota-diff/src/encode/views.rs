//! The images as the matcher sees them: raw, and with address fields blanked out.

use super::space::Terms;
use crate::isa::{self, Context, Isas, Kind, LOOK, Look};
use crate::{Arch, Every};
use std::vec::Vec;

/// An image whose address fields are blank, so that code that was only moved compares equal.
pub(crate) fn blank(image: &[u8], terms: &Terms) -> Vec<u8> {
    let mut view = image.to_vec();
    let mut context = Context::at(0);
    let mut at = 0;
    while at < image.len() {
        let bytes = &ahead(image, at);
        let left = (image.len() - at) as u32;
        let look = Look { bytes, q: at as u32, i: at as u32, left, from_new: false, size: image.len() as u32 };
        let unit = isa::detect::<Every>(&look, terms.arch, &terms.space, &mut context);
        let len = unit.len as usize;
        let word = match unit.kind {
            Kind::Byte | Kind::Local => look.raw(unit.len),
            Kind::Code | Kind::Data => unit.key & 0xFF00_0000,
            _ => blank_field::<Every>(&unit, &look, terms.arch, &context),
        };
        view[at..at + len].copy_from_slice(&word.to_le_bytes()[..len]);
        at += len;
    }
    view
}

/// The bytes that a unit at `at` may look at, zeros behind the end.
pub(super) fn ahead(image: &[u8], at: usize) -> [u8; LOOK] {
    let mut bytes = [0; LOOK];
    let held = &image[at..image.len().min(at + LOOK)];
    bytes[..held.len()].copy_from_slice(held);
    bytes
}

/// The unit's bytes with an address that is the same for all.
fn blank_field<I: Isas>(unit: &isa::Unit, look: &Look<'_>, arch: Arch, context: &Context) -> u32 {
    let home = if unit.is_offset { look.i } else { 0 };
    if unit.kind == Kind::Low {
        return isa::riscv::blank_low(unit, look.raw(4));
    }
    isa::moved::<I>(unit, look.raw(unit.len), look.i, home.wrapping_sub(unit.key) as i32, arch, context)
}

/// Sorted suffixes of an image, of three bytes at least.
pub(crate) struct Index<'a> {
    text: &'a [u8],
    suffixes: Vec<i32>,
    /// Where those begin that start with so many bits, for all their values.
    starts: Vec<u32>,
    bits: u32,
}

/// Shorter matches are none.
pub(crate) const MATCH_MIN: usize = 3;
/// Matches are not looked at beyond this length.
const LONGEST: usize = 4096;
/// How many equally good neighbours are tried for being near, and how many of their bytes are compared.
const NEIGHBOURS: usize = 256;
const NEIGHBOUR_BYTES: usize = 1 << 14;
/// By so many bits a table tells suffixes apart, at least and at most: about as many values as there are suffixes.
const BITS: [u32; 2] = [16, 22];

impl<'a> Index<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let mut suffixes = std::vec![0; text.len()];
        divsufsort::sort_in_place(text, &mut suffixes);
        let long = text.len().saturating_sub(MATCH_MIN - 1);
        suffixes.retain(|suffix| (*suffix as usize) < long);
        let bits = text.len().max(1).ilog2().clamp(BITS[0], BITS[1]);
        let mut starts = std::vec![0; (1 << bits) + 1];
        for at in 0..long {
            starts[beginning(&text[at..], bits) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self { text, suffixes, starts, bits }
    }

    /// The suffixes that start like `wanted`, by its first bits.
    fn bucket(&self, wanted: &[u8]) -> Option<(usize, usize)> {
        let beginning = (wanted.len() >= MATCH_MIN).then(|| beginning(wanted, self.bits))?;
        let [start, end] = *self.starts.get(beginning..)?.first_chunk()?;
        (start < end).then_some((start as usize, end as usize))
    }

    /// The longest match of the start of `wanted`: where, and how long, or 0; of equal ones the nearest to `near`.
    pub(crate) fn longest(&self, wanted: &[u8], near: i64) -> (usize, usize) {
        let wanted = &wanted[..wanted.len().min(LONGEST)];
        let Some((mut low, mut high)) = self.bucket(wanted) else { return (0, 0) };
        let (mut common_low, mut common_high) = ((self.bits / 8) as usize, (self.bits / 8) as usize);
        let (mut best_len, mut best) = (0, 0);
        while low < high {
            let middle = (low + high) / 2;
            let suffix = &self.text[self.suffixes[middle] as usize..];
            let skip = common_low.min(common_high);
            let len = skip + common(&suffix[skip..], &wanted[skip..]);
            if len > best_len {
                (best_len, best) = (len, middle);
            }
            if len == wanted.len() {
                break;
            }
            if len == suffix.len() || suffix[len] < wanted[len] {
                (low, common_low) = (middle + 1, len);
            } else {
                (high, common_high) = (middle, len);
            }
        }
        if best_len < MATCH_MIN { (0, 0) } else { (self.nearest(best, &wanted[..best_len], near), best_len) }
    }

    fn nearest(&self, found: usize, wanted: &[u8], near: i64) -> usize {
        let most = NEIGHBOURS.min(NEIGHBOUR_BYTES / wanted.len().max(1));
        let matches = |place: usize| self.text[self.suffixes[place] as usize..].starts_with(wanted);
        let up = reach(most.min(self.suffixes.len() - 1 - found), |step| matches(found + step));
        let down = reach(most.min(found), |step| matches(found - step));
        let away = |suffix: &i32| (i64::from(*suffix) - near).abs();
        let best = self.suffixes[found - down..=found + up].iter().min_by_key(|suffix| away(suffix));
        best.copied().unwrap_or(self.suffixes[found]) as usize
    }
}

/// How far up to `most` something holds that holds for nothing beyond where it ends.
fn reach(most: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut yes, mut step) = (0, 1);
    while yes + step <= most && holds(yes + step) {
        yes += step;
        step *= 2;
    }
    let mut no = (yes + step).min(most + 1);
    while no - yes > 1 {
        let middle = usize::midpoint(yes, no);
        if holds(middle) {
            yes = middle;
        } else {
            no = middle;
        }
    }
    yes
}

/// The first bits of the first three bytes.
fn beginning(bytes: &[u8], bits: u32) -> usize {
    let [a, b, c] = *bytes.first_chunk().unwrap_or(&[0; MATCH_MIN]);
    (u32::from_be_bytes([0, a, b, c]) >> (24 - bits)) as usize
}

/// How many bytes at the start are equal.
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    for (index, (a, b)) in words_a.iter().zip(words_b).enumerate() {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return index * 8 + (differ.trailing_zeros() / 8) as usize;
        }
    }
    let done = words_a.len().min(words_b.len()) * 8;
    done + a[done..].iter().zip(&b[done..]).take_while(|(a, b)| a == b).count()
}

/// How many bytes at the end are equal.
pub(crate) fn common_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
