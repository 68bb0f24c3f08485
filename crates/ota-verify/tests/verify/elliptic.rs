//! P-256 and Ed25519.

use crate::build::blob;
use crate::vectors::{ed25519_blob, message_digest, p256_blob, vector};
use ota_verify::{Algorithm, BlobError, KeyId, SignatureError, Verifier, ed25519::Ed25519, p256::EcdsaP256};

#[test]
fn p256_accepts_openssl_and_refuses_each_flip() {
    let key = EcdsaP256::from_blob(&p256_blob()).unwrap();
    let good = vector!("signatures/p256.der");
    assert_eq!(key.verify_digest(&message_digest(), good), Ok(()));
    assert_eq!(key.verify_digest(&[0; 32], good), Err(SignatureError::Mismatch));
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert!(key.verify_digest(&message_digest(), &bad).is_err(), "byte {at}");
    }
    for len in 0..good.len() {
        assert_eq!(key.verify_digest(&message_digest(), &good[..len]), Err(SignatureError::Malformed));
    }
    let padded = [good, &[0]].concat();
    assert_eq!(key.verify_digest(&message_digest(), &padded), Err(SignatureError::Malformed));
}

/// DER of two integers, each at most 127 bytes, most significant byte first.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let one = |x: &[u8]| [&[2, x.len() as u8], x].concat();
    let body = [one(r), one(s)].concat();
    [&[0x30, body.len() as u8], &body[..]].concat()
}

#[test]
fn p256_refuses_zero_and_out_of_range_scalars() {
    const ORDER: &[u8] = b"\x00\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let key = EcdsaP256::from_blob(&p256_blob()).unwrap();
    let sane = &[1][..];
    for (r, s) in [(&[0][..], sane), (sane, &[0][..]), (ORDER, sane), (sane, ORDER), (&[0x80], sane), (&[0, 1], sane)] {
        assert_eq!(key.verify_digest(&message_digest(), &der(r, s)), Err(SignatureError::Malformed), "{r:?} {s:?}");
    }
    assert_eq!(key.verify_digest(&message_digest(), &der(sane, sane)), Err(SignatureError::Mismatch));
}

#[test]
fn ed25519_accepts_openssl_and_refuses_each_flip() {
    let key = Ed25519::from_blob(&ed25519_blob()).unwrap();
    let good = vector!("signatures/ed25519");
    assert_eq!(key.verify_digest(&message_digest(), good), Ok(()));
    assert_eq!(key.verify_digest(&[0; 32], good), Err(SignatureError::Mismatch));
    for at in 0..64 {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert_eq!(key.verify_digest(&message_digest(), &bad), Err(SignatureError::Mismatch), "byte {at}");
    }
    for len in (0..64).chain([65]) {
        let mut bad = good.to_vec();
        bad.resize(len, 0);
        assert_eq!(key.verify_digest(&message_digest(), &bad), Err(SignatureError::Malformed));
    }
}

#[test]
fn ed25519_refuses_the_same_signature_with_s_plus_the_order() {
    const ORDER: [u8; 32] =
        *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
    let key = Ed25519::from_blob(&ed25519_blob()).unwrap();
    let mut bad = vector!("signatures/ed25519").to_vec();
    let mut carry = 0;
    for (byte, order) in bad[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(key.verify_digest(&message_digest(), &bad), Err(SignatureError::Mismatch));
}

#[test]
fn keys_that_are_no_keys_are_refused() {
    let id = KeyId([0; 32]);
    // y = 1: the neutral element, under which anything can be signed.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(Ed25519::from_blob(&blob(Algorithm::Ed25519, id, &neutral)).unwrap_err(), BlobError::Key);
    assert_eq!(Ed25519::from_blob(&blob(Algorithm::Ed25519, id, &[0; 31])).unwrap_err(), BlobError::Length);
    let mut point = vector!("keys/p256.spki.der")[26..].to_vec();
    assert!(EcdsaP256::from_blob(&blob(Algorithm::EcdsaP256, id, &point)).is_ok());
    point[64] ^= 1;
    assert_eq!(EcdsaP256::from_blob(&blob(Algorithm::EcdsaP256, id, &point)).unwrap_err(), BlobError::Key);
    assert_eq!(EcdsaP256::from_blob(&blob(Algorithm::EcdsaP256, id, &point[..33])).unwrap_err(), BlobError::Length);
}
