//! Entity tags of CoAP as validators, told from those of other links.
//!
//! ```text
//!  0xFF │ entity tag, 1 to 8 bytes
//! ```
//! The first byte begins no entity tag and no date of HTTP, and HTTP sends no validator of unknown form. So an update may
//! go on over the other link: what is fetched there is proven by size and digest alone, and no tag is compared with one
//! that another server made.

use crate::Validator;
use ota_coap::ETag;

const MARK: u8 = 0xFF;

/// The validator that stands for a tag; empty for none.
pub(super) fn of(tag: ETag) -> Validator {
    let mut validator = Validator::new();
    if tag != ETag::NONE {
        // Nine bytes of 64.
        let _ = validator.push(MARK);
        let _ = validator.extend_from_slice(tag.as_bytes());
    }
    validator
}

/// The tag that a validator stands for; `None` when it is empty or another link's.
pub(super) fn tag(validator: &[u8]) -> Option<ETag> {
    match validator {
        [MARK, bytes @ ..] => Some(ETag::new(bytes)).filter(|tag| *tag != ETag::NONE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_and_others_are_none() {
        for bytes in [&b"1"[..], b"\0", b"12345678", b"\xFF"] {
            assert_eq!(tag(&of(ETag::new(bytes))), Some(ETag::new(bytes)));
        }
        assert!(of(ETag::NONE).is_empty());
        for other in
            [&b""[..], b"\xFF", b"\xFF123456789", b"\"v1\"", b"W/\"1\"", b"Sun, 06 Nov 1994 08:49:37 GMT", b"v1"]
        {
            assert_eq!(tag(other), None, "{other:?}");
        }
    }
}
