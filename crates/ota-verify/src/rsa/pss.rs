//! EMSA-PSS with SHA-256, MGF1-SHA-256 and a 32-byte salt.
//!
//! # Source
//! RFC 8017 §9.1.2 (the step numbers below) and §B.2.1.

use sha2::{Digest, Sha256};

const SALT: usize = 32;

/// Whether `message`, whose first byte holds one bit less than eight (the modulus has its top bit set), encodes
/// `digest`. Unmasks it in place.
// Not inlined, so that its hash states are not on the stack while the number is raised.
#[inline(never)]
pub(super) fn matches(message: &mut [u8], digest: &[u8; 32]) -> bool {
    // Step 4: trailer.
    let Some((0xBC, rest)) = message.split_last_mut() else {
        return false;
    };
    // Step 5: masked DB and H.
    let Some((db, h)) = rest.split_last_chunk_mut::<32>() else {
        return false;
    };
    // Step 6: the bit above the encoded message.
    if db.first().is_none_or(|b| b & 0x80 != 0) {
        return false;
    }
    // Steps 7 to 9.
    unmask(db, h);
    if let Some(first) = db.first_mut() {
        *first &= 0x7F;
    }
    // Step 10: zeros, one 0x01, and nothing but the salt behind it.
    let Some((zeros, salt)) = db.split_last_chunk::<SALT>() else {
        return false;
    };
    let Some((1, zeros)) = zeros.split_last() else {
        return false;
    };
    if zeros.iter().any(|b| *b != 0) {
        return false;
    }
    // Steps 11 to 14.
    let mut hash = Sha256::new();
    hash.update([0; 8]);
    hash.update(digest);
    hash.update(salt);
    hash.finalize()[..] == h[..]
}

/// XORs `db` with MGF1 of `seed`.
fn unmask(db: &mut [u8], seed: &[u8; 32]) {
    for (block, counter) in db.chunks_mut(32).zip(0u32..) {
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(counter.to_be_bytes());
        for (byte, mask) in block.iter_mut().zip(hash.finalize()) {
            *byte ^= mask;
        }
    }
}
