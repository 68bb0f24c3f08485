//! Inputs for the ordinary test, and the first inputs of the fuzzer.

use super::TARGETS;
use ota_testkit::Rng;
use std::path::Path;
use std::{fs, io};

/// One of the seeds with some edits, or, now and then, bytes that come from nowhere.
#[must_use]
pub fn mutated(rng: &mut Rng, seeds: &[Vec<u8>], len_max: usize) -> Vec<u8> {
    if seeds.is_empty() || rng.one_in(16) {
        let len = rng.below(len_max as u32 + 1) as usize;
        return rng.bytes(len);
    }
    let mut bytes = pick(rng, seeds).to_vec();
    for _ in 0..=rng.below(6) {
        edit(rng, &mut bytes, seeds);
    }
    bytes.truncate(len_max);
    bytes
}

fn pick<'s>(rng: &mut Rng, seeds: &'s [Vec<u8>]) -> &'s [u8] {
    &seeds[rng.below(seeds.len() as u32) as usize]
}

fn edit(rng: &mut Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = rng.below(bytes.len() as u32 + 1) as usize;
    let len = (rng.below(24) as usize).min(bytes.len() - at);
    match rng.below(9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..at + len)),
        2 => drop(bytes.splice(at..at, rng.bytes(len))),
        3 => bytes[at..at + len].fill([0, 0xFF][rng.below(2) as usize]),
        4 => {
            let again = bytes[at..at + len].to_vec();
            drop(bytes.splice(at..at, again));
        }
        5 => {
            let other = pick(rng, seeds);
            bytes.truncate(at);
            bytes.extend(other.get(at..).unwrap_or_default());
        }
        6 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        7 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add([1, 0xFF][rng.below(2) as usize]),
        _ if at < bytes.len() => bytes[at] = rng.byte(),
        _ => bytes.push(rng.byte()),
    }
}

/// Writes the seeds of every target to a folder of its own under `corpus`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_seeds(corpus: &Path) -> io::Result<()> {
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for (n, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{n}")), seed)?;
        }
    }
    Ok(())
}
