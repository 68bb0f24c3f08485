//! Writers for blobs, images and packages, good and bad. Written against the format text, not against the readers.

use crate::vectors::IDENTITY;
use ota_verify::manifest::{ComponentHead, Encoding, ForSlot, Head, Payload};
use ota_verify::{Algorithm, KeyId, Keys, SignatureError, Version, blob::crc32, digest_region};
use serde::Serialize;

/// Accepts every signature, so that a test reaches the rule it is about. Only here, never in the crate.
pub(crate) struct Believer;
impl Keys for Believer {
    fn verify(&self, _: &KeyId, _: Algorithm, _: &[u8; 32], _: &[u8]) -> Result<(), SignatureError> {
        Ok(())
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest_region(&mut &*bytes, bytes.len() as u32).unwrap()
}

pub(crate) fn blob(algorithm: Algorithm, id: KeyId, material: &[u8]) -> Vec<u8> {
    let mut bytes = b"OTAK\x01".to_vec();
    bytes.push(algorithm as u8);
    bytes.extend((material.len() as u16).to_le_bytes());
    bytes.extend(id.0);
    bytes.extend(material);
    bytes.extend(crc32(&bytes).to_le_bytes());
    bytes
}

/// An image, field by field. `Default` is one that [`Believer`] accepts.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) magic: u32,
    pub(crate) hdr_size: u16,
    pub(crate) protect_tlv_size: Option<u16>,
    pub(crate) img_size: Option<u32>,
    pub(crate) flags: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) protected: Vec<(u16, Vec<u8>)>,
    pub(crate) unprotected: Vec<(u16, Vec<u8>)>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            magic: 0x96F3_B83D,
            hdr_size: 32,
            protect_tlv_size: None,
            img_size: None,
            flags: 0,
            payload: b"payload".to_vec(),
            protected: vec![
                (0x50, 9u32.to_le_bytes().to_vec()),
                (0x74, IDENTITY.vendor.0.to_vec()),
                (0x75, IDENTITY.class.0.to_vec()),
            ],
            // The digest is put in when the image is built.
            unprotected: vec![(0x10, vec![]), (0x01, vec![0; 32]), (0x24, vec![0; 64])],
        }
    }
}

fn area(magic: u16, entries: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let total: usize = entries.iter().map(|(_, value)| 4 + value.len()).sum();
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend((total as u16 + 4).to_le_bytes());
    for (kind, value) in entries {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    }
    bytes
}

impl Image {
    /// Header, payload and protected TLVs.
    pub(crate) fn signed_part(&self) -> Vec<u8> {
        let protected = if self.protected.is_empty() { vec![] } else { area(0x6908, &self.protected) };
        let mut bytes = self.magic.to_le_bytes().to_vec();
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(self.hdr_size.to_le_bytes());
        bytes.extend(self.protect_tlv_size.unwrap_or(protected.len() as u16).to_le_bytes());
        bytes.extend(self.img_size.unwrap_or(self.payload.len() as u32).to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend([1, 2, 3, 0, 4, 0, 0, 0]);
        bytes.resize(usize::from(self.hdr_size).max(32), 0);
        bytes.extend(&self.payload);
        bytes.extend(protected);
        bytes
    }

    /// The whole file; an empty SHA256 TLV gets the right digest.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bytes = self.signed_part();
        let mut entries = self.unprotected.clone();
        for (kind, value) in &mut entries {
            if *kind == 0x10 && value.is_empty() {
                *value = sha256(&bytes).to_vec();
            }
        }
        bytes.extend(area(0x6907, &entries));
        bytes
    }
}

/// A manifest to be written: components with their payloads. `Default` is valid behind an envelope of up to 1 KiB.
#[derive(Clone)]
pub(crate) struct ManifestDraft {
    pub(crate) head: Head,
    pub(crate) components: Vec<(String, u32, Vec<Payload>)>,
    /// Written instead of the true number of payloads.
    pub(crate) payload_count: Option<u8>,
    pub(crate) trailing: Vec<u8>,
}

pub(crate) fn raw(offset: u32, length: u32) -> Payload {
    Payload {
        slot: ForSlot::Any,
        encoding: Encoding::Raw,
        image_size: length,
        image_digest: [0xAA; 32],
        offset,
        length,
        digest: [0xAA; 32],
    }
}

impl Default for ManifestDraft {
    fn default() -> Self {
        let head = Head { schema: 1, sequence: 3, vendor: IDENTITY.vendor, class: IDENTITY.class, components: 1 };
        let components = vec![(String::new(), 9, vec![raw(1024, 100)])];
        Self { head, components, payload_count: None, trailing: vec![] }
    }
}

fn put(bytes: &mut Vec<u8>, item: &impl Serialize) {
    let mut buf = [0; 256];
    bytes.extend(&*postcard::to_slice(item, &mut buf).unwrap());
}

impl ManifestDraft {
    /// With these components; the head counts them.
    pub(crate) fn of(components: Vec<(String, u32, Vec<Payload>)>) -> Self {
        let mut draft = Self::default();
        draft.head.components = components.len() as u8;
        draft.components = components;
        draft
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bytes = vec![];
        put(&mut bytes, &self.head);
        for (name, security_counter, payloads) in &self.components {
            let version = Version { major: 1, minor: 2, revision: 300, build: 70_000 };
            let payload_count = self.payload_count.unwrap_or(payloads.len() as u8);
            put(
                &mut bytes,
                &ComponentHead { name, version, security_counter: *security_counter, payloads: payload_count },
            );
            payloads.iter().for_each(|payload| put(&mut bytes, payload));
        }
        bytes.extend(&self.trailing);
        bytes
    }
}

/// Head and envelope around a manifest.
pub(crate) fn package(manifest: &[u8], signatures: &[(u8, KeyId, Vec<u8>)]) -> Vec<u8> {
    let mut envelope = (manifest.len() as u16).to_le_bytes().to_vec();
    envelope.extend(manifest);
    envelope.push(signatures.len() as u8);
    for (algorithm, id, bytes) in signatures {
        envelope.push(*algorithm);
        envelope.extend(id.0);
        envelope.extend((bytes.len() as u16).to_le_bytes());
        envelope.extend(bytes);
    }
    let mut package = b"OTA1".to_vec();
    package.extend((envelope.len() as u16).to_le_bytes());
    package.extend([0, 0]);
    package.extend(envelope);
    package
}

/// A package whose signature [`Believer`] accepts.
pub(crate) fn believable(manifest: &[u8]) -> Vec<u8> {
    package(manifest, &[(8, KeyId([0; 32]), vec![0; 64])])
}
