//! Key blobs and key sets.

use crate::build::blob;
use crate::vectors::{
    ed25519_blob, message_digest, p256_blob, pkcs1, pss, rsa_blob, rsa_key, rsa_key_id, rsa_material, vector,
};
use ::rsa::traits::PublicKeyParts;
use ota_verify::blob::{LEN_MAX, crc32};
use ota_verify::{Algorithm, Blob, BlobError, KeyId, Keys, PublicKey, SignatureError, Verifier, rsa};

const UNKNOWN: Result<(), SignatureError> = Err(SignatureError::UnknownKey);

#[test]
fn every_algorithm_has_one_number_and_one_tlv() {
    for n in 0..=u8::MAX {
        let Some(algorithm) = Algorithm::from_u8(n) else {
            assert!(!(1..=8).contains(&n));
            continue;
        };
        assert_eq!(algorithm as u8, n);
        assert_eq!(Algorithm::from_tlv(algorithm.tlv()), Some(algorithm));
    }
    let known = (0..=u16::MAX).filter(|kind| Algorithm::from_tlv(*kind).is_some()).count();
    assert_eq!(known, 8);
}

#[test]
fn a_public_key_reads_every_algorithm() {
    let blobs = [
        rsa_blob(2048, pss(2048)),
        rsa_blob(3072, pss(3072)),
        rsa_blob(4096, pss(4096)),
        rsa_blob(2048, pkcs1(2048)),
        rsa_blob(3072, pkcs1(3072)),
        rsa_blob(4096, pkcs1(4096)),
        p256_blob(),
        ed25519_blob(),
    ];
    for (blob, n) in blobs.iter().zip(1..) {
        let key = PublicKey::from_blob(blob).unwrap();
        assert_eq!(key.algorithm() as u8, n);
        assert_eq!(key.key_id(), Blob::parse(blob).unwrap().key_id);
        assert!(blob.len() <= LEN_MAX);
    }
    assert_eq!(blobs[2].len(), LEN_MAX);
}

#[test]
fn every_flipped_or_missing_byte_of_a_blob_is_noticed() {
    for good in [rsa_blob(2048, pss(2048)), p256_blob(), ed25519_blob()] {
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(PublicKey::from_blob(&bad).is_err(), "byte {at}");
            assert!(PublicKey::from_blob(&good[..at]).is_err(), "length {at}");
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(PublicKey::from_blob(&longer).unwrap_err(), BlobError::Length);
    }
}

#[test]
fn blob_errors_name_the_cause() {
    let good = ed25519_blob();
    let with = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        let end = bytes.len() - 4;
        let crc = crc32(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&crc);
        PublicKey::from_blob(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b'X'), BlobError::Magic);
    assert_eq!(with(4, 2), BlobError::Version(2));
    assert_eq!(with(5, 0), BlobError::Algorithm(0));
    assert_eq!(with(5, 9), BlobError::Algorithm(9));
    assert_eq!(with(6, 33), BlobError::Length);
    let mut damaged = good.clone();
    damaged[50] ^= 1;
    assert_eq!(PublicKey::from_blob(&damaged).unwrap_err(), BlobError::Crc);
    // A build for one algorithm does not take another's blob, nor another size.
    let other = rsa_blob(2048, pkcs1(2048));
    assert_eq!(rsa::Rsa2048Pss::from_blob(&other).unwrap_err(), BlobError::Algorithm(4));
    assert_eq!(rsa::Rsa3072Pkcs1::from_blob(&other).unwrap_err(), BlobError::Algorithm(4));
}

#[test]
fn rsa_material_must_belong_together() {
    let good = rsa_material(rsa_key(2048).n());
    let verdict = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut material = good.clone();
        change(&mut material);
        PublicKey::from_blob(&blob(Algorithm::Rsa2048Pss, KeyId([0; 32]), &material)).map(|_| ())
    };
    assert_eq!(verdict(&|_| {}), Ok(()));
    assert_eq!(verdict(&|m| m[0] ^= 1), Err(BlobError::Key), "even modulus");
    assert_eq!(verdict(&|m| m[255] &= 0x7F), Err(BlobError::Key), "top bit clear");
    assert_eq!(verdict(&|m| m[100] ^= 1), Err(BlobError::Key), "another modulus");
    assert_eq!(verdict(&|m| m[256] ^= 1), Err(BlobError::Key), "another R²");
    assert_eq!(verdict(&|m| m[256..512].fill(0xFF)), Err(BlobError::Key), "R² above n");
    assert_eq!(verdict(&|m| m[512] ^= 1), Err(BlobError::Key), "another n0inv");
    assert_eq!(verdict(&|m| m.truncate(515)), Err(BlobError::Length));
    assert_eq!(verdict(&|m| m.extend([0; 4])), Err(BlobError::Length));
    assert_eq!(verdict(&|m| m.clear()), Err(BlobError::Length));
}

#[test]
fn sets_ask_the_key_that_is_named() {
    let blobs = [rsa_blob(2048, pss(2048)), rsa_blob(2048, pkcs1(2048)), rsa_blob(3072, pss(3072))];
    let keys = blobs.each_ref().map(|b| PublicKey::from_blob(b).unwrap());
    let digest = message_digest();
    let id = rsa_key_id(2048);
    let good = vector!("signatures/rsa2048.pss-salt32");
    let check = |keys: &dyn Keys, expected| assert_eq!(keys.verify(&id, pss(2048), &digest, good), expected);
    check(&keys, Ok(()));
    check(&keys.as_slice(), Ok(()));
    check(&(keys[2], keys[0]), Ok(()));
    check(&((keys[1], keys[2]), [keys[0]]), Ok(()));
    check(&(keys[1], keys[2]), UNKNOWN);
    check(&keys[1], UNKNOWN);
    check(&[keys[2]; 3], UNKNOWN);
    check(&<[PublicKey<'_>; 0]>::default(), UNKNOWN);
    // Right key, wrong name; right name, wrong algorithm.
    assert_eq!(keys.verify(&KeyId([0; 32]), pss(2048), &digest, good), UNKNOWN);
    assert_eq!(keys.verify(&id, Algorithm::Ed25519, &digest, good), UNKNOWN);
    assert_eq!(keys.verify(&id, pkcs1(2048), &digest, good), Err(SignatureError::Mismatch));
}
