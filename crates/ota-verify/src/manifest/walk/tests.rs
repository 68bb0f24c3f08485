//! What this reader takes is what postcard takes, byte for byte.

extern crate std;

use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use std::vec::Vec;

/// By postcard: the item and how many bytes it has.
fn by_postcard<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, usize)> {
    postcard::take_from_bytes(bytes).ok().map(|(item, rest)| (item, bytes.len() - rest.len()))
}

/// By this reader.
fn by_walk<'a, T>(bytes: &'a [u8], read: impl FnOnce(&mut Walk<'a>) -> Option<T>) -> Option<(T, usize)> {
    let mut walk = Walk::new(bytes, 1);
    walk.payloads = 1;
    let item = read(&mut walk)?;
    Some((item, bytes.len() - walk.rest.len()))
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(by_walk(bytes, |walk| walk.head().ok()), by_postcard::<Head>(bytes));
    let payload = by_walk(bytes, |walk| walk.payload().ok().flatten().map(|taken| taken.payload()));
    prop_assert_eq!(payload, by_postcard::<Payload>(bytes));
    // The length of a name is read as on a device, in 32 bits; a longer varint is refused on every machine.
    let wide = bytes.iter().take_while(|byte| **byte >= 0x80).count() >= 5
        || (bytes.iter().take(4).all(|byte| *byte >= 0x80) && bytes.get(4).is_some_and(|byte| *byte > 0x0F));
    if !wide {
        prop_assert_eq!(by_walk(bytes, Walk::component_head), by_postcard::<ComponentHead<'_>>(bytes));
    }
    Ok(())
}

fn bytes_of<T: serde::Serialize>(item: &T) -> Vec<u8> {
    let mut buf = [0; 256];
    postcard::to_slice(item, &mut buf).unwrap().to_vec()
}

prop_compose! {
    fn payload()(slot in 0..3u8, encoding in 0..3u8, base: [u8; 32], image_size: u32, image_digest: [u8; 32],
                 offset: u32, length: u32, digest: [u8; 32]) -> Payload {
        let slot = [ForSlot::Any, ForSlot::A, ForSlot::B][usize::from(slot)];
        let encoding = [Encoding::Raw, Encoding::Compressed, Encoding::Delta { base }][usize::from(encoding)];
        Payload { slot, encoding, image_size, image_digest, offset, length, digest }
    }
}

prop_compose! {
    fn numbers()(major: u8, minor: u8, revision: u16, build: u32, security_counter: u32, payloads: u8)
        -> (Version, u32, u8) {
        (Version { major, minor, revision, build }, security_counter, payloads)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reads_what_postcard_wrote(payload in payload(), name in ".{0,12}", numbers in numbers(), ids: ([u8; 16], [u8; 16])) {
        let (version, security_counter, payloads) = numbers;
        let head = Head {
            schema: 1, sequence: security_counter, vendor: Uuid(ids.0), class: Uuid(ids.1), components: payloads
        };
        let component = ComponentHead { name: &name, version, security_counter, payloads };
        for bytes in [bytes_of(&payload), bytes_of(&head), bytes_of(&component)] {
            agree(&bytes)?;
            agree(bytes.get(..bytes.len() - 1).unwrap_or_default())?;
        }
    }

    #[test]
    fn takes_and_refuses_what_postcard_does(
        payload in payload(),
        mut bytes in proptest::collection::vec(prop_oneof![0..4u8, any::<u8>(), 0x80..=0xFFu8], 0..160),
        changes in proptest::collection::vec((0..140usize, prop_oneof![0..4u8, any::<u8>(), 0x80..=0xFFu8]), 0..6),
    ) {
        agree(&bytes)?;
        bytes = bytes_of(&payload);
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) { *place = byte }
        }
        agree(&bytes)?;
    }

    #[test]
    fn varints_are_those_of_postcard(bytes in proptest::collection::vec(prop_oneof![0..4u8, any::<u8>(), 0x80..=0xFFu8], 0..7)) {
        prop_assert_eq!(by_walk(&bytes, |walk| walk.varint(32)), by_postcard::<u32>(&bytes));
        prop_assert_eq!(by_walk(&bytes, |walk| walk.varint(16)), by_postcard::<u16>(&bytes).map(|(n, len)| (n.into(), len)));
    }
}
