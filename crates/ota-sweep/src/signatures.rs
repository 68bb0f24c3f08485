//! The device's keys, with a memory for what they have judged already.

use crate::build::vendor;
use ota_verify::rsa::Rsa2048Pss;
use ota_verify::{Algorithm, KeyId, Keys, SignatureError};
use std::cell::RefCell;
use std::collections::HashMap;

/// The vendor's key, which verifies each signature for real, at least the first time it sees it.
///
/// A sweep shows the same few signatures to loader and agent a million times. Remembered is the verdict on exactly these
/// bytes: key, algorithm, digest and signature. A signature or digest that differs in one bit is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signatures {
    remember: bool,
}

type Judged = HashMap<Vec<u8>, Result<(), SignatureError>>;

thread_local! {
    static KEY: Rsa2048Pss<'static> = vendor().key();
    static JUDGED: RefCell<Judged> = RefCell::default();
}

impl Signatures {
    /// Keys that verify every time.
    #[must_use]
    pub const fn always_verified() -> Self {
        Self { remember: false }
    }
    /// Keys that verify the same bytes once in each thread.
    #[must_use]
    pub const fn remembered() -> Self {
        Self { remember: true }
    }
}

impl Keys for Signatures {
    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let judge = || KEY.with(|key| key.verify(id, algorithm, digest, signature));
        if !self.remember {
            return judge();
        }
        let question = [&id.0[..], &[algorithm as u8], digest, signature].concat();
        JUDGED.with_borrow_mut(|judged| *judged.entry(question).or_insert_with(judge))
    }

    fn longest(&self) -> usize {
        KEY.with(Keys::longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_verified() {
        let (keys, id, digest) = (Signatures::remembered(), vendor().id, [7; 32]);
        let good = vendor().pss(&digest);
        let ask = |digest, signature: &[u8]| keys.verify(&id, Algorithm::Rsa2048Pss, digest, signature);
        for _ in 0..2 {
            assert_eq!(ask(&digest, &good), Ok(()));
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[100] ^= 1 << bit;
                assert_eq!(ask(&digest, &bad), Err(SignatureError::Mismatch));
            }
            assert_eq!(ask(&[8; 32], &good), Err(SignatureError::Mismatch));
            assert_eq!(
                keys.verify(&KeyId([0; 32]), Algorithm::Rsa2048Pss, &digest, &good),
                Err(SignatureError::UnknownKey)
            );
        }
    }
}
