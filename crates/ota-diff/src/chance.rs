//! Adaptive chances: of flags, of numbers, and of bits on which several opinions are mixed.

use crate::coder::Coder;

/// A chance of 13 bits with a count of 3 bits in one half-word: 1 of 2, never seen.
pub(crate) const EVEN: u16 = 0x8000;
/// A mixed bit's share in what an opinion is worth, at first.
pub(crate) const WEIGHT: u16 = 10000;
const LEARNING: i32 = 32;
/// Opinions on one bit.
pub(crate) const OPINIONS: usize = 4;

/// A yes or no whose chance adapts: the flag at an index.
#[inline(never)]
pub(crate) fn flag<C: Coder>(flags: &mut [u16], coder: &mut C, index: usize, wanted: bool) -> bool {
    let Some(flag) = flags.get_mut(index) else { return false };
    let word = u32::from(*flag);
    let (chance, count) = (word & 0xFFF8 | 4, word & 7);
    let bit = coder.bit(chance, wanted);
    // The more it was used, the slower it moves.
    let rate = (count + 3) / 2;
    let chance = if bit { chance + ((0xFFFF - chance) >> rate) } else { chance - (chance >> rate) };
    *flag = (chance & 0xFFF8 | (count + 1).min(7)) as u16;
    bit
}

/// Flags of one tree of numbers: a sign, 31 nodes, and one per length for the bit below the highest.
pub(crate) const TREE: usize = 32 + 24;

/// A number from 0 to 2^32 - 2: its length in bits through a tree of flags, the bit below the highest one through a
/// flag of that length, the rest plain.
#[inline(never)]
pub(crate) fn number<C: Coder>(flags: &mut [u16], coder: &mut C, tree: usize, wanted: u32) -> u32 {
    let wanted = wanted.saturating_add(1);
    let wanted_bits = wanted.ilog2();
    let mut node = 1;
    while node < 32 {
        let level = 4 - (node as u32).ilog2();
        node = node * 2 + usize::from(flag(flags, coder, tree + node, wanted_bits >> level & 1 == 1));
    }
    let mut value = 1_u32;
    let mut place = node as u32 & 31;
    let mut index = tree + 32 + place.min(23) as usize;
    while place > 0 {
        place -= 1;
        let want = wanted >> place & 1 == 1;
        let bit = if index != 0 { flag(flags, coder, index, want) } else { coder.bit(1 << 15, want) };
        index = 0;
        value = value << 1 | u32::from(bit);
    }
    value.wrapping_sub(1)
}

/// Logistic function at multiples of 128, in 12 bits.
const SQUASH: [u16; 33] = [
    1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
    3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
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

/// A bit on which four contexts have an opinion; trained weights mix what they say.
#[inline(never)]
pub(crate) fn mixed<C: Coder>(
    slots: &mut [u8],
    row: &mut [u16; OPINIONS],
    coder: &mut C,
    contexts: &[u32; OPINIONS],
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
