//! Keys for fuzzing: what a signature scheme promises, without its arithmetic.

use crate::build::{Draft, IDENTITY};
use ota_verify::{Algorithm, ImageInfo, KeyId, Keys, Rules, SignatureError, digest_region};
use std::sync::OnceLock;

/// Accepts every signature, so that an input gets as far as it can.
pub(crate) struct Believer;
impl Keys for Believer {
    fn verify(&self, _: &KeyId, _: Algorithm, _: &[u8; 32], _: &[u8]) -> Result<(), SignatureError> {
        Ok(())
    }
}

/// Accepts what was signed and nothing else, whatever the signature looks like: nobody can forge one, a fuzzer included.
pub(crate) struct Ideal(pub(crate) &'static [[u8; 32]]);
impl Keys for Ideal {
    fn verify(&self, _: &KeyId, _: Algorithm, digest: &[u8; 32], _: &[u8]) -> Result<(), SignatureError> {
        if self.0.contains(digest) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// The rules of a device with these keys.
pub(crate) fn rules<K: Keys>(keys: &K, floor: u32) -> Rules<'_, K> {
    Rules { keys, identity: IDENTITY, floor }
}

/// The three images that the vendor signed, short enough for a slot of 512 bytes.
pub(crate) fn images() -> &'static [Vec<u8>; 3] {
    static IMAGES: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    IMAGES.get_or_init(|| [1, 2, 3].map(|n| Draft { payload: 60 + usize::from(n), ..Draft::new(n) }.image()))
}

/// Their digests.
pub(crate) fn digests() -> &'static [[u8; 32]; 3] {
    static DIGESTS: OnceLock<[[u8; 32]; 3]> = OnceLock::new();
    DIGESTS.get_or_init(|| images().each_ref().map(|image| digest_region(&mut &image[..], signed_len(image)).unwrap()))
}

/// How much of the image its digest covers.
pub(crate) fn signed_len(image: &[u8]) -> u32 {
    ImageInfo::read(&mut &image[..]).expect("a good image").signed_len()
}

/// Whether `bytes` begin with all that is signed of one of [`images`].
pub(crate) fn begins_with_one(bytes: &[u8]) -> bool {
    images().iter().any(|image| bytes.starts_with(&image[..signed_len(image) as usize]))
}
