//! Patches that bsdiff 4 made: applied in memory, so that they can be encoded anew.

use super::{EncodeError, Options, encode};
use crate::header::MAX_SIZE;
use bzip2::read::BzDecoder;
use std::io::Read;
use std::vec::Vec;

const MAGIC: &[u8; 8] = b"BSDIFF40";
const HEADER_LEN: usize = 32;

/// Makes a patch of ours from one that bsdiff 4 made.
///
/// # Errors
/// When the foreign patch cannot be applied to `old`, or as [`encode`].
pub fn from_bsdiff40(old: &[u8], foreign: &[u8], options: &mut Options<'_>) -> Result<Vec<u8>, EncodeError> {
    let new = apply(old, foreign).ok_or(EncodeError::Foreign)?;
    encode(old, &new, options)
}

/// What a BSDIFF40 patch makes of `old`.
fn apply(old: &[u8], foreign: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = foreign.split_at_checked(HEADER_LEN)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let control_len = usize::try_from(number(&header[8..])?).ok()?;
    let diff_len = usize::try_from(number(&header[16..])?).ok()?;
    let size = usize::try_from(number(&header[24..])?).ok().filter(|size| *size <= MAX_SIZE as usize)?;
    let (control, rest) = rest.split_at_checked(control_len)?;
    let (diff, extra) = rest.split_at_checked(diff_len)?;
    let (mut control, mut diff, mut extra) = (BzDecoder::new(control), BzDecoder::new(diff), BzDecoder::new(extra));
    let (mut new, mut at) = (Vec::new(), 0_i64);
    while new.len() < size {
        let mut step = [0; 24];
        control.read_exact(&mut step).ok()?;
        let (add, copy, seek) = (number(&step)?, number(&step[8..])?, number(&step[16..])?);
        let begin = new.len();
        take(&mut diff, add, size, &mut new)?;
        for (byte, from) in new[begin..].iter_mut().zip(at..) {
            // As bspatch does: outside the old image, zeros are added.
            let old = usize::try_from(from).ok().and_then(|from| old.get(from)).copied().unwrap_or(0);
            *byte = byte.wrapping_add(old);
        }
        take(&mut extra, copy, size, &mut new)?;
        at = at.checked_add(add)?.checked_add(seek)?;
    }
    Some(new)
}

/// Reads `count` bytes, but not past the size of the new image.
fn take(from: &mut impl Read, count: i64, size: usize, new: &mut Vec<u8>) -> Option<()> {
    let count = usize::try_from(count).ok().filter(|count| *count <= size - new.len())?;
    // What is not there takes no memory.
    let read = from.take(count as u64).read_to_end(new).ok()?;
    (read == count).then_some(())
}

/// A number of eight bytes: little-endian, the sign in the highest bit.
fn number(bytes: &[u8]) -> Option<i64> {
    let raw = u64::from_le_bytes(*bytes.first_chunk()?);
    let size = i64::try_from(raw & (u64::MAX >> 1)).ok()?;
    Some(if raw >> 63 == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::Compression;
    use bzip2::read::BzEncoder;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        BzEncoder::new(bytes, Compression::best()).read_to_end(&mut out).unwrap();
        out
    }

    /// One step: add to four bytes of the old image, then two new ones, as bsdiff writes it.
    fn sample(size: i64, add: i64) -> Vec<u8> {
        let control: Vec<u8> = [add, 2, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
        let (control, diff, extra) = (packed(&control), packed(&[0, 1, 0, 255]), packed(b"xy"));
        let mut patch = MAGIC.to_vec();
        for number in [control.len() as i64, diff.len() as i64, size] {
            patch.extend(number.to_le_bytes());
        }
        patch.extend([control, diff, extra].concat());
        patch
    }

    #[test]
    fn a_patch_of_bsdiff_becomes_ours() {
        let ours = from_bsdiff40(b"abcd", &sample(6, 4), &mut Options::default()).unwrap();
        assert_eq!(crate::patch(b"abcd", &ours).unwrap(), b"accc\x78y");
    }

    #[test]
    fn foreign_patches_that_lie_are_refused() {
        let whole = sample(6, 4);
        for len in 0..whole.len() {
            assert!(apply(b"abcd", &whole[..len]).is_none_or(|new| new == b"acccxy"), "{len}");
        }
        assert_eq!(apply(b"abcd", &sample(5, 4)), None);
        assert_eq!(apply(b"abcd", &sample(i64::MAX, 4)), None);
        assert_eq!(apply(b"abcd", &sample(-6, 4)), None);
        assert_eq!(apply(b"abcd", &sample(6, -4)), None);
    }
}
