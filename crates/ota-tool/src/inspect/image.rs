//! An image, or the dump of a slot that holds one.

use super::Found;
use crate::files;
use crate::image::{explain, explain_in, tlv_name, verify};
use crate::keys::{self, KeyRing};
use ota_verify::image::{Area, Facts};
use ota_verify::{Identity, ImageInfo};
use serde_json::{Map, Value, json};

/// Shows header, TLVs, digest and signature.
pub(super) fn inspect(bytes: &[u8], ring: &KeyRing) -> Found {
    let mut medium = bytes;
    let info = match ImageInfo::read(&mut medium) {
        Ok(info) => info,
        Err(e) => return Found::broken(header_only(bytes), explain_in(bytes, &e)),
    };
    let mut problems = Vec::new();
    let mut value = header(&info);
    if let Err(e) = info.header().check_flags() {
        problems.push(e.text().to_owned());
    }
    value["tlvs"] = tlvs(bytes, &info);
    let signed = bytes.get(..info.signed_len() as usize).unwrap_or(bytes);
    let digest = files::sha256(signed);
    value["digest"] = json!(files::hex(&digest));
    match info.facts(&mut medium) {
        Ok(facts) => {
            if facts.digest.is_some_and(|claimed| claimed != digest) {
                problems.push("digest mismatch: the image is damaged".to_owned());
            }
            say(&mut value, &facts);
            judge(&mut value, bytes, &facts, ring, &mut problems);
        }
        Err(e) => problems.push(explain(&e)),
    }
    rest(&mut value, bytes, &info);
    Found { value, problems }
}

/// As much of a header as can be read when the geometry is broken.
fn header_only(bytes: &[u8]) -> Value {
    let decoded = bytes.first_chunk().and_then(|raw| ota_verify::image::Header::decode(raw).ok());
    match decoded {
        Some(h) => json!({
            "kind": "image, broken",
            "version": super::version_json(h.version),
            "header_bytes": h.hdr_size,
            "payload_bytes": h.img_size,
            "protected_tlv_bytes": h.protect_tlv_size,
        }),
        None => json!({ "kind": "image, broken" }),
    }
}

fn header(info: &ImageInfo) -> Value {
    let h = info.header();
    json!({
        "kind": "image",
        "version": super::version_json(h.version),
        "header_bytes": h.hdr_size,
        "payload_bytes": h.img_size,
        "image_bytes": info.file_len(),
        "flags": format!("0x{:x}", h.flags),
        "rom_address": h.rom_address().map(|a| format!("0x{a:08x}")),
    })
}

fn tlvs(bytes: &[u8], info: &ImageInfo) -> Value {
    let mut medium = bytes;
    let mut walk = info.tlvs();
    let mut list = Vec::new();
    loop {
        match walk.next(&mut medium) {
            Ok(Some(tlv)) => list.push(json!({
                "type": format!("0x{:02x}", tlv.kind),
                "name": tlv_name(tlv.kind),
                "area": if tlv.area == Area::Protected { "protected" } else { "unprotected" },
                "offset": tlv.offset,
                "bytes": tlv.len,
            })),
            Ok(None) => break,
            // The collecting pass meets the same rule, or an earlier one, and reports it.
            Err(_) => break,
        }
    }
    json!(list)
}

fn say(value: &mut Value, facts: &Facts) {
    value["security_counter"] = json!(facts.security_counter);
    value["vendor"] = json!(facts.vendor.map(|u| u.to_string()));
    value["class"] = json!(facts.class.map(|u| u.to_string()));
    value["algorithm"] = json!(facts.signature.map(|s| keys::name(s.algorithm)));
    value["key_id"] = json!(facts.key_id.map(|id| files::hex(&id.0)));
}

/// What a device would say, when keys are given.
fn judge(value: &mut Value, bytes: &[u8], facts: &Facts, ring: &KeyRing, problems: &mut Vec<String>) {
    let missing: Vec<&str> = [
        (facts.digest.is_none(), "digest"),
        (facts.key_id.is_none(), "key id"),
        (facts.signature.is_none(), "signature"),
        (facts.security_counter.is_none(), "security counter"),
        (facts.vendor.is_none(), "vendor id"),
        (facts.class.is_none(), "class id"),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect();
    if !missing.is_empty() && problems.is_empty() {
        problems.push(format!("lacks what our devices require: {}", missing.join(", ")));
    }
    if ring.is_empty() {
        value["signature"] = json!("not checked (give --key)");
        return;
    }
    let (Some(vendor), Some(class)) = (facts.vendor, facts.class) else {
        value["signature"] = json!("not checked (no vendor or class id)");
        return;
    };
    match verify(bytes, ring, Identity { vendor, class }, 0) {
        Ok(_) => value["signature"] = json!("good"),
        Err(e) => {
            let text = format!("{e:#}");
            value["signature"] = json!(text);
            if !problems.contains(&text) {
                problems.push(text);
            }
        }
    }
}

/// Bytes after the image: the dump of a slot.
fn rest(value: &mut Value, bytes: &[u8], info: &ImageInfo) {
    let rest = bytes.get(info.file_len() as usize..).unwrap_or_default();
    if rest.is_empty() {
        return;
    }
    let used = rest.iter().rposition(|b| *b != 0xFF).map_or(0, |last| last + 1);
    let mut slot = Map::new();
    slot.insert("bytes_after_image".to_owned(), json!(rest.len()));
    slot.insert("of_them_not_erased".to_owned(), json!(used));
    value["kind"] = json!("slot with an image");
    value["slot"] = Value::Object(slot);
}
