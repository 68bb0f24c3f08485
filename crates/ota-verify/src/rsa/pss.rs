//! EMSA-PSS with SHA-256, MGF1-SHA-256 and a 32-byte salt.
//!
//! # Source
//! RFC 8017 §9.1.2 (the step numbers below) and §B.2.1.

use crate::sha256::Sha256;

/// Whether `message`, whose first byte holds one bit less than eight (the modulus has its top bit set), encodes
/// `digest`. Unmasks it in place.
// Not inlined, so that its hash state is not on the stack while the number is raised.
#[inline(never)]
pub(super) fn matches(message: &mut [u8], digest: &[u8; 32]) -> bool {
    // Steps 4 and 5: masked DB, H, trailer.
    let Some((db, [h @ .., 0xBC])) = message.split_last_chunk_mut::<33>() else {
        return false;
    };
    // Step 6: the bit above the encoded message.
    if db.first().is_none_or(|b| b & 0x80 != 0) {
        return false;
    }
    // Steps 7 and 8: XOR with MGF1 of H.
    let mut hash = [0; 32];
    let mut sha256 = Sha256::NONE;
    for (block, counter) in db.chunks_mut(32).zip(0u32..) {
        sha256.start();
        sha256.update(h);
        sha256.update(&counter.to_be_bytes());
        sha256.finish(&mut hash);
        block.iter_mut().zip(&hash).for_each(|(byte, mask)| *byte ^= mask);
    }
    // Step 9.
    if let Some(first) = db.first_mut() {
        *first &= 0x7F;
    }
    // Step 10: zeros, one 0x01, and nothing but the salt behind it.
    let Some(([zeros @ .., 1], salt)) = db.split_last_chunk::<32>() else {
        return false;
    };
    // Steps 11 to 14.
    sha256.start();
    sha256.update(&[0; 8]);
    sha256.update(digest);
    sha256.update(salt);
    sha256.finish(&mut hash);
    zeros.iter().all(|b| *b == 0) && hash == *h
}
