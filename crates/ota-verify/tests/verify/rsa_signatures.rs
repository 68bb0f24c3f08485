//! The RSA verifiers against the `rsa` crate, against OpenSSL, and against encodings no signer should make.

use crate::vectors::{SIZES, message_digest, pkcs1, pss, rsa_blob, rsa_key, vector};
use ota_verify::{PublicKey, SignatureError, Verifier, verify_cloud_signature};
use rsa::sha2::{Digest, Sha256};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, Pkcs1v15Sign, Pss};

const REFUSED: [SignatureError; 2] = [SignatureError::Mismatch, SignatureError::Malformed];

/// Signs any encoded message, as only the owner of the key can.
fn raw_sign(bits: usize, message: &[u8]) -> Vec<u8> {
    let key = rsa_key(bits);
    padded(&BigUint::from_bytes_be(message).modpow(key.d(), key.n()), bits)
}

fn padded(x: &BigUint, bits: usize) -> Vec<u8> {
    let bytes = x.to_bytes_be();
    [vec![0; bits / 8 - bytes.len()], bytes].concat()
}

/// Runs `test` with both verifiers of every size.
fn with_all(mut test: impl FnMut(usize, bool, &PublicKey<'_>)) {
    for bits in SIZES {
        for (is_pss, algorithm) in [(false, pkcs1(bits)), (true, pss(bits))] {
            test(bits, is_pss, &PublicKey::from_blob(&rsa_blob(bits, algorithm)).unwrap());
        }
    }
}

fn sign(bits: usize, is_pss: bool, digest: &[u8; 32]) -> Vec<u8> {
    if is_pss {
        rsa_key(bits).sign_with_rng(&mut rand::thread_rng(), Pss::new_with_salt::<Sha256>(32), digest).unwrap()
    } else {
        rsa_key(bits).sign(Pkcs1v15Sign::new::<Sha256>(), digest).unwrap()
    }
}

#[test]
fn signatures_of_the_rsa_crate_verify() {
    with_all(|bits, is_pss, key| {
        for n in 0..4u8 {
            let digest = Sha256::digest([n]).into();
            let signature = sign(bits, is_pss, &digest);
            assert_eq!(key.verify_digest(&digest, &signature), Ok(()), "{bits} {is_pss}");
            let mut other = digest;
            other[31] ^= 1;
            assert_eq!(key.verify_digest(&other, &signature), Err(SignatureError::Mismatch));
        }
    });
}

#[test]
fn both_padding_schemes_stay_apart() {
    with_all(|bits, is_pss, key| {
        let digest = message_digest();
        assert_eq!(key.verify_digest(&digest, &sign(bits, !is_pss, &digest)), Err(SignatureError::Mismatch));
    });
}

#[test]
fn every_flipped_byte_is_refused() {
    with_all(|bits, is_pss, key| {
        let digest = message_digest();
        let good = sign(bits, is_pss, &digest);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(REFUSED.contains(&key.verify_digest(&digest, &bad).unwrap_err()), "{bits} {is_pss} byte {at}");
        }
    });
}

#[test]
fn every_other_length_is_malformed() {
    with_all(|bits, is_pss, key| {
        let digest = message_digest();
        let mut signature = sign(bits, is_pss, &digest);
        signature.push(0);
        for len in (0..bits / 8).chain([bits / 8 + 1]) {
            assert_eq!(key.verify_digest(&digest, &signature[..len]), Err(SignatureError::Malformed));
        }
        let longer = [&[0; 4], &signature[..bits / 8]].concat();
        assert_eq!(key.verify_digest(&digest, &longer), Err(SignatureError::Malformed));
    });
}

#[test]
fn numbers_from_the_modulus_up_are_malformed() {
    with_all(|bits, is_pss, key| {
        let digest = message_digest();
        let n = rsa_key(bits).n();
        let top = vec![0xFF; bits / 8];
        for s in [padded(n, bits), padded(&(n + 1u8), bits), top] {
            assert_eq!(key.verify_digest(&digest, &s), Err(SignatureError::Malformed));
        }
        // The same number mod n as a good signature, where it still fits the bytes.
        let mut tried = 0;
        for i in 0..64u32 {
            let digest = Sha256::digest(i.to_le_bytes()).into();
            let alias = BigUint::from_bytes_be(&sign(bits, is_pss, &digest)) + n;
            if alias.bits() <= bits {
                assert_eq!(key.verify_digest(&digest, &padded(&alias, bits)), Err(SignatureError::Malformed));
                tried += 1;
                break;
            }
        }
        assert!(tried > 0, "no signature small enough was found");
    });
}

#[test]
fn trivial_numbers_are_refused() {
    with_all(|bits, _, key| {
        let digest = message_digest();
        for s in [BigUint::from(0u8), BigUint::from(1u8), BigUint::from(2u8), rsa_key(bits).n() - 1u8] {
            assert_eq!(key.verify_digest(&digest, &padded(&s, bits)), Err(SignatureError::Mismatch));
        }
    });
}

/// The one right PKCS#1 v1.5 encoding.
fn pkcs1_message(bits: usize, info: &[u8], digest: &[u8]) -> Vec<u8> {
    let padding = vec![0xFF; bits / 8 - 3 - info.len() - digest.len()];
    [&[0, 1][..], &padding, &[0], info, digest].concat()
}

const INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

#[test]
fn pkcs1_encodings_that_are_not_the_one_are_refused() {
    let digest = message_digest();
    for bits in SIZES {
        let blob = rsa_blob(bits, pkcs1(bits));
        let key = PublicKey::from_blob(&blob).unwrap();
        let good = pkcs1_message(bits, &INFO, &digest);
        assert_eq!(key.verify_digest(&digest, &raw_sign(bits, &good)), Ok(()));

        let no_null: Vec<u8> = [&[0x30, 0x2f, 0x30, 0x0b], &INFO[4..15], &INFO[17..]].concat();
        let sha1: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
        let len = bits / 8;
        let change = |at: usize, to: u8| {
            let mut message = good.clone();
            message[at] = to;
            message
        };
        // Bleichenbacher 2006: short padding, the digest early, free bytes at the end.
        let early = [&[0, 1][..], &[0xFF; 8], &[0], &INFO, &digest, &vec![0x5A; len - 11 - 19 - 32]].concat();
        let ber = [&[0x30, 0x81, 0x31], &INFO[2..]].concat();
        let bad = [
            ("no NULL", pkcs1_message(bits, &no_null, &digest)),
            ("SHA-1 info", pkcs1_message(bits, sha1, &digest[..20])),
            ("SHA-1 info, SHA-256 digest", pkcs1_message(bits, sha1, &digest)),
            ("no info", pkcs1_message(bits, &[], &digest)),
            ("long-form length", pkcs1_message(bits, &ber, &digest)),
            ("digest early", early),
            ("block type 0", change(1, 0)),
            ("block type 2", change(1, 2)),
            ("padding 0xFE at its start", change(2, 0xFE)),
            ("padding 0x00 in the middle", change(len / 3, 0)),
            ("padding 0xFE at its end", change(len - 53, 0xFE)),
            ("separator 1", change(len - 52, 1)),
            ("last digest bit", change(len - 1, digest[31] ^ 1)),
            ("first digest bit", change(len - 32, digest[0] ^ 0x80)),
        ];
        for (what, message) in bad {
            let verdict = key.verify_digest(&digest, &raw_sign(bits, &message));
            assert_eq!(verdict, Err(SignatureError::Mismatch), "{bits}: {what}");
        }
    }
}

#[test]
fn every_byte_of_a_pkcs1_message_counts() {
    // Same lengths as the right encoding, so that only the comparison of this very byte can notice.
    let digest = message_digest();
    let blob = rsa_blob(2048, pkcs1(2048));
    let key = PublicKey::from_blob(&blob).unwrap();
    let good = pkcs1_message(2048, &INFO, &digest);
    for at in 1..good.len() {
        let mut message = good.clone();
        message[at] ^= 1;
        let verdict = key.verify_digest(&digest, &raw_sign(2048, &message));
        assert_eq!(verdict, Err(SignatureError::Mismatch), "byte {at}");
    }
}

/// A PSS encoding with what a test wants changed. `db` is changed before masking, `message` after.
fn pss_message(bits: usize, salt: &[u8], db: impl FnOnce(&mut [u8]), message: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let len = bits / 8;
    let mut block = vec![0; len - 33];
    let split = block.len() - salt.len();
    block[split..].copy_from_slice(salt);
    block[split - 1] = 1;
    db(&mut block);
    let h: [u8; 32] = Sha256::digest([&[0; 8], &message_digest()[..], salt].concat()).into();
    for (i, byte) in block.iter_mut().enumerate() {
        let counter = (i as u32 / 32).to_be_bytes();
        *byte ^= Sha256::digest([&h[..], &counter].concat())[i % 32];
    }
    block[0] &= 0x7F;
    let mut all = [&block[..], &h, &[0xBC]].concat();
    message(&mut all);
    all
}

#[test]
fn pss_encodings_that_break_a_rule_are_refused() {
    let digest = message_digest();
    let salt = [0x33; 32];
    let same = |_: &mut [u8]| {};
    for bits in SIZES {
        let blob = rsa_blob(bits, pss(bits));
        let key = PublicKey::from_blob(&blob).unwrap();
        assert_eq!(key.verify_digest(&digest, &raw_sign(bits, &pss_message(bits, &salt, same, same))), Ok(()));

        let zeros = bits / 8 - 33 - 33;
        let mut bad = vec![
            ("trailer 0xCC".to_owned(), pss_message(bits, &salt, same, |m| *m.last_mut().unwrap() = 0xCC)),
            ("separator 0".into(), pss_message(bits, &salt, |db| db[zeros] = 0, same)),
            ("separator 2".into(), pss_message(bits, &salt, |db| db[zeros] = 2, same)),
            ("no salt".into(), pss_message(bits, &[], same, same)),
            ("31 bytes of salt".into(), pss_message(bits, &salt[..31], same, same)),
            ("33 bytes of salt".into(), pss_message(bits, &[0x33; 33], same, same)),
            ("a salt bit".into(), pss_message(bits, &salt, |db| *db.last_mut().unwrap() ^= 1, same)),
            ("a bit of H".into(), pss_message(bits, &salt, same, |m| m[bits / 8 - 2] ^= 1)),
        ];
        // Every byte of the zero padding counts, from the first to the one before the separator.
        for at in [0, 1, 31, 32, zeros / 2, zeros - 2, zeros - 1] {
            let message = pss_message(bits, &salt, |db| db[at] ^= 0x10, same);
            bad.push((format!("padding byte {at}"), message));
        }
        for (what, message) in bad {
            let verdict = key.verify_digest(&digest, &raw_sign(bits, &message));
            assert_eq!(verdict, Err(SignatureError::Mismatch), "{bits}: {what}");
        }
        // The bit above the encoded message. Such a number is often above n; below it, it is a plain mismatch.
        let top = BigUint::from_bytes_be(&pss_message(bits, &salt, same, |m| m[0] |= 0x80));
        if top < *rsa_key(bits).n() {
            let verdict = key.verify_digest(&digest, &raw_sign(bits, &padded(&top, bits)));
            assert_eq!(verdict, Err(SignatureError::Mismatch), "{bits}: top bit");
        }
    }
}

#[test]
fn the_bit_above_a_pss_message_must_be_clear() {
    let digest = message_digest();
    for bits in SIZES {
        let blob = rsa_blob(bits, pss(bits));
        let key = PublicKey::from_blob(&blob).unwrap();
        // Other salts give other first bytes: look for one that stays below n with the top bit set.
        let message = (0..=255u8)
            .map(|salt| pss_message(bits, &[salt; 32], |_| {}, |m| m[0] |= 0x80))
            .find(|m| BigUint::from_bytes_be(m) < *rsa_key(bits).n())
            .expect("n has its top bit set, so half of n's range lies above it");
        assert_eq!(key.verify_digest(&digest, &raw_sign(bits, &message)), Err(SignatureError::Mismatch));
    }
}

macro_rules! openssl {
    ($bits:literal, $key:ident, $file:literal) => {
        $key.verify_digest(&message_digest(), vector!(concat!("signatures/rsa", $bits, ".", $file)))
    };
}

macro_rules! openssl_test {
    ($name:ident, $bits:literal, $pkcs1:ident, $pss:ident) => {
        #[test]
        fn $name() {
            let blob = rsa_blob($bits, ota_verify::Algorithm::$pkcs1);
            let v15 = ota_verify::rsa::$pkcs1::from_blob(&blob).unwrap();
            assert_eq!(openssl!($bits, v15, "pkcs1"), Ok(()));
            let blob = rsa_blob($bits, ota_verify::Algorithm::$pss);
            let pss = ota_verify::rsa::$pss::from_blob(&blob).unwrap();
            assert_eq!(openssl!($bits, pss, "pss-salt32"), Ok(()));
            for bad in [
                openssl!($bits, v15, "pkcs1-sha1"),
                openssl!($bits, v15, "pkcs1-no-digest-info"),
                openssl!($bits, v15, "pss-salt32"),
                openssl!($bits, pss, "pkcs1"),
                openssl!($bits, pss, "pss-salt0"),
                openssl!($bits, pss, "pss-salt20"),
                openssl!($bits, pss, "pss-salt31"),
                openssl!($bits, pss, "pss-salt33"),
                openssl!($bits, pss, "pss-mgf1-sha1"),
            ] {
                assert_eq!(bad, Err(SignatureError::Mismatch));
            }
        }
    };
}
openssl_test!(openssl_2048, 2048, Rsa2048Pkcs1, Rsa2048Pss);
openssl_test!(openssl_3072, 3072, Rsa3072Pkcs1, Rsa3072Pss);
openssl_test!(openssl_4096, 4096, Rsa4096Pkcs1, Rsa4096Pss);

#[test]
fn a_cloud_signature_needs_a_pkcs1_key() {
    let digest = message_digest();
    let signature = vector!("signatures/rsa2048.pkcs1");
    let blob = rsa_blob(2048, pkcs1(2048));
    let cloud = PublicKey::from_blob(&blob).unwrap();
    assert_eq!(verify_cloud_signature(&cloud, &digest, signature), Ok(()));
    assert_eq!(verify_cloud_signature(&cloud, &[0; 32], signature), Err(SignatureError::Mismatch));
    assert_eq!(verify_cloud_signature(&cloud, &digest, &[]), Err(SignatureError::Malformed));
    let blob = rsa_blob(2048, pss(2048));
    let wrong = PublicKey::from_blob(&blob).unwrap();
    let signature = vector!("signatures/rsa2048.pss-salt32");
    assert_eq!(verify_cloud_signature(&wrong, &digest, signature), Err(SignatureError::UnknownKey));
}
