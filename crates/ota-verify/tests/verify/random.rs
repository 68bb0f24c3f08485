//! Random and mutated input: every reader answers, none panics, and nothing unsigned passes.

use crate::build::{Believer, Image, ManifestDraft, believable, raw};
use crate::vectors::{IDENTITY, p256_blob, rules, vector};
use ota_hal::SlotId;
use ota_verify::manifest::Accepts;
use ota_verify::{Blob, Envelope, ImageInfo, Manifest, PublicKey, Uuid, verify_image};
use proptest::collection::vec;
use proptest::prelude::*;

/// Cheap edits that reach deep: overwrite a few bytes, cut, or append.
#[derive(Debug, Clone)]
enum Edit {
    Set(prop::sample::Index, u8),
    SetWord(prop::sample::Index, u16),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
    Remove(prop::sample::Index),
    Insert(prop::sample::Index, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    let words = prop_oneof![Just(0u16), Just(3), Just(4), Just(0x6907), Just(0x6908), Just(u16::MAX), any::<u16>()];
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(i, b)| Edit::Set(i, b)),
        4 => (at(), words).prop_map(|(i, w)| Edit::SetWord(i, w)),
        1 => at().prop_map(Edit::Cut),
        1 => vec(any::<u8>(), 0..20).prop_map(Edit::Append),
        1 => at().prop_map(Edit::Remove),
        1 => (at(), any::<u8>()).prop_map(|(i, b)| Edit::Insert(i, b)),
    ]
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let len = bytes.len();
        match edit {
            Edit::Append(more) => bytes.extend(more),
            _ if len < 2 => {}
            Edit::Set(i, b) => bytes[i.index(len)] = *b,
            Edit::SetWord(i, w) => {
                let at = i.index(len - 1);
                bytes[at..at + 2].copy_from_slice(&w.to_le_bytes());
            }
            Edit::Cut(i) => bytes.truncate(i.index(len)),
            Edit::Remove(i) => drop(bytes.remove(i.index(len))),
            Edit::Insert(i, b) => bytes.insert(i.index(len), *b),
        }
    }
    bytes
}

/// Uses everything an accepted image offers.
fn walk_image(bytes: &[u8]) {
    let mut medium = bytes;
    if let Ok(info) = ImageInfo::read(&mut medium) {
        assert!(info.file_len() as usize <= bytes.len());
        assert!(info.payload_offset() + info.payload_len() <= info.signed_len());
        let mut tlvs = info.tlvs();
        let mut steps = 0;
        while let Ok(Some(tlv)) = tlvs.next(&mut medium) {
            assert!(tlv.offset + u32::from(tlv.len) <= info.file_len());
            steps += 1;
            assert!(steps <= 0x8000, "the walk does not end");
        }
        let _ = info.facts(&mut medium);
    }
    let _ = verify_image(&mut medium, SlotId::A, &rules(&Believer));
}

fn walk_manifest(manifest: &Manifest<'_>) {
    let components = manifest.components().count();
    assert_eq!(components, usize::from(manifest.head().components), "validated, but not all of it can be read");
    for component in manifest.components() {
        assert_eq!(component.payloads().count(), usize::from(component.head.payloads));
        let _ = manifest.select(component.head.name, SlotId::B, Accepts::ALL, &mut |base| *base == [0; 32]);
    }
    assert!(manifest.package_len() > 0);
}

fn two_components() -> ManifestDraft {
    let firmware = (String::new(), 9, vec![raw(1024, 100), raw(2000, 7)]);
    ManifestDraft::of(vec![firmware, ("radio".to_owned(), 1, vec![raw(5000, 10)])])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        walk_image(&bytes);
        let _ = Envelope::open(&bytes, &rules(&Believer));
        let _ = Manifest::inspect(&bytes, 0).map(|m| walk_manifest(&m));
        let _ = PublicKey::from_blob(&bytes);
        let _ = Blob::parse(&bytes);
    }

    #[test]
    fn random_tlv_areas_never_panic(area in vec(any::<u8>(), 0..300), magic in prop_oneof![Just(0x6907u16), Just(0x6908)]) {
        let mut bytes = Image { protected: vec![], ..Image::default() }.signed_part();
        bytes.extend(magic.to_le_bytes());
        bytes.extend((area.len() as u16 + 4).to_le_bytes());
        bytes.extend(area);
        walk_image(&bytes);
    }

    #[test]
    fn edited_images_never_panic(edits in vec(edit(), 1..6)) {
        walk_image(&edited(Image::default().build(), &edits));
    }

    #[test]
    fn edited_images_of_imgtool_pass_only_if_unchanged(edits in vec(edit(), 1..4)) {
        let good = vector!("images/p256.bin");
        let bytes = edited(good.to_vec(), &edits);
        let blob = p256_blob();
        let key = PublicKey::from_blob(&blob).unwrap();
        let outcome = verify_image(&mut &bytes[..], SlotId::A, &rules(&key));
        // What was appended lies behind the image, like the rest of a slot.
        prop_assert_eq!(outcome.is_ok(), bytes.starts_with(good));
    }

    #[test]
    fn edited_manifests_never_panic(edits in vec(edit(), 1..6)) {
        let bytes = edited(two_components().build(), &edits);
        let _ = Manifest::inspect(&bytes, 0).map(|m| walk_manifest(&m));
        let _ = Envelope::open(&believable(&bytes), &rules(&Believer)).map(|m| walk_manifest(&m));
    }

    #[test]
    fn edited_packages_never_panic(edits in vec(edit(), 1..6)) {
        let bytes = edited(believable(&two_components().build()), &edits);
        if let Ok(envelope) = Envelope::split(&bytes) {
            prop_assert!(envelope.end() as usize <= bytes.len());
            prop_assert!(envelope.signatures().all(|s| s.bytes.len() <= bytes.len()));
        }
        let _ = Envelope::open(&bytes, &rules(&Believer)).map(|m| walk_manifest(&m));
    }

    #[test]
    fn edited_blobs_never_panic_and_never_pass(edits in vec(edit(), 1..4)) {
        let good = p256_blob();
        let bytes = edited(good.clone(), &edits);
        prop_assert_eq!(PublicKey::from_blob(&bytes).is_ok(), bytes == good);
    }

    #[test]
    fn uuid_text_round_trips(bytes in any::<[u8; 16]>()) {
        let text = Uuid(bytes).to_string();
        prop_assert_eq!(Uuid::parse(&text), Some(Uuid(bytes)));
        prop_assert_eq!(Uuid::parse(&text.replace('-', "").to_uppercase()), Some(Uuid(bytes)));
    }

    #[test]
    fn uuid_parsing_never_panics(text in "[0-9a-fA-F-]{0,40}") {
        if let Some(uuid) = Uuid::parse(&text) {
            prop_assert_eq!(uuid.to_string().replace('-', ""), text.replace('-', "").to_lowercase());
        }
    }
}

#[test]
fn odd_uuid_texts_are_refused() {
    let good = IDENTITY.vendor.to_string();
    for bad in [&good[1..], &format!("{good}0"), &format!("-{good}"), &good.replacen('-', "--", 1), "", "-"] {
        assert_eq!(Uuid::parse(bad), None, "{bad}");
    }
}
