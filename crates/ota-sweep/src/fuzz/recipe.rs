//! Manifests made from a few bytes, whose readers' rules are judged a second time, without the reader.

use super::package::put;
use ota_verify::manifest::{ComponentHead, Encoding, ForSlot, Head, Payload};
use ota_verify::{Uuid, Version};

const NAMES: [&str; 4] = ["", "radio", "a name of thirty-two characters!", "one of thirty-three, one too many"];

/// A component: its name, and its payloads.
type Part = (&'static str, Vec<Payload>);

/// The manifest, and whether it keeps all rules. Four bytes a payload: what it is, where, how long, of which image.
pub(super) fn cooked(recipe: &[u8]) -> (Vec<u8>, bool) {
    let mut parts: Vec<Part> = Vec::new();
    for [what, place, len, image] in recipe.as_chunks().0.iter().take(8) {
        if what >> 7 == 1 || parts.is_empty() {
            parts.push((NAMES[usize::from(what >> 5) % NAMES.len()], Vec::new()));
        }
        if let Some((_, payloads)) = parts.last_mut() {
            // The highest bit of an image's byte: no payload at all.
            payloads.extend((image >> 7 == 0).then(|| payload(*what, *place, *len, *image)));
        }
    }
    (written(&parts), is_good(&parts))
}

fn payload(what: u8, place: u8, len: u8, image: u8) -> Payload {
    let length = u32::from(len) * 8;
    Payload {
        slot: [ForSlot::Any, ForSlot::A, ForSlot::B][usize::from(what >> 2 & 7) % 3],
        encoding: [Encoding::Raw, Encoding::Compressed, Encoding::Delta { base: [5; 32] }][usize::from(what & 3) % 3],
        image_size: if image & 1 == 1 { 0 } else { length + u32::from(image >> 1 & 1) },
        image_digest: [image >> 2 & 1; 32],
        offset: if place == 0xFF { u32::MAX - 1000 } else { u32::from(place) * 16 },
        length,
        digest: [0; 32],
    }
}

fn written(parts: &[Part]) -> Vec<u8> {
    let version = Version { major: 1, minor: 0, revision: 300, build: 0 };
    let mut bytes = Vec::new();
    let (vendor, class) = (Uuid([0x11; 16]), Uuid([0x22; 16]));
    put(&mut bytes, &Head { schema: 1, sequence: 1, vendor, class, components: parts.len() as u8 });
    for (name, payloads) in parts {
        put(&mut bytes, &ComponentHead { name, version, security_counter: 1, payloads: payloads.len() as u8 });
        payloads.iter().for_each(|payload| put(&mut bytes, payload));
    }
    bytes
}

/// The rules, as docs/formats.md has them.
fn is_good(parts: &[Part]) -> bool {
    let all: Vec<&Payload> = parts.iter().flat_map(|(_, payloads)| payloads).collect();
    let range = |payload: &Payload| u64::from(payload.offset)..u64::from(payload.offset) + u64::from(payload.length);
    let own = |payload: &&Payload| {
        let raw = payload.length == payload.image_size && payload.digest == payload.image_digest;
        let reachable = range(payload).end <= u64::from(u32::MAX);
        payload.length > 0 && payload.image_size > 0 && reachable && (raw || payload.encoding != Encoding::Raw)
    };
    let meets = |a: &Payload, b: &Payload| range(a).start.max(range(b).start) < range(a).end.min(range(b).end);
    let apart = all.iter().enumerate().all(|(n, a)| all.iter().skip(n + 1).all(|b| !meets(a, b)));
    let mut names: Vec<_> = parts.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let named = names.len() == parts.len() && names.iter().all(|name| name.len() <= 32);
    !parts.is_empty() && named && apart && all.iter().all(own) && parts.iter().all(|(_, payloads)| !payloads.is_empty())
}

/// Good ones: one payload, several, side by side and in any order, of two components.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 0x80, 10, 20, 0],
        vec![0, 0x80, 100, 40, 0, 0x02, 80, 40, 2, 0x01, 120, 9, 4],
        vec![0, 0xA0, 60, 20, 0, 0xC4, 40, 40, 0, 0x09, 20, 40, 6],
        vec![0, 0x80, 20, 8, 0, 0xA2, 10, 8, 0, 0x06, 24, 8, 0],
    ]
}
