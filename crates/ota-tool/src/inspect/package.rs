//! A package.

use super::{Found, image};
use crate::delta;
use crate::files;
use crate::keys::{self, KeyRing};
use crate::package::{explain, payload_bytes};
use ota_diff::Header;
use ota_verify::manifest::{Encoding, FIRMWARE, ForSlot, Form, Payload};
use ota_verify::package::{Signature, signed_digest};
use ota_verify::{Algorithm, Envelope, Keys, Manifest};
use serde_json::{Value, json};

/// Shows envelope, manifest, payloads, and the images inside.
pub(super) fn inspect(bytes: &[u8], ring: &KeyRing) -> Found {
    let envelope = match Envelope::split(bytes) {
        Ok(envelope) => envelope,
        Err(e) => return Found::broken(json!({ "kind": "package, broken" }), explain(&e)),
    };
    let mut problems = Vec::new();
    let mut value = json!({
        "kind": "package",
        "envelope_bytes": envelope.end(),
        "manifest_bytes": envelope.manifest_bytes().len(),
    });
    value["signatures"] = signatures(&envelope, ring, &mut problems);
    match Manifest::inspect(envelope.manifest_bytes(), envelope.end()) {
        Ok(manifest) => {
            let head = manifest.head();
            value["schema"] = json!(head.schema);
            value["sequence"] = json!(head.sequence);
            value["vendor"] = json!(head.vendor.to_string());
            value["class"] = json!(head.class.to_string());
            value["components"] = components(bytes, &manifest, ring, &mut problems);
            let end = manifest.package_len() as usize;
            if bytes.len() > end {
                value["bytes_after_last_payload"] = json!(bytes.len() - end);
            }
        }
        Err(e) => problems.push(explain(&e)),
    }
    Found { value, problems }
}

fn signatures(envelope: &Envelope<'_>, ring: &KeyRing, problems: &mut Vec<String>) -> Value {
    let digest = signed_digest(envelope.manifest_bytes());
    let keys = ring.keys();
    let mut good = false;
    let mut list = Vec::new();
    for Signature { algorithm, key_id, bytes } in envelope.signatures() {
        let known = Algorithm::from_u8(algorithm);
        let verdict = match known {
            _ if ring.is_empty() => "not checked (give --key)",
            None => "unknown algorithm",
            Some(known) => match keys.as_slice().verify(&key_id, known, &digest, bytes) {
                Ok(()) => {
                    good = true;
                    "good"
                }
                Err(e) => e.text(),
            },
        };
        list.push(json!({
            "algorithm": known.map_or_else(|| format!("number {algorithm}"), |a| keys::name(a).to_owned()),
            "key_id": files::hex(&key_id.0),
            "bytes": bytes.len(),
            "verdict": verdict,
        }));
    }
    if list.is_empty() {
        problems.push("package: not signed".to_owned());
    } else if !ring.is_empty() && !good {
        problems.push("no signature by a given key is good".to_owned());
    }
    json!(list)
}

fn components(bytes: &[u8], manifest: &Manifest<'_>, ring: &KeyRing, problems: &mut Vec<String>) -> Value {
    let component = |c: ota_verify::manifest::Component<'_>, problems: &mut Vec<String>| {
        let firmware = c.head.name == FIRMWARE;
        let payloads: Vec<Value> = c.payloads().map(|p| payload(bytes, &p, firmware, ring, problems)).collect();
        json!({
            "name": if firmware { "(firmware)" } else { c.head.name },
            "version": super::version_json(c.head.version),
            "security_counter": c.head.security_counter,
            "payloads": payloads,
        })
    };
    json!(manifest.components().map(|c| component(c, problems)).collect::<Vec<_>>())
}

/// As results call it.
pub(crate) const fn slot_name(slot: ForSlot) -> &'static str {
    match slot {
        ForSlot::Any => "any",
        ForSlot::A => "A",
        ForSlot::B => "B",
    }
}

/// As results call it.
pub(crate) const fn form_name(form: Form) -> &'static str {
    match form {
        Form::Raw => "raw",
        Form::Compressed => "compressed",
        Form::Delta => "delta",
    }
}

fn payload(bytes: &[u8], p: &Payload, firmware: bool, ring: &KeyRing, problems: &mut Vec<String>) -> Value {
    let base = match p.encoding {
        Encoding::Delta { base } => Some(files::hex(&base)),
        _ => None,
    };
    let mut value = json!({
        "slot": slot_name(p.slot),
        "encoding": form_name(p.encoding.form()),
        "base": base,
        "offset": p.offset,
        "bytes": p.length,
        "image_bytes": p.image_size,
        "image_sha256": files::hex(&p.image_digest),
    });
    match payload_bytes(bytes, p) {
        Ok(inner) if firmware && p.encoding == Encoding::Raw => {
            let found = image::inspect(inner, ring);
            problems.extend(found.problems.iter().map(|text| format!("firmware at offset {}: {text}", p.offset)));
            value["image"] = found.value;
        }
        Ok(inner) if p.encoding != Encoding::Raw => match patch_problem(inner, p) {
            None => value["patch"] = json!(Header::parse(inner).ok().map(|header| delta::describe(&header))),
            Some(problem) => problems.push(format!("patch at offset {}: {problem}", p.offset)),
        },
        Ok(_) => {}
        Err(e) => problems.push(format!("{e:#}")),
    }
    value
}

/// What is wrong with the head of a patch, beside its manifest.
fn patch_problem(patch: &[u8], p: &Payload) -> Option<String> {
    let header = match Header::parse(patch) {
        Ok(header) => header,
        Err(e) => return Some(e.to_string()),
    };
    let base = match p.encoding {
        Encoding::Delta { base } => header.is_base(&base),
        _ => header.old_size() == 0,
    };
    let target = header.is_target(&p.image_digest) && header.new_size() == p.image_size;
    match (base, target, header.patch_len() == p.length) {
        (false, ..) => Some("it is for another base than the manifest says".to_owned()),
        (_, false, _) => Some("it makes another image than the manifest says".to_owned()),
        (_, _, false) => Some("it has another length than the manifest says".to_owned()),
        _ => None,
    }
}
