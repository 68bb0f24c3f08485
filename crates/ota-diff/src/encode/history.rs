//! Matches inside the new image: what was written before, found by the hash of its first bytes.

use super::views::common;
use std::vec::Vec;

/// Chains for beginnings of these lengths: short ones find the nearest, long ones what is worth most.
const BEGINNINGS: [usize; 3] = [4, 6, 12];
/// Links that are followed per chain.
const DEPTH: usize = 16;
/// A chain has about as many heads as there are places, so that in what does not repeat chains stay short; within bounds.
const HASH_BITS: [u32; 2] = [17, 22];
const NOWHERE: u32 = u32::MAX;
/// Matches are not measured beyond this length.
const LONGEST: usize = 256;
/// A match of this length ends the search of its chain.
const ENOUGH: usize = 128;

struct Chain {
    len: usize,
    /// What is left of a hash is its upper bits.
    shift: u32,
    heads: Vec<u32>,
    links: Vec<u32>,
}

/// Everything before the place that was added last.
pub(crate) struct History<'a> {
    text: &'a [u8],
    chains: [Chain; BEGINNINGS.len()],
}

impl<'a> History<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let bits = text.len().max(1).ilog2().clamp(HASH_BITS[0], HASH_BITS[1]);
        let chain = |len| Chain {
            len,
            shift: 32 - bits,
            heads: std::vec![NOWHERE; 1 << bits],
            links: std::vec![NOWHERE; text.len()],
        };
        Self { text, chains: BEGINNINGS.map(chain) }
    }

    /// Adds the place `at`; all before it were added already.
    pub(crate) fn add(&mut self, at: usize) {
        for chain in &mut self.chains {
            let Some(key) = self.text.get(at..at + chain.len) else { continue };
            if let Some(head) = chain.heads.get_mut((hash(key) >> chain.shift) as usize) {
                chain.links[at] = std::mem::replace(head, at as u32);
            }
        }
    }

    /// The longest match of what is at `at`, the place added last, with something before it, of each chain.
    pub(crate) fn matches(&self, at: usize) -> [Option<usize>; BEGINNINGS.len()] {
        self.chains.each_ref().map(|chain| longest(self.text, &chain.links, at, chain.len))
    }
}

fn hash(key: &[u8]) -> u32 {
    let mixed = key.chunks(4).fold(0_u32, |hash, part| {
        let word = part.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        (hash ^ word).wrapping_mul(0x9E37_79B1).rotate_left(15)
    });
    mixed.wrapping_mul(0x9E37_79B1)
}

fn longest(text: &[u8], links: &[u32], at: usize, least: usize) -> Option<usize> {
    let wanted = &text[at..text.len().min(at + LONGEST)];
    let (mut best, mut best_len) = (None, least - 1);
    let mut link = links[at] as usize;
    for _ in 0..DEPTH {
        let Some(next) = links.get(link) else { break };
        // What is no longer than the best differs there at the latest.
        if wanted.get(best_len).is_some_and(|byte| text[link + best_len] == *byte) {
            let len = common(wanted, &text[link..]);
            if len > best_len {
                (best, best_len) = (Some(link), len);
            }
            if best_len >= ENOUGH {
                break;
            }
        }
        link = *next as usize;
    }
    best
}
