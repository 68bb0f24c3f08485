//! Packages and manifests.

use crate::build::{Believer, ManifestDraft, believable, package, raw};
use crate::vectors::{IDENTITY, pkcs1, pss, rsa_blob, rsa_key, rsa_key_id, rules, vector};
use ota_hal::SlotId;
use ota_verify::manifest::{Accepts, Encoding, ForSlot, Payload};
use ota_verify::package::{ENVELOPE_MAX, HEAD_LEN, signed_digest};
use ota_verify::{
    Algorithm, Envelope, Identity, KeyId, Keys, Manifest, Object, PackageError, PublicKey, Refusal, Rules,
    SignatureError, Uuid, Version,
};
use rsa::{Pkcs1v15Sign, Pss, sha2::Sha256};

fn open<K: Keys>(bytes: &[u8], keys: &K) -> Result<(), PackageError> {
    Envelope::open(bytes, &rules(keys)).map(|_| ())
}
fn believe(draft: &ManifestDraft) -> Result<(), PackageError> {
    open(&believable(&draft.build()), &Believer)
}

fn signed(manifest: &[u8], bits: usize, is_pss: bool) -> (u8, KeyId, Vec<u8>) {
    let digest = signed_digest(manifest);
    let key = rsa_key(bits);
    if is_pss {
        let scheme = Pss::new_with_salt::<Sha256>(32);
        let bytes = key.sign_with_rng(&mut rand::thread_rng(), scheme, &digest).unwrap();
        (pss(bits) as u8, rsa_key_id(bits), bytes)
    } else {
        (pkcs1(bits) as u8, rsa_key_id(bits), key.sign(Pkcs1v15Sign::new::<Sha256>(), &digest).unwrap())
    }
}

#[test]
fn the_first_bytes_tell_what_an_object_is() {
    assert_eq!(Object::sniff(b"OTA1"), Some(Object::Package));
    assert_eq!(Object::sniff(vector!("images/p256.bin")[..4].try_into().unwrap()), Some(Object::Image));
    assert_eq!(Object::sniff(&[0xFF; 4]), None);
}

#[test]
fn a_signed_package_opens() {
    let manifest = ManifestDraft::default().build();
    let bytes = package(&manifest, &[signed(&manifest, 2048, true)]);
    let blob = rsa_blob(2048, pss(2048));
    let key = PublicKey::from_blob(&blob).unwrap();
    let needed = Envelope::len_needed(bytes.first_chunk().unwrap()).unwrap();
    assert_eq!(needed, bytes.len());
    // Payload bytes behind the envelope are not its business.
    let longer = [&bytes[..], &[0; 500]].concat();
    let manifest = Envelope::open(&longer, &rules(&key)).unwrap();
    assert_eq!(manifest.head().sequence, 3);
    assert_eq!(manifest.package_len(), 1124);
    let firmware = manifest.component("").unwrap();
    assert_eq!(firmware.head.version, Version { major: 1, minor: 2, revision: 300, build: 70_000 });
    assert_eq!(firmware.payloads().collect::<Vec<_>>(), [raw(1024, 100)]);
}

#[test]
fn the_manifest_bytes_are_what_the_format_says() {
    let mut draft = ManifestDraft::default();
    draft.components[0].0 = "mod".into();
    draft.components[0].2[0].encoding = Encoding::Delta { base: [0xBB; 32] };
    draft.components[0].2[0].slot = ForSlot::B;
    let expected = [
        &[1, 3][..],
        &IDENTITY.vendor.0,
        &IDENTITY.class.0,
        &[1],
        &[3],
        b"mod",
        &[1, 2, 0xAC, 0x02, 0xF0, 0xA2, 0x04, 9, 1],
        &[2, 2],
        &[0xBB; 32],
        &[100],
        &[0xAA; 32],
        &[0x80, 0x08, 100],
        &[0xAA; 32],
    ];
    assert_eq!(draft.build(), expected.concat());
}

#[test]
fn one_signature_by_a_known_key_is_enough() {
    let manifest = ManifestDraft::default().build();
    let blobs = [rsa_blob(2048, pss(2048)), rsa_blob(3072, pkcs1(3072))];
    let keys = blobs.each_ref().map(|b| PublicKey::from_blob(b).unwrap());
    let known = signed(&manifest, 2048, true);
    let foreign = (8, KeyId([9; 32]), vec![1; 64]);
    let later = (200, KeyId([9; 32]), vec![]);
    let mut broken = signed(&manifest, 3072, false);
    broken.2[100] ^= 1;
    let verdict = |signatures: &[_]| open(&package(&manifest, signatures), &keys);
    let refused = |e| Err(PackageError::Refused(Refusal::Signature(e)));
    assert_eq!(verdict(std::slice::from_ref(&known)), Ok(()));
    assert_eq!(verdict(&[foreign.clone(), later.clone(), known.clone()]), Ok(()));
    assert_eq!(verdict(&[broken.clone(), known.clone()]), Ok(()));
    assert_eq!(verdict(&[]), Err(PackageError::Unsigned));
    assert_eq!(verdict(&[foreign.clone(), later.clone()]), refused(SignatureError::UnknownKey));
    assert_eq!(verdict(&[foreign.clone(), broken.clone()]), refused(SignatureError::Mismatch));
    assert_eq!(verdict(&[broken, foreign]), refused(SignatureError::Mismatch));
}

#[test]
fn a_digest_signed_for_something_else_is_no_manifest_signature() {
    let manifest = ManifestDraft::default().build();
    let plain = crate::build::sha256(&manifest);
    let bytes = rsa_key(2048).sign(Pkcs1v15Sign::new::<Sha256>(), &plain).unwrap();
    let blob = rsa_blob(2048, pkcs1(2048));
    let key = PublicKey::from_blob(&blob).unwrap();
    let verdict = open(&package(&manifest, &[(pkcs1(2048) as u8, rsa_key_id(2048), bytes)]), &key);
    assert_eq!(verdict, Err(PackageError::Refused(Refusal::Signature(SignatureError::Mismatch))));
}

#[test]
fn nothing_is_parsed_before_the_signature() {
    let none: [PublicKey<'_>; 0] = [];
    for manifest in [&[][..], &[2], &[0xFF; 100], &[1; 300]] {
        let verdict = open(&believable(manifest), &none);
        assert_eq!(verdict, Err(PackageError::Refused(Refusal::Signature(SignatureError::UnknownKey))));
    }
}

#[test]
fn every_flipped_byte_and_every_truncation_is_refused() {
    let manifest = ManifestDraft::default().build();
    let good = package(&manifest, &[signed(&manifest, 2048, false)]);
    let blob = rsa_blob(2048, pkcs1(2048));
    let key = PublicKey::from_blob(&blob).unwrap();
    assert_eq!(open(&good, &key), Ok(()));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(open(&bad, &key).is_err(), "byte {at}");
        assert_eq!(open(&good[..at], &key), Err(PackageError::Truncated), "length {at}");
    }
}

#[test]
fn head_rules() {
    let head = |magic: &[u8; 4], len: u16, reserved: u8| {
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(magic);
        head[4..6].copy_from_slice(&len.to_le_bytes());
        head[7] = reserved;
        Envelope::len_needed(&head)
    };
    assert_eq!(head(b"OTA1", 0, 0), Ok(8));
    assert_eq!(head(b"OTA1", 2040, 0), Ok(ENVELOPE_MAX));
    assert_eq!(head(b"OTA1", 2041, 0), Err(PackageError::TooLarge));
    assert_eq!(head(b"OTA1", u16::MAX, 0), Err(PackageError::TooLarge));
    assert_eq!(head(b"OTA2", 100, 0), Err(PackageError::Magic));
    assert_eq!(head(b"OTA1", 100, 1), Err(PackageError::Reserved));
}

#[test]
fn envelope_lengths_must_add_up() {
    let good = believable(&ManifestDraft::default().build());
    let with_len = |delta: i32| {
        let mut bytes = [&good[..], &[0; 8]].concat();
        let len = (good.len() as i32 - 8 + delta) as u16;
        bytes[4..6].copy_from_slice(&len.to_le_bytes());
        open(&bytes, &Believer)
    };
    assert_eq!(with_len(0), Ok(()));
    for delta in [-8, -1, 1, 8] {
        assert_eq!(with_len(delta), Err(PackageError::Envelope), "{delta}");
    }
    let mut bytes = good.clone();
    bytes[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(open(&bytes, &Believer), Err(PackageError::Envelope));
    assert_eq!(open(b"OTA1\0\0\0\0", &Believer), Err(PackageError::Envelope));
}

#[test]
fn manifest_rules() {
    let one = |payload: Payload| ManifestDraft::of(vec![(String::new(), 9, vec![payload])]);
    let with = |change: &dyn Fn(&mut ManifestDraft)| {
        let mut draft = ManifestDraft::default();
        change(&mut draft);
        draft
    };
    let compressed = Payload { encoding: Encoding::Compressed, image_size: 4000, ..raw(1024, 100) };
    let end = believable(&ManifestDraft::default().build()).len() as u32;
    let cases = [
        (with(&|_| {}), Ok(())),
        (one(compressed), Ok(())),
        (with(&|d| d.head.schema = 2), Err(PackageError::Schema(2))),
        (with(&|d| d.head.schema = 0), Err(PackageError::Schema(0))),
        (with(&|d| d.head.vendor = Uuid([0; 16])), Err(Refusal::WrongVendor.into())),
        (with(&|d| d.head.class = Uuid([0; 16])), Err(Refusal::WrongClass.into())),
        (with(&|d| d.components[0].1 = 6), Err(Refusal::CounterTooLow { counter: 6, floor: 7 }.into())),
        (with(&|d| d.components[0].1 = 7), Ok(())),
        (with(&|d| d.trailing.push(0)), Err(PackageError::Trailing)),
        (with(&|d| d.head.components = 0), Err(PackageError::NoComponents)),
        (with(&|d| d.head.components = 2), Err(PackageError::Manifest)),
        (with(&|d| d.head.components = 255), Err(PackageError::Manifest)),
        (with(&|d| d.components[0].2.clear()), Err(PackageError::NoPayloads)),
        (with(&|d| d.payload_count = Some(2)), Err(PackageError::Manifest)),
        (with(&|d| d.payload_count = Some(255)), Err(PackageError::Manifest)),
        (with(&|d| d.components[0].0 = "n".repeat(32)), Ok(())),
        (with(&|d| d.components[0].0 = "n".repeat(33)), Err(PackageError::NameTooLong)),
        (one(Payload { image_size: 0, ..compressed }), Err(PackageError::EmptyPayload)),
        (one(Payload { length: 0, ..compressed }), Err(PackageError::EmptyPayload)),
        (one(raw(0, 100)), Err(PackageError::PayloadRange)),
        (one(raw(end - 1, 100)), Err(PackageError::PayloadRange)),
        (one(raw(end + 1, 100)), Ok(())),
        (one(raw(u32::MAX - 100, 100)), Ok(())),
        (one(raw(u32::MAX - 99, 100)), Err(PackageError::PayloadRange)),
        (one(raw(u32::MAX, u32::MAX)), Err(PackageError::PayloadRange)),
        (one(Payload { image_size: 101, ..raw(1024, 100) }), Err(PackageError::RawMismatch)),
        (one(Payload { digest: [0; 32], ..raw(1024, 100) }), Err(PackageError::RawMismatch)),
    ];
    for (i, (draft, expected)) in cases.into_iter().enumerate() {
        assert_eq!(believe(&draft), expected, "case {i}");
    }
}

#[test]
fn payloads_may_start_right_behind_the_envelope() {
    // The offset's own length in the varint does not change between the two builds.
    let draft = |offset| ManifestDraft::of(vec![(String::new(), 9, vec![raw(offset, 100)])]);
    let end = believable(&draft(200).build()).len() as u32;
    assert_eq!(believe(&draft(end)), Ok(()));
    assert_eq!(believe(&draft(end - 1)), Err(PackageError::PayloadRange));
}

#[test]
fn names_and_payloads_must_not_collide() {
    let part = |name: &str, payloads| (name.to_owned(), 9, payloads);
    let verdict = |components| believe(&ManifestDraft::of(components));
    let apart = |i: u32| vec![raw(1024 + 100 * i, 100)];
    assert_eq!(verdict(vec![part("", apart(0)), part("radio", apart(1)), part("ui", apart(2))]), Ok(()));
    let twice = vec![part("", apart(0)), part("radio", apart(1)), part("radio", apart(2))];
    assert_eq!(verdict(twice), Err(PackageError::DuplicateComponent));
    assert_eq!(verdict(vec![part("", apart(0)), part("", apart(1))]), Err(PackageError::DuplicateComponent));
    for second in [raw(1024, 100), raw(1123, 100), raw(1040, 1), raw(1000, 500)] {
        let within = vec![part("", vec![raw(1024, 100), second])];
        assert_eq!(verdict(within), Err(PackageError::Overlap));
        let across = vec![part("", apart(0)), part("radio", apart(5)), part("ui", vec![second])];
        assert_eq!(verdict(across), Err(PackageError::Overlap));
    }
}

#[test]
fn the_floor_is_the_firmwares() {
    let radio = |counter| {
        ManifestDraft::of(vec![("radio".into(), counter, vec![raw(1024, 10)]), (String::new(), 9, vec![raw(2000, 10)])])
    };
    assert_eq!(believe(&radio(0)), Ok(()));
    let mut old = radio(9);
    old.components[1].1 = 0;
    assert_eq!(believe(&old), Err(Refusal::CounterTooLow { counter: 0, floor: 7 }.into()));
}

#[test]
fn selection_prefers_delta_then_compressed_then_raw() {
    let base = [0xB0; 32];
    let payload = |slot, encoding, offset| Payload { slot, encoding, image_size: 100, ..raw(offset, 100) };
    let delta = |base| Encoding::Delta { base };
    let payloads = vec![
        payload(ForSlot::A, Encoding::Raw, 3000),
        payload(ForSlot::B, Encoding::Raw, 3100),
        payload(ForSlot::Any, Encoding::Compressed, 3200),
        payload(ForSlot::A, delta(base), 3300),
        payload(ForSlot::A, delta([0; 32]), 3400),
        payload(ForSlot::A, delta(base), 3500),
    ];
    let bytes = believable(&ManifestDraft::of(vec![(String::new(), 9, payloads)]).build());
    let rules = Rules { keys: &Believer, identity: IDENTITY, floor: 0 };
    let manifest = Envelope::open(&bytes, &rules).unwrap();
    let all = Accepts::ALL;
    let no_delta = Accepts { compressed: u32::MAX, ..Accepts::RAW };
    let pick = |slot, base: Option<&[u8; 32]>, accepts| {
        let mut holds = |digest: &[u8; 32]| base == Some(digest);
        manifest.select("", slot, accepts, &mut holds).unwrap().payload.offset
    };
    assert_eq!(pick(SlotId::A, Some(&base), all), 3300);
    assert_eq!(pick(SlotId::A, Some(&[0; 32]), all), 3400);
    assert_eq!(pick(SlotId::A, Some(&[1; 32]), all), 3200);
    assert_eq!(pick(SlotId::A, None, all), 3200);
    assert_eq!(pick(SlotId::A, Some(&base), no_delta), 3200);
    assert_eq!(pick(SlotId::A, Some(&base), Accepts::RAW), 3000);
    assert_eq!(pick(SlotId::B, Some(&base), all), 3200);
    assert_eq!(pick(SlotId::B, Some(&base), Accepts::RAW), 3100);
    // A delta that makes too large an image is none; nobody asks for its base.
    let mut never = |_: &[u8; 32]| panic!("no delta can be taken");
    assert_eq!(pick(SlotId::A, Some(&base), Accepts { delta: 100, compressed: 99, ..all }), 3300);
    let small = Accepts { delta: 99, compressed: 100, ..all };
    assert_eq!(manifest.select("", SlotId::A, small, &mut never).unwrap().payload.offset, 3200);
    let smaller = Accepts { delta: 99, compressed: 99, ..all };
    assert_eq!(manifest.select("", SlotId::A, smaller, &mut never).unwrap().payload.offset, 3000);
    assert_eq!(pick(SlotId::A, Some(&base), Accepts { simple_first: true, ..all }), 3000);
    let selected = manifest.select("", SlotId::A, Accepts::RAW, &mut never).unwrap();
    assert_eq!((selected.security_counter, selected.version.major), (9, 1));
    let missing = manifest.select("radio", SlotId::A, all, &mut never);
    assert_eq!(missing, Err(PackageError::NoSuchComponent));
}

#[test]
fn a_package_without_a_usable_payload_says_so() {
    let payload = Payload { encoding: Encoding::Delta { base: [1; 32] }, ..raw(1024, 100) };
    let bytes = believable(&ManifestDraft::of(vec![(String::new(), 9, vec![payload])]).build());
    let rules = Rules { keys: &Believer, identity: IDENTITY, floor: 0 };
    let manifest = Envelope::open(&bytes, &rules).unwrap();
    let verdict = manifest.select("", SlotId::A, Accepts::ALL, &mut |base| *base == [2; 32]);
    assert_eq!(verdict, Err(PackageError::NoUsablePayload));
}

#[test]
fn a_tool_can_look_at_what_a_device_refuses() {
    let mut draft = ManifestDraft::default();
    draft.head.vendor = Uuid([5; 16]);
    draft.components[0].1 = 0;
    let bytes = believable(&draft.build());
    let envelope = Envelope::split(&bytes).unwrap();
    let signature = envelope.signatures().next().unwrap();
    assert_eq!(signature.algorithm, Algorithm::Ed25519 as u8);
    assert_eq!(envelope.signatures().count(), 1);
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).unwrap();
    assert_eq!(manifest.head().vendor, Uuid([5; 16]));
    let other = Identity { vendor: Uuid([5; 16]), ..IDENTITY };
    assert!(Envelope::open(&bytes, &Rules { keys: &Believer, identity: other, floor: 0 }).is_ok());
}
