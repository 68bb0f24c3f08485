//! Matches inside the new image: what was written before, found by its first bytes.
//!
//! For each place the nearest one before it that begins alike is worked out beforehand, by sorting: a table of heads, as
//! hash chains commonly have, would miss the cache at every byte of a large image, and again in every pass.

use super::views::common;
use std::vec::Vec;

/// Chains for beginnings of these lengths: short ones find the nearest, long ones what is worth most.
const BEGINNINGS: [usize; 3] = [4, 6, 12];
/// Links that are followed per chain.
const DEPTH: usize = 16;
const NOWHERE: u32 = u32::MAX;
/// Matches are not measured beyond this length.
const LONGEST: usize = 256;
/// A match of this length ends the search of its chain.
const ENOUGH: usize = 128;
/// What is sorted at once has about this many places, unless that makes more parts than `PARTS`.
const PART: usize = 1 << 19;
const PARTS: usize = 8;

/// For every place where something before it begins alike.
pub(crate) struct History<'a> {
    text: &'a [u8],
    links: [Vec<u32>; BEGINNINGS.len()],
}

impl<'a> History<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            links: [
                links::<{ BEGINNINGS[0] }>(text),
                links::<{ BEGINNINGS[1] }>(text),
                links::<{ BEGINNINGS[2] }>(text),
            ],
        }
    }

    /// The longest match of what is at `at` with something before it, of each chain.
    pub(crate) fn matches(&self, at: usize) -> [Option<usize>; BEGINNINGS.len()] {
        std::array::from_fn(|chain| longest(self.text, &self.links[chain], at, BEGINNINGS[chain]))
    }
}

/// For every place the nearest before it whose first `LEN` bytes have the same hash.
fn links<const LEN: usize>(text: &[u8]) -> Vec<u32> {
    let mut links = std::vec![NOWHERE; text.len()];
    let parts = (text.len() / PART).clamp(1, PARTS).next_power_of_two() as u64;
    let mut alike = Vec::new();
    for part in 0..parts {
        alike.clear();
        let hashes = text.windows(LEN).filter_map(|key| Some(u64::from(hash::<LEN>(key.first_chunk()?))));
        let mine = hashes.zip(0_u64..).filter(|(hash, _)| (hash * parts) >> 32 == part);
        alike.extend(mine.map(|(hash, at)| hash << 32 | at));
        alike.sort_unstable();
        for pair in alike.windows(2).filter(|pair| pair[0] >> 32 == pair[1] >> 32) {
            links[pair[1] as u32 as usize] = pair[0] as u32;
        }
    }
    links
}

/// Different for different words of four bytes.
fn hash<const LEN: usize>(key: &[u8; LEN]) -> u32 {
    let (words, rest) = key.as_chunks();
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let words = words.iter().map(|word| u32::from_le_bytes(*word)).chain(std::iter::once(rest));
    words.fold(0, |hash: u32, word| ((hash ^ word).rotate_left(15)).wrapping_mul(0x9E37_79B1))
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
