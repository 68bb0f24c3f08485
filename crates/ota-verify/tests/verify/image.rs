//! Images of imgtool, and images built field by field.

use crate::build::{Believer, Image, sha256};
use crate::vectors::{IDENTITY, ed25519_blob, p256_blob, pkcs1, pss, rsa_blob, rsa_key, rsa_key_id, rules, vector};
use ota_hal::{ReadAt, SlotId};
use ota_verify::image::{Area, ImageInfo, tlv};
use ota_verify::{
    FormatError, Identity, Keys, PublicKey, Refusal, Rules, SignatureError, Uuid, Verified, VerifyError, Version,
    verify_image, verify_image_with,
};
use rsa::sha2::Sha256;

type Outcome = Result<Verified, VerifyError<ota_hal::region::PastEnd>>;

fn verify<K: Keys>(image: &[u8], keys: &K) -> Outcome {
    verify_image(&mut &*image, SlotId::B, &rules(keys))
}
fn believe(image: &[u8]) -> Outcome {
    verify(image, &Believer)
}
fn format_error(image: &[u8]) -> FormatError {
    match believe(image) {
        Err(VerifyError::Format(e)) => e,
        other => panic!("expected a format error, got {other:?}"),
    }
}
fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Err(VerifyError::Refused(e)) => e,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Every imgtool image that must verify, with the blob of its key.
fn good_images() -> [(&'static [u8], Vec<u8>); 7] {
    [
        (vector!("images/rsa2048.bin"), rsa_blob(2048, pss(2048))),
        (vector!("images/rsa3072.bin"), rsa_blob(3072, pss(3072))),
        (vector!("images/p256.bin"), p256_blob()),
        (vector!("images/ed25519.bin"), ed25519_blob()),
        (vector!("images/header-512.bin"), p256_blob()),
        (vector!("images/rom-fixed.bin"), p256_blob()),
        (vector!("images/boot-record.bin"), p256_blob()),
    ]
}

#[test]
fn imgtool_images_verify() {
    for (image, blob) in good_images() {
        let key = PublicKey::from_blob(&blob).unwrap();
        // In a slot: erased flash follows the image.
        let slot = [image, &[0xFF; 1000]].concat();
        let proof = verify(&slot, &key).unwrap();
        assert_eq!(proof.slot(), SlotId::B);
        assert_eq!(proof.version(), Version { major: 1, minor: 2, revision: 3, build: 4 });
        assert_eq!(proof.security_counter(), 7);
        assert_eq!(proof.file_len() as usize, image.len());
        let payload = proof.payload_offset() as usize..(proof.payload_offset() + proof.payload_len()) as usize;
        assert_eq!(&image[payload], vector!("payload.bin"));
        let signed = ImageInfo::read(&mut &*image).unwrap().signed_len() as usize;
        assert_eq!(*proof.digest(), sha256(&image[..signed]));
    }
}

#[test]
fn a_fixed_address_is_told() {
    let key = p256_blob();
    let key = PublicKey::from_blob(&key).unwrap();
    let fixed = verify(vector!("images/rom-fixed.bin"), &key).unwrap();
    let anywhere = verify(vector!("images/p256.bin"), &key).unwrap();
    assert_eq!((fixed.rom_address(), anywhere.rom_address()), (Some(0x20000), None));
    assert_eq!(fixed.linked_at(0x20000), Ok(()));
    for (image, linked, slot) in [(fixed, Some(0x20000), 0x20200), (anywhere, None, 0)] {
        assert_eq!(image.linked_at(slot), Err(Refusal::WrongAddress { linked, slot }));
    }
}

#[test]
fn imgtool_images_we_cannot_honour_are_refused_by_name() {
    let expect = [
        (vector!("images/no-counter.bin"), FormatError::TlvMissing(0x50)),
        (vector!("images/no-uuids.bin"), FormatError::TlvMissing(0x74)),
        (vector!("images/load-addr.bin"), FormatError::RamLoad),
        (vector!("images/non-bootable.bin"), FormatError::NonBootable),
        (vector!("images/dependency.bin"), FormatError::TlvUnknown(0x40)),
        (vector!("images/full-key.bin"), FormatError::TlvUnknown(0x02)),
        // imgtool puts a SHA-512 before the mark of a pure signature.
        (vector!("images/pure.bin"), FormatError::TlvUnknown(0x12)),
        (vector!("images/sha512.bin"), FormatError::TlvUnknown(0x12)),
        (vector!("images/encrypted.bin"), FormatError::Encrypted),
        (vector!("images/compressed.bin"), FormatError::Compressed),
    ];
    for (image, error) in expect {
        assert_eq!(format_error(image), error);
    }
    assert!(matches!(format_error(vector!("images/unsigned.bin")), FormatError::TlvMissing(_)));
}

#[test]
fn every_flipped_byte_of_an_image_is_refused() {
    for (image, blob) in good_images() {
        let key = PublicKey::from_blob(&blob).unwrap();
        for at in 0..image.len() {
            for bit in [0x01, 0x80] {
                let mut bad = image.to_vec();
                bad[at] ^= bit;
                assert!(verify(&bad, &key).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn every_truncation_is_a_format_error() {
    for (image, blob) in good_images() {
        let key = PublicKey::from_blob(&blob).unwrap();
        for len in 0..image.len() {
            let expected = if len < 32 { FormatError::Truncated } else { FormatError::PastEnd };
            assert_eq!(verify(&image[..len], &key), Err(VerifyError::Format(expected)), "length {len}");
        }
    }
}

#[test]
fn a_foreign_key_is_unknown_even_for_the_same_algorithm() {
    let image = vector!("images/rsa2048.bin");
    for blob in [rsa_blob(2048, pkcs1(2048)), rsa_blob(3072, pss(3072)), ed25519_blob()] {
        let key = PublicKey::from_blob(&blob).unwrap();
        assert_eq!(refusal(verify(image, &key)), Refusal::Signature(SignatureError::UnknownKey));
    }
    let none: [PublicKey<'_>; 0] = [];
    assert_eq!(refusal(verify(image, &none)), Refusal::Signature(SignatureError::UnknownKey));
}

#[test]
fn vendor_class_and_counter_are_judged_after_the_signature() {
    let blob = p256_blob();
    let keys = PublicKey::from_blob(&blob).unwrap();
    let image = vector!("images/p256.bin");
    let judge = |identity, floor| verify_image(&mut &*image, SlotId::A, &Rules { keys: &keys, identity, floor });
    let other = Uuid([1; 16]);
    assert!(judge(IDENTITY, 7).is_ok());
    assert!(judge(IDENTITY, 0).is_ok());
    assert_eq!(refusal(judge(IDENTITY, 8)), Refusal::CounterTooLow { counter: 7, floor: 8 });
    assert_eq!(refusal(judge(IDENTITY, u32::MAX)), Refusal::CounterTooLow { counter: 7, floor: u32::MAX });
    assert_eq!(refusal(judge(Identity { vendor: other, ..IDENTITY }, 7)), Refusal::WrongVendor);
    assert_eq!(refusal(judge(Identity { class: other, ..IDENTITY }, 7)), Refusal::WrongClass);
    // Not authentic: says so, instead of repeating what the forger wrote.
    let foreign =
        Rules { keys: &[] as &[PublicKey<'_>; 0], identity: Identity { vendor: other, class: other }, floor: 9 };
    let outcome = verify_image(&mut &*image, SlotId::A, &foreign);
    assert_eq!(refusal(outcome), Refusal::Signature(SignatureError::UnknownKey));
}

#[test]
fn images_signed_here_verify_with_our_tlv_numbers() {
    let cases = [(2048, 0x20A1), (3072, 0x20A2), (4096, 0x20A3)];
    for (bits, kind) in cases {
        let mut image = Image::default();
        let digest = sha256(&image.signed_part());
        let signature = rsa_key(bits).sign(rsa::Pkcs1v15Sign::new::<Sha256>(), &digest).unwrap();
        image.unprotected = vec![(0x10, vec![]), (0x01, rsa_key_id(bits).0.to_vec()), (kind, signature)];
        let blob = rsa_blob(bits, pkcs1(bits));
        verify(&image.build(), &PublicKey::from_blob(&blob).unwrap()).unwrap();
    }
    let mut image = Image::default();
    let digest = sha256(&image.signed_part());
    let pss_4096 = rsa::Pss::new_with_salt::<Sha256>(32);
    let signature = rsa_key(4096).sign_with_rng(&mut rand::thread_rng(), pss_4096, &digest).unwrap();
    image.unprotected = vec![(0x10, vec![]), (0x01, rsa_key_id(4096).0.to_vec()), (0x20A0, signature)];
    let blob = rsa_blob(4096, pss(4096));
    verify(&image.build(), &PublicKey::from_blob(&blob).unwrap()).unwrap();
}

fn changed(change: impl FnOnce(&mut Image)) -> Vec<u8> {
    let mut image = Image::default();
    change(&mut image);
    image.build()
}

#[test]
fn header_rules() {
    assert!(believe(&Image::default().build()).is_ok());
    let cases = [
        (changed(|i| i.magic ^= 1), FormatError::Magic),
        (changed(|i| i.magic = 0xFFFF_FFFF), FormatError::Magic),
        (changed(|i| i.hdr_size = 0), FormatError::HeaderSize),
        (changed(|i| i.hdr_size = 31), FormatError::HeaderSize),
        (changed(|i| i.payload.clear()), FormatError::Empty),
        (changed(|i| i.img_size = Some(10_000)), FormatError::PastEnd),
        (changed(|i| i.img_size = Some(u32::MAX)), FormatError::PastEnd),
        (changed(|i| i.img_size = Some(u32::MAX - 32)), FormatError::PastEnd),
        (changed(|i| i.img_size = Some(u32::MAX - 32 - 52)), FormatError::PastEnd),
        (changed(|i| i.img_size = Some(6)), FormatError::AreaMagic),
        (changed(|i| i.flags = 0x4), FormatError::Encrypted),
        (changed(|i| i.flags = 0x8), FormatError::Encrypted),
        (changed(|i| i.flags = 0x10), FormatError::NonBootable),
        (changed(|i| i.flags = 0x20), FormatError::RamLoad),
        (changed(|i| i.flags = 0x200), FormatError::Compressed),
        (changed(|i| i.flags = 0x400), FormatError::Compressed),
        (changed(|i| i.flags = 0x800), FormatError::Compressed),
        (changed(|i| i.flags = 0x1), FormatError::UnknownFlags(1)),
        (changed(|i| i.flags = 0x8000_0100), FormatError::UnknownFlags(0x8000_0000)),
    ];
    for (image, error) in cases {
        assert_eq!(format_error(&image), error);
    }
    // A header that claims to reach past the end.
    let mut image = Image::default().build();
    image[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(format_error(&image), FormatError::PastEnd);
    assert_eq!(format_error(&[]), FormatError::Truncated);
    assert_eq!(format_error(&[0xFF; 4096]), FormatError::Magic);
}

#[test]
fn area_rules() {
    // The protected area is 52 bytes: 4 + 8 + 20 + 20.
    assert_eq!(format_error(&changed(|i| i.protect_tlv_size = Some(0))), FormatError::AreaMagic);
    assert_eq!(format_error(&changed(|i| i.protect_tlv_size = Some(48))), FormatError::ProtectedSize);
    assert_eq!(format_error(&changed(|i| i.protect_tlv_size = Some(56))), FormatError::ProtectedSize);
    assert_eq!(format_error(&changed(|i| i.protect_tlv_size = Some(u16::MAX))), FormatError::PastEnd);
    let good = Image::default().build();
    let (protected, unprotected) = (32 + 7, 32 + 7 + 52);
    // The areas in the wrong order.
    let mut swapped = good.clone();
    swapped[protected] = 0x07;
    swapped[unprotected] = 0x08;
    assert_eq!(format_error(&swapped), FormatError::AreaMagic);
    let mut image = good.clone();
    image[unprotected + 2..unprotected + 4].copy_from_slice(&3u16.to_le_bytes());
    assert_eq!(format_error(&image), FormatError::AreaSize);
    image[unprotected + 2..unprotected + 4].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(format_error(&image), FormatError::PastEnd);
    // 1 to 3 bytes too many in the area are no TLV; a fourth makes one of type 0, which nobody knows.
    for extra in 1..=4u16 {
        let mut image = [&good[..], &[0; 4][..extra.into()]].concat();
        let total = (good.len() - unprotected) as u16 + extra;
        image[unprotected + 2..unprotected + 4].copy_from_slice(&total.to_le_bytes());
        let expected = if extra < 4 { FormatError::TlvTrailing } else { FormatError::TlvUnknown(0) };
        assert_eq!(format_error(&image), expected);
    }
    // An entry that runs past its area, by one byte and by a lot; in either area.
    for (entry, kind, len) in [(protected + 4, 0x50, 45u16), (unprotected + 4, 0x10, u16::MAX)] {
        let mut image = good.clone();
        image[entry + 2..entry + 4].copy_from_slice(&len.to_le_bytes());
        assert_eq!(format_error(&image), FormatError::TlvPastEnd(kind));
    }
}

#[test]
fn each_type_has_one_home() {
    let counter = (0x50, 1000u32.to_le_bytes().to_vec());
    let move_out = |kind: u16| {
        changed(|i| {
            let at = i.protected.iter().position(|(k, _)| *k == kind).unwrap();
            let entry = i.protected.remove(at);
            i.unprotected.push(entry);
        })
    };
    for kind in [0x50, 0x74, 0x75] {
        assert_eq!(format_error(&move_out(kind)), FormatError::TlvArea(kind));
    }
    // CVE-2024-32883: metadata smuggled into the unsigned area of an image that has its own.
    assert_eq!(format_error(&changed(|i| i.unprotected.push(counter.clone()))), FormatError::TlvArea(0x50));
    for kind in [0x40, 0x60, 0x70, 0x73, 0x99, 0xFFFF] {
        assert_eq!(format_error(&changed(|i| i.unprotected.push((kind, vec![0; 4])))), FormatError::TlvArea(kind));
    }
    for kind in [0x01, 0x02, 0x10, 0x11, 0x20, 0x22, 0x24, 0x25, 0x31, 0x20A0, 0x20A3] {
        assert_eq!(format_error(&changed(|i| i.protected.push((kind, vec![0; 64])))), FormatError::TlvArea(kind));
    }
    for kind in [0x00, 0x02, 0x11, 0x12, 0x25, 0x30, 0x10A0, 0x20A4] {
        assert_eq!(format_error(&changed(|i| i.unprotected.push((kind, vec![])))), FormatError::TlvUnknown(kind));
    }
    // Signed, but outside the vendor range: one day it may mean something that must not be passed over.
    for kind in [0x40, 0x41, 0x51, 0x70, 0x73, 0x76, 0x99, 0x1250, 0xFFFF] {
        assert_eq!(format_error(&changed(|i| i.protected.push((kind, vec![0; 4])))), FormatError::TlvUnknown(kind));
    }
    // Signed, so its meaning is the vendor's business.
    assert!(believe(&changed(|i| i.protected.push((0x12A0, vec![1, 2, 3])))).is_ok());
    assert!(believe(&changed(|i| i.protected.push((0x12A0, vec![])))).is_ok());
}

#[test]
fn lengths_duplicates_and_absences() {
    for at in 0..3 {
        let kind = Image::default().protected[at].0;
        assert_eq!(format_error(&changed(|i| i.protected[at].1.push(0))), FormatError::TlvLength(kind));
        assert_eq!(format_error(&changed(|i| i.protected[at].1.clear())), FormatError::TlvLength(kind));
        assert_eq!(format_error(&changed(|i| drop(i.protected.remove(at)))), FormatError::TlvMissing(kind));
        assert_eq!(
            format_error(&changed(|i| i.protected.push(i.protected[at].clone()))),
            FormatError::TlvDuplicate(kind)
        );
    }
    for at in 0..3 {
        let kind = Image::default().unprotected[at].0;
        assert_eq!(format_error(&changed(|i| i.unprotected[at].1 = vec![0; 33])), FormatError::TlvLength(kind));
        let missing = format_error(&changed(|i| drop(i.unprotected.remove(at))));
        assert_eq!(missing, FormatError::TlvMissing(if kind == 0x24 { 0x20 } else { kind }));
        assert_eq!(
            format_error(&changed(|i| i.unprotected.push(i.unprotected[at].clone()))),
            FormatError::TlvDuplicate(kind)
        );
    }
    // A second signature, of another algorithm: which one would count?
    assert_eq!(format_error(&changed(|i| i.unprotected.push((0x20, vec![0; 256])))), FormatError::TlvDuplicate(0x20));
    assert_eq!(format_error(&changed(|i| i.protected.clear())), FormatError::TlvMissing(0x74));
}

#[test]
fn every_byte_of_the_digest_counts() {
    for at in 0..32 {
        let mut image = Image::default();
        let mut digest = sha256(&image.signed_part());
        digest[at] ^= 1;
        image.unprotected[0].1 = digest.to_vec();
        assert_eq!(refusal(believe(&image.build())), Refusal::Digest, "byte {at}");
    }
}

#[test]
fn a_large_image_is_hashed_to_its_end() {
    let large = Image { payload: vec![0xA5; 300_000], ..Image::default() }.build();
    assert!(believe(&large).is_ok());
    for at in [32, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x1_0001, 0x2_0000, 0x4_0000, 300_031] {
        let mut image = large.clone();
        image[at] ^= 0x10;
        assert_eq!(refusal(believe(&image)), Refusal::Digest, "byte {at}");
    }
}

#[test]
fn inspecting_shows_what_verifying_would_refuse() {
    let image = vector!("images/no-counter.bin");
    let info = ImageInfo::read(&mut &*image).unwrap();
    let facts = info.facts(&mut &*image).unwrap();
    assert_eq!(facts.security_counter, None);
    assert_eq!(facts.vendor, Some(IDENTITY.vendor));
    let mut tlvs = info.tlvs();
    let mut seen = vec![];
    while let Some(tlv) = tlvs.next(&mut &*image).unwrap() {
        seen.push((tlv.area, tlv.kind));
    }
    let expected = [
        (Area::Protected, tlv::UUID_VID),
        (Area::Protected, tlv::UUID_CID),
        (Area::Unprotected, tlv::SHA256),
        (Area::Unprotected, tlv::KEYHASH),
        (Area::Unprotected, tlv::ECDSA),
    ];
    assert_eq!(seen, expected);
    // Encrypted: the header can still be shown.
    let info = ImageInfo::read(&mut vector!("images/encrypted.bin")).unwrap();
    assert_eq!(info.header().check_flags(), Err(FormatError::Encrypted));
}

/// A medium that fails when it is asked for a certain byte.
struct Failing<'a>(&'a [u8], u32);
#[derive(Debug, PartialEq)]
struct Bad;
impl ReadAt for Failing<'_> {
    type Error = Bad;
    fn len(&self) -> u32 {
        self.0.len() as u32
    }
    fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Bad> {
        let end = offset as usize + bytes.len();
        if (offset as usize..end).contains(&(self.1 as usize)) {
            return Err(Bad);
        }
        bytes.copy_from_slice(&self.0[offset as usize..end]);
        Ok(())
    }
}

#[test]
fn a_read_fault_anywhere_is_reported_as_such() {
    let image = Image::default().build();
    for at in 0..image.len() as u32 {
        let outcome = verify_image(&mut Failing(&image, at), SlotId::A, &rules(&Believer));
        assert_eq!(outcome, Err(VerifyError::Read(Bad)), "byte {at}");
    }
}

#[test]
fn progress_covers_the_signed_part() {
    let image = changed(|i| i.payload = vec![7; 5000]);
    let mut calls = vec![0];
    verify_image_with(&mut &image[..], SlotId::A, &rules(&Believer), |done| calls.push(done)).unwrap();
    assert!(calls.is_sorted() && calls.windows(2).all(|w| w[1] - w[0] <= 256));
    assert_eq!(calls.last(), Some(&(32 + 5000 + 52)));
}

#[test]
fn error_codes_differ() {
    use FormatError::*;
    let format = [
        Truncated,
        Magic,
        HeaderSize,
        Empty,
        PastEnd,
        Encrypted,
        Compressed,
        NonBootable,
        RamLoad,
        UnknownFlags(0),
        AreaMagic,
        ProtectedSize,
        AreaSize,
        TlvPastEnd(0),
        TlvTrailing,
        TlvLength(0),
        TlvArea(0),
        TlvUnknown(0),
        TlvDuplicate(0),
        TlvMissing(0),
    ];
    let signature = [SignatureError::UnknownKey, SignatureError::Malformed, SignatureError::Mismatch];
    let others = [
        Refusal::Digest,
        Refusal::WrongVendor,
        Refusal::WrongClass,
        Refusal::CounterTooLow { counter: 0, floor: 1 },
        Refusal::WrongAddress { linked: None, slot: 0 },
    ];
    let refusals = signature.map(Refusal::Signature).into_iter().chain(others);
    let all: Vec<(u8, &str)> =
        format.iter().map(|e| (e.code(), e.text())).chain(refusals.map(|e| (e.code(), e.text()))).collect();
    for (i, (code, text)) in all.iter().enumerate() {
        assert!(!text.is_empty() && text.len() <= 48);
        assert!(all[i + 1..].iter().all(|(c, t)| c != code && t != text), "{text}");
    }
}
