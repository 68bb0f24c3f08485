//! The encoding side of the range coder.

use crate::coder::{Coder, Op};
use std::vec::Vec;

/// Encodes a plan: operations that make the new image.
pub(crate) struct RangeEncoder<'a> {
    new: &'a [u8],
    plan: std::slice::Iter<'a, Op>,
    low: u64,
    range: u32,
    /// A byte that a carry may still change, and how many 0xFF follow it.
    cache: u8,
    waiting: usize,
    out: Vec<u8>,
    /// Bytes before the first decision.
    first: Vec<u8>,
    /// What the model learned, if anybody wants to know.
    pub(crate) lessons: Option<Vec<(u32, i32)>>,
}

/// Zeros that are put out before the first byte of the stream.
const LEAD: usize = 5;

impl<'a> RangeEncoder<'a> {
    pub(crate) fn new(new: &'a [u8], plan: &'a [Op]) -> Self {
        Self {
            new,
            plan: plan.iter(),
            low: 0,
            range: 1,
            cache: 0,
            waiting: 0,
            out: Vec::new(),
            first: Vec::new(),
            lessons: None,
        }
    }

    fn shift_low(&mut self) {
        if self.low < 0xFF00_0000 || self.low > u64::from(u32::MAX) {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            self.out.extend(std::iter::repeat_n(0xFF_u8.wrapping_add(carry), self.waiting));
            self.waiting = 0;
            self.cache = (self.low >> 24) as u8;
        } else {
            self.waiting += 1;
        }
        self.low = (self.low & 0xFF_FFFF) << 8;
    }

    /// The stream, without the zeros at its end that the decoder assumes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The number in the interval with the most zeros at its end.
        let last = self.low + u64::from(self.range) - 1;
        let zeros = (0..32).rev().find(|zeros| last >> zeros << zeros >= self.low).unwrap_or(0);
        self.low = last >> zeros << zeros;
        for _ in 0..5 {
            self.shift_low();
        }
        let mut stream = self.first;
        stream.extend(&self.out[LEAD.min(self.out.len())..]);
        for _ in 0..4 {
            if stream.last() == Some(&0) {
                stream.pop();
            }
        }
        stream
    }
}

impl Coder for RangeEncoder<'_> {
    const ENCODES: bool = true;

    fn bit(&mut self, one: u32, wanted: bool) -> bool {
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.shift_low();
        }
        let bound = ((u64::from(self.range) * u64::from(one)) >> 16) as u32;
        if wanted {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        wanted
    }

    fn raw(&mut self, wanted: u8) -> u8 {
        self.first.push(wanted);
        wanted
    }

    fn next_op(&mut self) -> Op {
        self.plan.next().copied().unwrap_or(Op::literal(1))
    }

    fn wanted(&self, at: u32) -> u8 {
        self.new.get(at as usize).copied().unwrap_or(0)
    }

    fn learned(&mut self, key: u32, shift: i32) {
        if let Some(lessons) = &mut self.lessons {
            lessons.push((key, shift));
        }
    }
}
