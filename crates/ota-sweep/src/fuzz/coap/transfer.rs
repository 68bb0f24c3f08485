//! Transfers in blocks, and observations, fed with any messages.

use super::Bytes;
use ota_coap::{
    Block, Code, Download, ETag, Encoder, Kind, Message, Notice, Observation, Progress, Szx, Upload, option,
};
use ota_hal::Millis;
use ota_testkit::Rng;

const CODES: [Code; 8] = [
    Code::CONTENT,
    Code::CONTINUE,
    Code::CHANGED,
    Code::VALID,
    Code::BAD_REQUEST,
    Code::REQUEST_TOO_LARGE,
    Code::REQUEST_INCOMPLETE,
    Code::UNAVAILABLE,
];

/// Three bytes say what is transferred; then messages, raw ones or recipes of six bytes.
pub(super) fn body(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (Some(first), Some(low), Some(high)) = (bytes.next(), bytes.next(), bytes.next()) else { return };
    let at = u32::from(low) | u32::from(high) << (8 + first / 16);
    let szx = Szx::new(first % 7).expect("below 7");
    let (Ok(mut download), Ok(mut upload)) = (Download::new(at, szx, tag(first / 64)), Upload::new(at, szx)) else {
        return;
    };
    let (mut observation, mut rng) = (None, Rng::new(1));
    let mut now = Millis(5);
    while let Some(kind) = bytes.next() {
        let mut room = [0; 1_200];
        let datagram = if kind & 1 == 0 {
            let chunk = bytes.take(usize::from(kind / 2));
            [b"\x60\x45\0\x01", chunk].concat()
        } else {
            let len = recipe(&mut room, &download, bytes.take(6));
            room[..len].to_vec()
        };
        let Ok(message) = Message::decode(&datagram) else { continue };
        now = now.after(u32::from(kind) * 1_000);
        downloaded(&mut download, &message);
        uploaded(&mut upload, &message);
        observed(&mut observation, now, &message, &mut rng);
    }
}

fn tag(n: u8) -> ETag {
    ETag::new([&b"v1"[..], b"", b"12345678", b"v2"][usize::from(n % 4)])
}

/// What an honest server would say to the download's next request, but for what the bytes change.
fn recipe(room: &mut [u8], download: &Download, bytes: &[u8]) -> usize {
    let byte = |n: usize| bytes.get(n).copied().unwrap_or_default();
    let [code, etag, block, shift, size, len] = [0, 1, 2, 3, 4, 5].map(byte);
    let szx = if shift & 15 == 0 { download.szx() } else { Szx::new(shift % 7).expect("below 7") };
    let number = szx.number(download.at()).unwrap_or_default().wrapping_add(u32::from(block / 4)) & 0xF_FFFF;
    let mut message = Encoder::new(room, Kind::Acknowledgement, CODES[usize::from(code % 8)], 1, &[]);
    message.option(option::ETAG, tag(etag).as_bytes());
    if code & 0x10 != 0 {
        message.uint(option::OBSERVE, u32::from(etag));
    }
    if code & 0x20 != 0 {
        message.uint(option::MAX_AGE, u32::from(size) << 24);
    }
    if block & 2 == 0 {
        let value = Block { number, more: block & 1 == 1, szx }.encode();
        message.uint(option::BLOCK2, value).uint(option::BLOCK1, value);
    }
    if size != 0 {
        message.uint(option::SIZE2, u32::from(size) * 64);
    }
    let len = if len == 0 { szx.bytes() as usize } else { usize::from(len) * 4 };
    // A tag of no bytes is an option of impossible length.
    message.finish(&[0xA5; 1_024][..len.min(1_024)]).unwrap_or(0)
}

/// An error changes nothing; bytes come in order, from one object, and blocks do not grow.
fn downloaded(download: &mut Download, message: &Message<'_>) {
    let before = download.clone();
    match download.on_response(message) {
        Ok(piece) => {
            assert_eq!(piece.offset, before.at(), "bytes from elsewhere");
            assert!(message.payload.ends_with(piece.bytes), "other bytes");
            assert_eq!(download.at(), before.at() + piece.bytes.len() as u32, "bytes left out");
            assert!(download.szx() <= before.szx());
            assert!(before.total().is_none() || download.total() == before.total());
            assert!(before.etag() == ETag::NONE || download.etag() == before.etag());
            assert!(!piece.last || download.total().is_none_or(|total| total == download.at()), "an early end");
        }
        Err(error) => {
            assert_eq!(*download, before);
            assert!(!error.text().is_empty());
        }
    }
    // What is asked next can be asked: the number has room, and the block holds the byte.
    let mut room = [0; 64];
    let mut request = Encoder::new(&mut room, Kind::Confirmable, Code::GET, 1, &[]);
    download.write(&mut request);
    let len = request.finish(b"").expect("it fits");
    let request = Message::decode(&room[..len]).expect("a message");
    let block = Block::decode(request.option(option::BLOCK2).expect("a block")).expect("a size");
    assert!((block.offset()..=block.offset() + block.szx.bytes()).contains(&download.at()));
}

/// What is to be sent lies in the body; it goes on, or begins anew in smaller blocks.
fn uploaded(upload: &mut Upload, message: &Message<'_>) {
    let before = upload.clone();
    match upload.on_response(message) {
        Ok(Progress::More) => {
            assert!(upload.range().start > before.range().start || upload.szx() < before.szx(), "it stands");
        }
        Ok(Progress::Done) => assert!(upload.range().is_empty()),
        Err(_) => assert_eq!(*upload, before),
    }
    assert!(upload.range().len() <= upload.szx().bytes() as usize);
}

fn observed(observation: &mut Option<Observation>, now: Millis, message: &Message<'_>, rng: &mut Rng) {
    let Some(open) = observation else {
        *observation = Observation::begin(now, message, rng);
        return;
    };
    let before = open.clone();
    match open.on_notification(now, message, rng) {
        Notice::Fresh => assert!(open.next_deadline() > now),
        Notice::Stale => assert_eq!(*open, before),
        Notice::Ended => {
            assert!(message.code != Code::CONTENT || message.option(option::OBSERVE).is_none());
            *observation = None;
        }
    }
}

/// Three blocks and the end; a whole body in one; smaller blocks on the way; errors; raw options.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let block = [1, 0, 0, 1, 0, 0, 0];
    let end = [1, 0, 0, 0, 0, 0, 3];
    vec![
        [&[2, 0, 0][..], &block, &block, &block, &end].concat(),
        [&[6, 0, 0][..], &[1, 0x10, 0, 2, 0, 1, 16], &[1, 0x10, 1, 2, 0, 1, 16]].concat(),
        [&[0x46, 0, 4][..], &[1, 0, 0, 1, 4, 0, 0], &[1, 0, 0, 0, 0, 0, 5]].concat(),
        [&[3, 200, 1][..], &[1, 0x27, 0, 0, 0, 1, 1], &[1, 4, 0, 2, 0, 0, 1], &[1, 5, 0, 0, 1, 0, 1]].concat(),
        [&[2, 0, 0][..], &[36], b"\x42v1\x21\x05\x82\x3C\x00\xD1\x02\x08\xFFpayloa"].concat(),
    ]
}
