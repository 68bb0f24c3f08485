//! Adaptive chances: of flags, of numbers, and of bytes by mixing several opinions.

use crate::coder::Coder;
use crate::tape::Tape;

/// A chance of 12 bits with a count of 4 bits in one half-word: 1 of 2, never seen.
const EVEN: u16 = 0x8000;
/// How fast a chance follows, by how often it was used.
const RATES: [u8; 16] = [1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5];
/// No flag is ever surer than this.
const EDGE: u32 = 24;

fn follow(chance: u32, rate: u32, bit: bool) -> u32 {
    let moved = if bit { chance + ((65535 - chance) >> rate) } else { chance - (chance >> rate) };
    moved.clamp(EDGE, 65535 - EDGE)
}

/// A set of flags in one array.
#[derive(Clone, Copy)]
pub(crate) struct Flags<const N: usize>([u16; N]);

impl<const N: usize> Flags<N> {
    pub(crate) const fn idle() -> Self {
        Self([0; N])
    }

    pub(crate) fn begin(&mut self) {
        self.0.fill(EVEN);
    }

    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, index: usize, wanted: bool) -> bool {
        flag(&mut self.0, coder, index, wanted)
    }

    /// A number from 0 to 2^32 - 2: its length in bits through a tree of flags, the bit below the first one through a
    /// flag of that length, the rest plain. `tree` has 32 flags and `second` 24.
    pub(crate) fn number<C: Coder>(&mut self, coder: &mut C, tree: usize, second: usize, wanted: u32) -> u32 {
        number(&mut self.0, coder, tree, second, wanted)
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.halves(&mut self.0);
    }
}

fn flag<C: Coder>(flags: &mut [u16], coder: &mut C, index: usize, wanted: bool) -> bool {
    let Some(flag) = flags.get_mut(index) else { return false };
    let count = *flag & 15;
    let chance = u32::from(*flag & 0xFFF0 | 8);
    let bit = coder.bit(chance, wanted);
    let chance = follow(chance, u32::from(RATES[usize::from(count)]), bit) as u16;
    *flag = chance & 0xFFF0 | (count + 1).min(15);
    bit
}

fn number<C: Coder>(flags: &mut [u16], coder: &mut C, tree: usize, second: usize, wanted: u32) -> u32 {
    let wanted = wanted.saturating_add(1);
    let wanted_bits = wanted.ilog2();
    let mut node = 1;
    for level in (0..5).rev() {
        node = node * 2 + usize::from(flag(flags, coder, tree + node, wanted_bits >> level & 1 == 1));
    }
    let bits = node as u32 & 31;
    let mut value = 1_u32;
    for place in (0..bits).rev() {
        let want = wanted >> place & 1 == 1;
        let bit = if place + 1 == bits {
            flag(flags, coder, second + bits.min(23) as usize, want)
        } else {
            coder.bit(1 << 15, want)
        };
        value = value << 1 | u32::from(bit);
    }
    value - 1
}

/// Flags that may become very sure: a chance of 16 bits each.
#[derive(Clone, Copy)]
pub(crate) struct FineFlags<const N: usize>([u16; N]);

impl<const N: usize> FineFlags<N> {
    pub(crate) const fn idle() -> Self {
        Self([0; N])
    }

    pub(crate) fn begin(&mut self) {
        self.0.fill(LIKELY);
    }

    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, index: usize, wanted: bool) -> bool {
        let Some(chance) = self.0.get_mut(index) else { return false };
        let bit = coder.bit(u32::from(*chance), wanted);
        *chance = follow(u32::from(*chance), FINE_RATE, bit) as u16;
        bit
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.halves(&mut self.0);
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().all(|chance| *chance > 0)
    }
}

const LIKELY: u16 = 58000;
const FINE_RATE: u32 = 5;

/// Logistic function at multiples of 128, in 12 bits.
const SQUASH: [u16; 34] = [
    1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
    3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094, 4094,
];
/// ln(n + 0.4) in units of 1/256; 15 stands for 30 or so.
const LOGS: [i16; 16] = [-235, 86, 224, 313, 379, 432, 475, 512, 545, 574, 600, 623, 645, 664, 683, 874];
/// What is left of a count when the other thing happens.
const FADED: [u8; 16] = [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7, 8, 9, 9, 10];

fn squash(x: i32) -> u32 {
    let x = (x.clamp(-2047, 2047) + 2048) as u32;
    let (index, part) = ((x >> 7) as usize & 31, x & 127);
    (u32::from(SQUASH[index]) * (128 - part) + u32::from(SQUASH[index + 1]) * part + 64) >> 7
}

/// The most opinions on one bit.
pub(crate) const OPINIONS: usize = 4;
const WEIGHT: u16 = 10000;
const LEARNING: i32 = 32;

/// Byte models: contexts hash into one table of chances; trained weights mix what they say.
#[derive(Clone, Copy)]
pub(crate) struct Mixer<T, const W: usize> {
    slots: T,
    /// Numbers with a sign.
    weights: [u16; W],
}

impl<T: AsRef<[u8]> + AsMut<[u8]>, const W: usize> Mixer<T, W> {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = size_of::<T>() + 2 * W;

    pub(crate) const fn idle(slots: T) -> Self {
        Self { slots, weights: [0; W] }
    }

    pub(crate) fn begin(&mut self) {
        self.slots.as_mut().fill(0);
        self.weights.fill(WEIGHT);
    }

    /// Codes a byte. `first` is the index of the first of eight rows of weights, one per bit.
    pub(crate) fn byte<C: Coder>(&mut self, coder: &mut C, contexts: &[u32], first: usize, wanted: u8) -> u8 {
        byte(self.slots.as_mut(), &mut self.weights, coder, contexts, first, wanted)
    }

    /// Codes one decision; `row` is the index of its row of weights.
    pub(crate) fn decide<C: Coder>(&mut self, coder: &mut C, contexts: &[u32], row: usize, wanted: bool) -> bool {
        let Some(row) = self.weights.get_mut(row..row + contexts.len()) else { return false };
        mixed(self.slots.as_mut(), row, coder, contexts, 1, wanted)
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.bytes(self.slots.as_mut());
        tape.halves(&mut self.weights);
    }
}

fn byte<C: Coder>(
    slots: &mut [u8],
    weights: &mut [u16],
    coder: &mut C,
    contexts: &[u32],
    first: usize,
    wanted: u8,
) -> u8 {
    let mut node = 1_u32;
    for (level, row) in (0..8).rev().zip((first..).step_by(contexts.len())) {
        let Some(row) = weights.get_mut(row..row + contexts.len()) else { break };
        let bit = mixed(slots, row, coder, contexts, node, wanted >> level & 1 == 1);
        node = node << 1 | u32::from(bit);
    }
    node as u8
}

fn mixed<C: Coder>(
    slots: &mut [u8],
    row: &mut [u16],
    coder: &mut C,
    contexts: &[u32],
    node: u32,
    wanted: bool,
) -> bool {
    let mut opinions = [(0_u16, 0_i16); OPINIONS];
    let mut sum = 0_i32;
    for ((context, weight), opinion) in contexts.iter().zip(row.iter()).zip(&mut opinions) {
        let hash = (context ^ node.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x9E37_79B1);
        let index = ((hash >> 16) * slots.len() as u32) >> 16;
        let slot = slots.get(index as usize).copied().unwrap_or(0);
        let says = LOGS[usize::from(slot & 15)] - LOGS[usize::from(slot >> 4)];
        *opinion = (index as u16, says);
        sum += i32::from(*weight as i16) * i32::from(says);
    }
    let chance = squash(sum >> 15);
    let bit = coder.bit(chance * 16 + 8, wanted);
    let error = ((i32::from(bit) << 12) - chance as i32) * LEARNING;
    for (weight, (index, says)) in row.iter_mut().zip(opinions) {
        let step = (i32::from(says) * error + 0x8000) >> 16;
        *weight = (i32::from(*weight as i16) + step).clamp(-0x8000, 0x7FFF) as u16;
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            *slot = train(*slot, bit);
        }
    }
    bit
}

/// Moves one slot of the table: how often "no" was seen in the upper four bits, how often "yes" in the lower.
fn train(slot: u8, bit: bool) -> u8 {
    let (yes, no) = (slot & 15, slot >> 4);
    let (seen, other) = if bit { (yes, no) } else { (no, yes) };
    let (seen, other) = ((seen + 1).min(15), FADED[usize::from(other & 15)]);
    if bit { other << 4 | seen } else { seen << 4 | other }
}
