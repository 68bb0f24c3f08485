//! Manifest and package.

use super::recipe;
use super::signed::{Believer, Ideal, images, rules};
use crate::build::{Draft, enveloped, sha256, vendor};
use ota_hal::SlotId;
use ota_verify::manifest::{Accepts, ComponentHead, Encoding, ForSlot, Head, Payload};
use ota_verify::package::signed_digest;
use ota_verify::{Envelope, Manifest, Object, Uuid, Version};
use serde::Serialize;
use std::sync::OnceLock;

/// Any bytes as a manifest, or as a recipe for one: what is read says the same after it was written again.
pub(super) fn manifest(data: &[u8]) {
    if let [0, recipe @ ..] = data {
        let (bytes, is_good) = recipe::cooked(recipe);
        assert_eq!(Manifest::inspect(&bytes, 0).is_ok(), is_good, "a good manifest is refused, or a bad one accepted");
        return same(&bytes);
    }
    same(data);
}

fn same(data: &[u8]) {
    let Ok(manifest) = Manifest::inspect(data, 0) else { return };
    walk(&manifest);
    let written = encoded(&manifest);
    let again = Manifest::inspect(&written, 0).expect("what was written can be read");
    assert_eq!(again.head(), manifest.head());
    assert_eq!(encoded(&again), written, "the manifest changed on its way");
    assert_eq!(again.package_len(), manifest.package_len());
}

/// Any bytes as a package.
pub(super) fn package(data: &[u8]) {
    if let Some(first) = data.first_chunk() {
        let _ = Object::sniff(first);
    }
    if let Some(head) = data.first_chunk() {
        let _ = Envelope::len_needed(head);
    }
    if let Ok(envelope) = Envelope::split(data) {
        assert!(envelope.end() as usize <= data.len());
        assert!(envelope.signatures().all(|signature| signature.bytes.len() <= data.len()));
    }
    if let Ok(manifest) = Envelope::open(data, &rules(&Believer, 0)) {
        walk(&manifest);
    }
    if Envelope::open(data, &rules(&Ideal(signed()), 0)).is_ok() {
        let bytes = Envelope::split(data).expect("it was opened").manifest_bytes();
        assert!(manifests().iter().any(|good| good == bytes), "opened, but nobody signed it");
    }
}

/// What is accepted can be read, and keeps the rules that its readers rely on.
fn walk(manifest: &Manifest<'_>) {
    assert_eq!(manifest.components().count(), usize::from(manifest.head().components), "not all of it can be read");
    for component in manifest.components() {
        assert_eq!(component.payloads().count(), usize::from(component.head.payloads));
        assert!(component.payloads().all(|payload| payload.end() <= manifest.package_len()));
        for slot in [SlotId::A, SlotId::B] {
            let _ = manifest.select(component.head.name, slot, Accepts::ALL, &mut |base| *base == [0; 32]);
        }
        assert_eq!(manifest.component(component.head.name), Some(component), "two components of one name");
    }
    let all: Vec<Payload> = manifest.components().flat_map(|component| component.payloads()).collect();
    for (n, payload) in all.iter().enumerate() {
        assert!(payload.offset.checked_add(payload.length).is_some_and(|end| end > payload.offset));
        let apart = |other: &Payload| payload.offset >= other.end() || other.offset >= payload.end();
        assert!(all[..n].iter().all(apart), "two payloads overlap");
        let whole = (payload.length, payload.digest) == (payload.image_size, payload.image_digest);
        assert!(whole || payload.encoding != Encoding::Raw, "a raw payload is another image");
    }
}

pub(super) fn put(bytes: &mut Vec<u8>, value: &impl Serialize) {
    bytes.extend(&*postcard::to_slice(value, &mut [0; 512]).expect("no entry is longer"));
}

fn encoded(manifest: &Manifest<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, manifest.head());
    for component in manifest.components() {
        put(&mut bytes, &component.head);
        component.payloads().for_each(|payload| put(&mut bytes, &payload));
    }
    bytes
}

/// A manifest of two components, the second with a delta and a payload for one slot.
fn two_components() -> Vec<u8> {
    let (vendor, class) = (Uuid([0x11; 16]), Uuid([0x22; 16]));
    let version = Version { major: 2, minor: 3, revision: 400, build: 70_000 };
    let payload = |slot, encoding, offset| Payload {
        slot,
        encoding,
        image_size: 600,
        image_digest: [7; 32],
        offset,
        length: 600,
        digest: if encoding == Encoding::Raw { [7; 32] } else { [9; 32] },
    };
    let mut bytes = Vec::new();
    put(&mut bytes, &Head { schema: 1, sequence: 77, vendor, class, components: 2 });
    put(&mut bytes, &ComponentHead { name: "", version, security_counter: 3, payloads: 2 });
    put(&mut bytes, &payload(ForSlot::Any, Encoding::Raw, 1000));
    put(&mut bytes, &payload(ForSlot::Any, Encoding::Delta { base: [5; 32] }, 2000));
    put(&mut bytes, &ComponentHead { name: "radio", version, security_counter: 9, payloads: 1 });
    put(&mut bytes, &payload(ForSlot::Any, Encoding::Raw, 3000));
    bytes
}

fn manifests() -> &'static [Vec<u8>] {
    static MANIFESTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MANIFESTS.get_or_init(|| {
        let package = Draft::new(2).package_of(&images()[1]);
        let own = Envelope::split(&package).expect("a good package").manifest_bytes().to_vec();
        vec![own, two_components()]
    })
}

fn signed() -> &'static [[u8; 32]] {
    static DIGESTS: OnceLock<Vec<[u8; 32]>> = OnceLock::new();
    DIGESTS.get_or_init(|| manifests().iter().map(|manifest| signed_digest(manifest)).collect())
}

pub(super) fn manifest_seeds() -> Vec<Vec<u8>> {
    manifests().iter().cloned().chain(recipe::seeds()).collect()
}

pub(super) fn package_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = manifests().iter().map(|manifest| enveloped(manifest, vendor())).collect();
    seeds.push(enveloped(&sha256(b"no manifest"), vendor()));
    seeds
}
