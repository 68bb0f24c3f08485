//! Matches inside the new image: what was written before, found by the hash of its first bytes.

use std::vec::Vec;

/// Chains for beginnings of these lengths: short ones find the nearest, long ones what is worth most.
const BEGINNINGS: [usize; 3] = [4, 6, 12];
/// Links that are followed per chain.
const DEPTH: usize = 16;
const HASH_BITS: u32 = 17;
const NOWHERE: u32 = u32::MAX;
/// Matches are not measured beyond this length.
const LONGEST: usize = 256;
/// A match of this length ends the search of its chain.
const ENOUGH: usize = 128;

struct Chain {
    len: usize,
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
        let chain =
            |len| Chain { len, heads: std::vec![NOWHERE; 1 << HASH_BITS], links: std::vec![NOWHERE; text.len()] };
        Self { text, chains: BEGINNINGS.map(chain) }
    }

    /// The longest match of what is at `at` with something before it, of each chain, if that is
    /// asked; then adds the place.
    pub(crate) fn matches(&mut self, at: usize, search: bool) -> [Option<usize>; BEGINNINGS.len()] {
        let text = self.text;
        self.chains.each_mut().map(|chain| {
            let key = text.get(at..at + chain.len)?;
            let head = chain.heads.get_mut(hash(key))?;
            let first = std::mem::replace(head, at as u32);
            chain.links[at] = first;
            if search { longest(text, &chain.links, first, at, chain.len) } else { None }
        })
    }
}

fn hash(key: &[u8]) -> usize {
    let mixed = key.iter().fold(0_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (mixed.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

fn longest(text: &[u8], links: &[u32], first: u32, at: usize, least: usize) -> Option<usize> {
    let wanted = &text[at..text.len().min(at + LONGEST)];
    let (mut best, mut best_len) = (None, least - 1);
    let mut link = first;
    for _ in 0..DEPTH {
        let Some(next) = links.get(link as usize) else { break };
        let len = wanted.iter().zip(&text[link as usize..]).take_while(|(a, b)| a == b).count();
        if len > best_len {
            (best, best_len) = (Some(link as usize), len);
        }
        if best_len >= ENOUGH {
            break;
        }
        link = *next;
    }
    best
}
