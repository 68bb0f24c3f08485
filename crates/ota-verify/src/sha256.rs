//! SHA-256 in the fewest instructions: a loader runs it once over an image, and its budget is counted in bytes.
//!
//! The block function of the `sha2` crate, in its compact form, takes twice the code, because it moves eight variables
//! round by round. Here each stays where it was made, and the window on them moves.
//!
//! # Source
//! FIPS 180-4 §4.1.2 (functions), §4.2.2 (constants), §5.1.1 (padding), §5.3.3 (initial value), §6.2.

const BLOCK: u32 = 64;

/// The initial hash value, in the order a e b f c g d h.
const INITIAL: [u32; 8] =
    [0x6A09_E667, 0x510E_527F, 0xBB67_AE85, 0x9B05_688C, 0x3C6E_F372, 0x1F83_D9AB, 0xA54F_F53A, 0x5BE0_CD19];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const K: [u32; 64] = [
    0x428A_2F98,
    0x7137_4491,
    0xB5C0_FBCF,
    0xE9B5_DBA5,
    0x3956_C25B,
    0x59F1_11F1,
    0x923F_82A4,
    0xAB1C_5ED5,
    0xD807_AA98,
    0x1283_5B01,
    0x2431_85BE,
    0x550C_7DC3,
    0x72BE_5D74,
    0x80DE_B1FE,
    0x9BDC_06A7,
    0xC19B_F174,
    0xE49B_69C1,
    0xEFBE_4786,
    0x0FC1_9DC6,
    0x240C_A1CC,
    0x2DE9_2C6F,
    0x4A74_84AA,
    0x5CB0_A9DC,
    0x76F9_88DA,
    0x983E_5152,
    0xA831_C66D,
    0xB003_27C8,
    0xBF59_7FC7,
    0xC6E0_0BF3,
    0xD5A7_9147,
    0x06CA_6351,
    0x1429_2967,
    0x27B7_0A85,
    0x2E1B_2138,
    0x4D2C_6DFC,
    0x5338_0D13,
    0x650A_7354,
    0x766A_0ABB,
    0x81C2_C92E,
    0x9272_2C85,
    0xA2BF_E8A1,
    0xA81A_664B,
    0xC24B_8B70,
    0xC76C_51A3,
    0xD192_E819,
    0xD699_0624,
    0xF40E_3585,
    0x106A_A070,
    0x19A4_C116,
    0x1E37_6C08,
    0x2748_774C,
    0x34B0_BCB5,
    0x391C_0CB3,
    0x4ED8_AA4A,
    0x5B9C_CA4F,
    0x682E_6FF3,
    0x748F_82EE,
    0x78A5_636F,
    0x84C8_7814,
    0x8CC7_0208,
    0x90BE_FFFA,
    0xA450_6CEB,
    0xBEF9_A3F7,
    0xC671_78F2,
];

const ROUNDS: usize = 64;

/// A hash under way, of fewer than 4 GiB.
pub(crate) struct Sha256 {
    /// The message schedule. Its first words are the block that is being filled.
    w: [u32; ROUNDS],
    /// The working variables a e b f c g d h of round t, from place 2·(64 - t) on: each round puts a new a and e before
    /// them, and that gives the others their next names. Before the first round they are the hash value so far.
    v: [u32; 2 * ROUNDS + 8],
    len: u32,
}

impl Sha256 {
    /// To be started.
    pub(crate) const NONE: Self = Self { w: [0; ROUNDS], v: [0; 2 * ROUNDS + 8], len: 0 };

    // Sets itself up where it is: it is too large to be moved.
    #[inline(never)]
    pub(crate) fn start(&mut self) {
        for (word, initial) in self.v.iter_mut().skip(2 * ROUNDS).zip(&INITIAL) {
            *word = *initial;
        }
        self.len = 0;
    }

    /// Pads, and writes the digest. The hash is spent.
    #[inline(never)]
    pub(crate) fn finish(&mut self, digest: &mut [u8; 32]) {
        let len = self.len;
        self.push(0x80);
        while self.len % BLOCK != BLOCK - 8 {
            self.push(0);
        }
        (self.w[14], self.w[15]) = (len >> 29, len << 3);
        self.compress();
        let (first, last) = digest.as_chunks_mut().0.split_at_mut(4);
        for ((first, last), [a, e]) in first.iter_mut().zip(last).zip(self.v.as_chunks().0.iter().skip(ROUNDS)) {
            *first = a.to_be_bytes();
            *last = e.to_be_bytes();
        }
    }

    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    #[inline(never)]
    fn push(&mut self, byte: u8) {
        let at = self.len % BLOCK;
        // Always there.
        if let Some(word) = self.w.get_mut(at as usize / 4) {
            *word = *word << 8 | u32::from(byte);
        }
        self.len = self.len.wrapping_add(1);
        if at == BLOCK - 1 {
            self.compress();
        }
    }

    /// Takes the block into the hash value.
    #[inline(never)]
    fn compress(&mut self) {
        for (t, k) in K.iter().enumerate() {
            // The last rounds need no more words.
            if let Some(w) = self.w.get_mut(t..).and_then(|rest| rest.first_chunk_mut()) {
                let [w0, w1, _, _, _, _, _, _, _, w9, _, _, _, _, w14, _, w16] = w;
                *w16 = w0
                    .wrapping_add(w1.rotate_right(7) ^ w1.rotate_right(18) ^ *w1 >> 3)
                    .wrapping_add(*w9)
                    .wrapping_add(w14.rotate_right(17) ^ w14.rotate_right(19) ^ *w14 >> 10);
            }
            // What these look for is always there.
            let (Some(w), Some(v)) =
                (self.w.get(t), self.v.get_mut(2 * (ROUNDS - 1 - t)..).and_then(|rest| rest.first_chunk_mut()))
            else {
                return;
            };
            let [next_a, next_e, a, e, b, f, c, g, d, h] = v;
            let t1 = h
                .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
                .wrapping_add((*e & *f) ^ (!*e & *g))
                .wrapping_add(*k)
                .wrapping_add(*w);
            let t2 = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22))
                .wrapping_add((*a & *b) ^ (*a & *c) ^ (*b & *c));
            *next_e = d.wrapping_add(t1);
            *next_a = t1.wrapping_add(t2);
        }
        let (now, before) = self.v.split_at_mut(2 * ROUNDS);
        for (word, variable) in before.iter_mut().zip(now) {
            *word = word.wrapping_add(*variable);
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
