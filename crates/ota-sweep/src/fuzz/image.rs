//! Image header, TLV areas, key blobs, and the verdict on an image.

use super::signed::{Believer, Ideal, begins_with_one, digests, images, rules};
use ota_hal::SlotId;
use ota_verify::{Blob, ImageInfo, PublicKey, verify_image};
use std::path::Path;

/// Any bytes as an image and as a key.
pub(super) fn body(data: &[u8]) {
    walk(data);
    if let Ok(proof) = verify_image(&mut &data[..], SlotId::A, &rules(&Believer, 0)) {
        assert!(proof.file_len() as usize <= data.len(), "longer than what was read");
        assert!(proof.payload_offset() + proof.payload_len() <= proof.file_len(), "payload behind the image");
    }
    let genuine = verify_image(&mut &data[..], SlotId::A, &rules(&Ideal(digests()), 0)).is_ok();
    assert!(!genuine || begins_with_one(data), "verified, but nobody signed it");
    let below = verify_image(&mut &data[..], SlotId::A, &rules(&Ideal(digests()), 4)).is_ok();
    assert!(!below, "verified below the floor");
    let _ = Blob::parse(data);
    let _ = PublicKey::from_blob(data);
}

/// Uses everything an accepted image offers.
fn walk(data: &[u8]) {
    let mut medium = data;
    let Ok(info) = ImageInfo::read(&mut medium) else { return };
    assert!(info.file_len() as usize <= data.len());
    assert!(info.payload_offset() + info.payload_len() <= info.signed_len());
    let mut tlvs = info.tlvs();
    let mut steps = 0;
    while let Ok(Some(tlv)) = tlvs.next(&mut medium) {
        assert!(tlv.offset + u32::from(tlv.len) <= info.file_len());
        steps += 1;
        assert!(steps <= data.len(), "the walk does not end");
    }
    let _ = info.facts(&mut medium);
}

/// Images of this crate, and those that imgtool made for the tests of `ota-verify`.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ota-verify/tests/vectors/images");
    let mut files: Vec<_> = folder.read_dir().expect("the vectors").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let vectors = files.iter().map(|file| std::fs::read(file).unwrap());
    images().iter().cloned().chain(vectors).chain([crate::build::vendor().pss_blob.clone()]).collect()
}
