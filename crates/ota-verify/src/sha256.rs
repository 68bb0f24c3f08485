//! SHA-256 around the block function of the `sha2` crate: its own buffering and generics cost a loader 500 bytes.
//!
//! # Source
//! FIPS 180-4 §5.1.1 (padding), §5.3.3 (initial value), §6.2.

use sha2::block_api::compress256;

const BLOCK: u32 = 64;

const INITIAL: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

/// A hash under way, of fewer than 4 GiB.
pub(crate) struct Sha256 {
    state: [u32; 8],
    block: [u8; BLOCK as usize],
    len: u32,
}

impl Sha256 {
    /// To be started.
    pub(crate) const NONE: Self = Self { state: [0; 8], block: [0; BLOCK as usize], len: 0 };

    /// Begins anew, where it is.
    #[inline(never)]
    pub(crate) fn start(&mut self) {
        self.state.iter_mut().zip(&INITIAL).for_each(|(word, initial)| *word = *initial);
        self.len = 0;
    }

    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = self.len % BLOCK;
            // Always inside.
            if let Some(cell) = self.block.get_mut(at as usize) {
                *cell = *byte;
            }
            self.len = self.len.wrapping_add(1);
            if at == BLOCK - 1 {
                compress256(&mut self.state, core::slice::from_ref(&self.block));
            }
        }
    }

    /// Pads, and writes the digest. The hash is spent.
    #[inline(never)]
    pub(crate) fn finish(&mut self, digest: &mut [u8; 32]) {
        let bits = (u64::from(self.len) * 8).to_be_bytes();
        let mut pad = 0x80;
        while pad != 0 || self.len % BLOCK != BLOCK - 8 {
            self.update(&[pad]);
            pad = 0;
        }
        self.update(&bits);
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(&self.state) {
            *bytes = word.to_be_bytes();
        }
    }
}

/// Writes the digest of `parts`, one after the other.
#[inline(never)]
pub(crate) fn sha256(parts: &[&[u8]], digest: &mut [u8; 32]) {
    let mut hash = Sha256::NONE;
    hash.start();
    for part in parts {
        hash.update(part);
    }
    hash.finish(digest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn agrees_with_the_whole_crate() {
        let data: [u8; 300] = core::array::from_fn(|i| i as u8);
        for len in 0..=data.len() {
            let (a, b) = data[..len].split_at(len / 3);
            let whole: [u8; 32] = sha2::Sha256::digest(&data[..len]).into();
            let mut digest = [0; 32];
            sha256(&[a, &[], b], &mut digest);
            assert_eq!(digest, whole, "{len}");
        }
    }
}
