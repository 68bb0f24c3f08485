//! What the frames say. Requests of the device, and the answer of the other side after its status byte:
//!
//! | kind | request | answer, `81` to `84` |
//! |---|---|---|
//! | `01` events | number of the last event taken, 0 for none | number, type: `00` none, `01` offer: u32 size, SHA-256, u8 length and version, file name; `02` cancel |
//! | `02` report | `01` version, 0, text; `02` progress, percent; `03` failed, stage 1 to 4, text | |
//! | `03` open | file name | u32 size, 8 bytes that tell this content from any other |
//! | `04` read | those 8 bytes, u32 offset, u8 length | the bytes: as many |
//!
//! Status: 0 done, 1 no such file, 2 the content is not there any more, 3 not understood; bit 7: an event waits.
//! An event is repeated until its number was returned.

use ota_transport::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report};

/// Asks for events.
pub const EVENTS: u8 = 1;
/// Reports.
pub const REPORT: u8 = 2;
/// Opens a file.
pub const OPEN: u8 = 3;
/// Reads of a file.
pub const READ: u8 = 4;

/// Done.
pub const DONE: u8 = 0;
/// No such file.
pub const NO_FILE: u8 = 1;

/// What tells one content of a file from another.
pub type Tag = [u8; 8];

/// Number of an event, and what it is; `None` when there is none.
pub fn event(body: &[u8]) -> Option<(u8, Event<'_>)> {
    match body {
        [_, 0, ..] | [] | [_] => None,
        [number, 1, rest @ ..] => {
            let event = offer(rest).map_or(Event::Bad(OfferError::Malformed), Event::Offer);
            Some((*number, event))
        }
        [number, 2, ..] => Some((*number, Event::Cancel)),
        [number, ..] => Some((*number, Event::Bad(OfferError::Invalid("type")))),
    }
}

fn offer(bytes: &[u8]) -> Option<Offer<'_>> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<32>()?;
    let (len, rest) = rest.split_first()?;
    let (version, name) = rest.split_at_checked(usize::from(*len))?;
    let text = |bytes| core::str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
    Some(Offer {
        component: Component::default(),
        version: text(version)?,
        size: Some(u32::from_le_bytes(*size)),
        locator: Locator::Url(text(name)?),
        checksum: Some(Checksum::Sha256(*sum)),
        cloud_signature: &[],
        delta: false,
    })
}

/// The two parts of a report; `None` when this protocol has no words for it.
pub fn report<'r>(report: &Report<'r>) -> Option<([u8; 2], &'r str)> {
    Some(match *report {
        Report::Version { version, .. } => ([1, 0], version),
        Report::Progress { percent, .. } => ([2, percent], ""),
        Report::Failed { stage, text, .. } => ([3, stage_number(stage)], text),
        Report::Query { .. } | Report::Tag { .. } => return None,
    })
}

const fn stage_number(stage: FailStage) -> u8 {
    stage as u8
}

/// Size and tag of a file that was opened.
pub fn opened(body: &[u8]) -> Option<(u32, Tag)> {
    let (size, rest) = body.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*size), rest.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn offer_bytes() -> Vec<u8> {
        let mut bytes = std::vec![7, 1];
        bytes.extend(60_000_u32.to_le_bytes());
        bytes.extend([0xAB; 32]);
        bytes.extend(b"\x051.1.0app.ota");
        bytes
    }

    #[test]
    fn an_offer_is_read_and_none_of_its_beginnings_is_one() {
        let bytes = offer_bytes();
        let Some((7, Event::Offer(offer))) = event(&bytes) else { panic!("no offer") };
        assert_eq!((offer.version, offer.size, offer.locator), ("1.1.0", Some(60_000), Locator::Url("app.ota")));
        assert_eq!(offer.checksum, Some(Checksum::Sha256([0xAB; 32])));
        let name = bytes.len() - b"app.ota".len();
        for len in 0..=name {
            let cut = event(&bytes[..len]);
            assert!(matches!(cut, None | Some((7, Event::Bad(_)))), "{len}: {cut:?}");
        }
    }

    #[test]
    fn other_events() {
        assert_eq!(event(&[0, 0]), None);
        assert_eq!(event(&[3, 2]), Some((3, Event::Cancel)));
        assert!(matches!(event(&[3, 9]), Some((3, Event::Bad(_)))));
        let mut bytes = offer_bytes();
        bytes[39] = 0xFF;
        assert!(matches!(event(&bytes), Some((7, Event::Bad(_)))), "the version is no text");
    }

    #[test]
    fn reports_have_their_bytes() {
        let component = Component::default();
        let failed = Report::Failed { component, stage: FailStage::Verify, text: "why" };
        assert_eq!(report(&failed), Some(([3, 3], "why")));
        assert_eq!(report(&Report::Progress { component, percent: 40 }), Some(([2, 40], "")));
        assert_eq!(report(&Report::Version { component, version: "1.0.0" }), Some(([1, 0], "1.0.0")));
        assert_eq!(report(&Report::Query { component }), None);
    }

    #[test]
    fn an_opened_file_has_exactly_a_size_and_a_tag() {
        let body = [1, 2, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9];
        assert_eq!(opened(&body), Some((0x201, [9; 8])));
        assert_eq!(opened(&body[..11]), None);
        assert_eq!(opened(&[0; 13]), None);
    }
}
