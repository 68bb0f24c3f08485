extern crate std;

use super::*;
use crate::{Encoder, Kind, option::*};
use ota_testkit::Rng;
use std::vec::Vec;

/// `2:1/0/64` of the RFC's figures: number, more, size.
fn block(number: u32, more: u8, size: u32) -> u32 {
    let szx = Szx::fitting(size as usize);
    assert_eq!(szx.bytes(), size);
    Block { number, more: more == 1, szx }.encode()
}

fn szx(size: usize) -> Szx {
    Szx::fitting(size)
}

/// What a server says.
#[derive(Clone)]
struct Said {
    code: Code,
    etag: &'static [u8],
    max_age: Option<u32>,
    block2: Option<u32>,
    block1: Option<u32>,
    size2: Option<u32>,
    payload: Vec<u8>,
}

fn said(code: Code) -> Said {
    Said { code, etag: b"", max_age: None, block2: None, block1: None, size2: None, payload: Vec::new() }
}

fn content(block2: u32, len: usize) -> Said {
    Said { block2: Some(block2), payload: std::vec![7; len], ..said(Code::CONTENT) }
}

impl Said {
    fn hear<T>(&self, take: impl FnOnce(&Message<'_>) -> T) -> T {
        let mut bytes = [0; 2_048];
        let mut message = Encoder::new(&mut bytes, Kind::Acknowledgement, self.code, 1, b"tokn");
        if !self.etag.is_empty() {
            message.option(ETAG, self.etag);
        }
        for (number, value) in
            [(MAX_AGE, self.max_age), (BLOCK2, self.block2), (BLOCK1, self.block1), (SIZE2, self.size2)]
        {
            if let Some(value) = value {
                message.uint(number, value);
            }
        }
        let len = message.finish(&self.payload).unwrap();
        take(&Message::decode(&bytes[..len]).unwrap())
    }
    /// Offset, length and last of the piece it gives.
    fn down(&self, download: &mut Download) -> Result<(u32, usize, bool), BlockError> {
        let before = download.clone();
        let piece = self.hear(|message| download.on_response(message).map(|p| (p.offset, p.bytes.len(), p.last)));
        assert!(piece.is_ok() || *download == before, "an error leaves the download where it was");
        piece
    }
    fn up(&self, upload: &mut Upload) -> Result<Progress, BlockError> {
        let before = upload.clone();
        let progress = self.hear(|message| upload.on_response(message));
        assert!(progress.is_ok() || *upload == before, "an error leaves the upload where it was");
        progress
    }
}

/// The options that a transfer writes.
fn asked(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<(u16, u32)> {
    let mut bytes = [0; 64];
    let mut message = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 1, &[]);
    write(&mut message);
    let len = message.finish(b"").unwrap();
    let message = Message::decode(&bytes[..len]).unwrap();
    message.options().map(|(number, value)| (number, uint(value).unwrap())).collect()
}

fn download(at: u32, size: usize, etag: &[u8]) -> Download {
    Download::new(at, szx(size), ETag::new(etag)).unwrap()
}

#[test]
fn the_option_on_the_wire() {
    assert_eq!(Block::decode(b""), Some(Block { number: 0, more: false, szx: Szx::MIN }));
    assert_eq!(Block::decode(b"\x1E"), Some(Block { number: 1, more: true, szx: Szx::MAX }));
    assert_eq!(Block::decode(b"\xFF\xFF\xF6"), Some(Block { number: NUMBER_MAX, more: false, szx: Szx::MAX }));
    assert_eq!((Block::decode(b"\x07"), Block::decode(b"\x00\x00\x00\x06")), (None, None));
    assert_eq!((Szx::new(6), Szx::new(7)), (Some(Szx::MAX), None));
    assert_eq!([0, 16, 31, 32, 1_023, 1_024, 9_999].map(|n| szx(n).bytes()), [16, 16, 16, 32, 512, 1_024, 1_024]);
    for value in (0..1_u32 << 24).step_by(37).filter(|value| value & 7 != 7) {
        let bytes = value.to_be_bytes();
        assert_eq!(Block::decode(&bytes[1..]).unwrap().encode(), value);
    }
}

/// RFC 7959 §3.1: "Simple Block-Wise GET" and "Block-Wise GET with Early Negotiation".
#[test]
fn the_downloads_of_the_rfc() {
    let mut simple = download(0, 1_024, b"");
    assert_eq!(asked(|m| simple.write(m)), [(BLOCK2, 6), (SIZE2, 0)]);
    assert_eq!(content(block(0, 1, 128), 128).down(&mut simple), Ok((0, 128, false)));
    assert_eq!(asked(|m| simple.write(m)), [(BLOCK2, block(1, 0, 128))]);
    assert_eq!(content(block(1, 1, 128), 128).down(&mut simple), Ok((128, 128, false)));
    assert_eq!(content(block(2, 0, 128), 5).down(&mut simple), Ok((256, 5, true)));

    let mut early = download(0, 64, b"");
    for number in 0..5 {
        assert_eq!(asked(|m| early.write(m))[0], (BLOCK2, block(number, 0, 64)));
        assert_eq!(content(block(number, 1, 64), 64).down(&mut early), Ok((64 * number, 64, false)));
    }
    assert_eq!(content(block(5, 0, 64), 64).down(&mut early), Ok((320, 64, true)));
}

#[test]
fn the_server_may_shrink_blocks_and_not_grow_them() {
    let mut download = download(2_048, 1_024, b"");
    assert_eq!(asked(|m| download.write(m))[0], (BLOCK2, block(2, 0, 1_024)));
    assert_eq!(content(block(2, 1, 512), 512).down(&mut download), Err(BlockError::Order));
    assert_eq!(content(block(4, 1, 512), 512).down(&mut download), Ok((2_048, 512, false)));
    assert_eq!(asked(|m| download.write(m)), [(BLOCK2, block(5, 0, 512))]);
    assert_eq!(content(block(2, 1, 1_024), 1_024).down(&mut download), Err(BlockError::Size));
    let mut reserved = content(block(2, 1, 1_024) | 7, 512);
    assert_eq!(reserved.down(&mut download), Err(BlockError::Size));
    reserved.block2 = None;
    assert_eq!(reserved.down(&mut download), Err(BlockError::Size));
}

#[test]
fn any_offset_is_reached() {
    let mut download = download(1_500, 1_024, b"");
    assert_eq!(asked(|m| download.write(m))[0], (BLOCK2, block(1, 0, 1_024)));
    let mut small = download.clone();
    assert_eq!(content(block(1, 1, 1_024), 1_024).down(&mut download), Ok((1_500, 548, false)));
    assert_eq!(asked(|m| download.write(m))[0], (BLOCK2, block(2, 0, 1_024)));
    // The block that came is smaller and lies before the offset.
    assert_eq!(content(block(16, 1, 64), 64).down(&mut small), Ok((1_500, 0, false)));
    assert_eq!(asked(|m| small.write(m))[0], (BLOCK2, block(23, 0, 64)));
    assert_eq!(content(block(23, 0, 64), 40).down(&mut small), Ok((1_500, 12, true)));
}

#[test]
fn a_body_in_one_message_needs_no_option() {
    let mut whole = said(Code::CONTENT);
    whole.payload = std::vec![1; 1_500];
    assert_eq!(whole.down(&mut download(0, 64, b"")), Ok((0, 1_500, true)));
    assert_eq!(whole.down(&mut download(50, 64, b"")), Ok((50, 1_450, true)));
    assert_eq!(whole.down(&mut download(64, 64, b"")), Err(BlockError::Size));
    whole.payload.clear();
    assert_eq!(whole.down(&mut download(0, 64, b"")), Ok((0, 0, true)));
    assert_eq!(whole.down(&mut download(1, 64, b"")), Err(BlockError::PastEnd));
}

#[test]
fn another_object_is_noticed() {
    let first = Said { etag: b"v1", size2: Some(100), ..content(block(0, 1, 64), 64) };
    let last = Said { etag: b"v1", ..content(block(1, 0, 64), 36) };
    let mut begun = download(0, 64, b"");
    assert_eq!(first.down(&mut begun), Ok((0, 64, false)));
    assert_eq!((begun.total(), begun.etag().as_bytes()), (Some(100), &b"v1"[..]));
    for other in [&b"v2"[..], b"v", b""] {
        assert_eq!(Said { etag: other, ..last.clone() }.down(&mut begun.clone()), Err(BlockError::Changed));
    }
    assert_eq!(Said { size2: Some(101), ..last.clone() }.down(&mut begun.clone()), Err(BlockError::Changed));
    assert_eq!(last.down(&mut begun), Ok((64, 36, true)));
    // Resumed: with what was stored, and without.
    assert_eq!(last.down(&mut download(64, 64, b"v1")), Ok((64, 36, true)));
    assert_eq!(last.down(&mut download(64, 64, b"v0")), Err(BlockError::Changed));
    assert_eq!(last.down(&mut download(64, 64, b"")), Ok((64, 36, true)));
    // A first block without tag, a second with one.
    let mut untagged = download(0, 64, b"");
    assert_eq!(content(block(0, 1, 64), 64).down(&mut untagged), Ok((0, 64, false)));
    assert_eq!(last.down(&mut untagged), Err(BlockError::Changed));
}

#[test]
fn lengths_agree_with_block_and_total() {
    let mut begun = download(0, 64, b"");
    Said { size2: Some(100), ..content(block(0, 1, 64), 64) }.down(&mut begun).unwrap();
    for (more, len) in [(1, 63), (1, 65), (0, 65), (0, 35), (0, 37), (1, 64), (0, 0)] {
        assert_eq!(content(block(1, more, 64), len).down(&mut begun.clone()), Err(BlockError::Length), "{more} {len}");
    }
    for (more, len) in [(1, 0), (1, 63), (1, 65), (0, 65)] {
        let answer = content(block(0, more, 64), len);
        assert_eq!(answer.down(&mut download(0, 64, b"")), Err(BlockError::Length), "{more} {len}, total unknown");
    }
    for number in [0, 2, 3, NUMBER_MAX] {
        assert_eq!(content(block(number, 0, 64), 36).down(&mut begun), Err(BlockError::Order));
    }
    assert_eq!(
        Said { size2: Some(64), ..content(block(0, 1, 64), 64) }.down(&mut download(0, 64, b"")),
        Err(BlockError::Length)
    );
    assert_eq!(content(block(1, 0, 64), 5).down(&mut download(70, 64, b"")), Err(BlockError::PastEnd));
    assert_eq!(content(block(1, 0, 64), 6).down(&mut download(70, 64, b"")), Ok((70, 0, true)));
}

#[test]
fn block_numbers_end() {
    const END: u32 = 16 << 20;
    assert_eq!(Download::new(END, Szx::MIN, ETag::NONE), Err(BlockError::TooLarge));
    let mut last = download(END - 16, 16, b"");
    assert_eq!(content(block(NUMBER_MAX, 1, 16), 16).down(&mut last), Err(BlockError::TooLarge));
    assert_eq!(content(block(NUMBER_MAX, 0, 16), 16).down(&mut last), Ok((END - 16, 16, true)));
    // Shrunk below what the numbers reach.
    let mut far = download(END, 32, b"");
    assert_eq!(content(block(0, 1, 16), 16).down(&mut far), Err(BlockError::Order));
    assert_eq!(Upload::new(END, Szx::MIN), Err(BlockError::TooLarge));
}

#[test]
fn what_codes_mean() {
    let wait = |after_ms| Outcome::Retry { after_ms };
    for (code, max_age, outcome) in [
        (Code::UNAVAILABLE, Some(7), wait(7_000)),
        (Code::UNAVAILABLE, None, wait(60_000)),
        (Code::UNAVAILABLE, Some(u32::MAX), wait(u32::MAX)),
        (Code::TOO_MANY_REQUESTS, Some(1), wait(1_000)),
        (Code::SERVER_ERROR, None, wait(0)),
        (Code::SERVER_ERROR, Some(2), wait(2_000)),
        (Code::new(5, 4), None, wait(0)),
        (Code::NOT_IMPLEMENTED, Some(2), Outcome::Permanent),
        (Code::NOT_FOUND, Some(2), Outcome::Permanent),
        (Code::BAD_REQUEST, None, Outcome::Permanent),
        (Code::BAD_OPTION, None, Outcome::Permanent),
        (Code::PRECONDITION_FAILED, None, Outcome::Restart),
        (Code::REQUEST_INCOMPLETE, None, Outcome::Restart),
        (Code::VALID, None, Outcome::Permanent),
        (Code::CONTINUE, None, Outcome::Permanent),
    ] {
        let answer = Said { max_age, ..said(code) };
        assert_eq!(answer.down(&mut download(0, 64, b"")).unwrap_err().outcome(), outcome, "{code:?}");
    }
    // Behind the end; from 0 it cannot be, so that a restart ends.
    assert_eq!(said(Code::BAD_REQUEST).down(&mut download(64, 64, b"")), Err(BlockError::PastEnd));
}

/// RFC 7959 §3.2: "Simple Atomic Block-Wise PUT", and the same "with Negotiation".
#[test]
fn the_uploads_of_the_rfc() {
    let mut simple = Upload::new(300, szx(128)).unwrap();
    assert_eq!(asked(|m| simple.write(m)), [(BLOCK1, block(0, 1, 128)), (SIZE1, 300)]);
    let taken = |number, more, size| Said { block1: Some(block(number, more, size)), ..said(Code::CONTINUE) };
    let done = |number, size| Said { block1: Some(block(number, 0, size)), ..said(Code::CHANGED) };
    let mut negotiated = simple.clone();
    assert_eq!(taken(0, 1, 128).up(&mut simple), Ok(Progress::More));
    assert_eq!((asked(|m| simple.write(m)), simple.range()), (std::vec![(BLOCK1, block(1, 1, 128))], 128..256));
    assert_eq!(taken(1, 1, 128).up(&mut simple), Ok(Progress::More));
    assert_eq!((asked(|m| simple.write(m)), simple.range()), (std::vec![(BLOCK1, block(2, 0, 128))], 256..300));
    assert_eq!(done(2, 128).up(&mut simple), Ok(Progress::Done));
    assert!(simple.range().is_empty());

    assert_eq!(taken(0, 1, 32).up(&mut negotiated), Ok(Progress::More));
    for number in 4..9 {
        assert_eq!(asked(|m| negotiated.write(m)), [(BLOCK1, block(number, 1, 32))]);
        assert_eq!(taken(number, 1, 32).up(&mut negotiated), Ok(Progress::More));
    }
    assert_eq!((asked(|m| negotiated.write(m)), negotiated.range()), (std::vec![(BLOCK1, block(9, 0, 32))], 288..300));
    assert_eq!(done(9, 32).up(&mut negotiated), Ok(Progress::Done));
}

#[test]
fn small_bodies_go_in_one_message() {
    for len in [0, 1, 64] {
        let mut upload = Upload::new(len, szx(64)).unwrap();
        assert_eq!((asked(|m| upload.write(m)), upload.range()), (std::vec![], 0..len as usize));
        assert_eq!(said(Code::CONTENT).up(&mut upload), Ok(Progress::Done));
    }
}

#[test]
fn too_large_shrinks_blocks_and_begins_anew() {
    let refused = |size| Said { block1: Some(block(0, 0, size)), ..said(Code::REQUEST_TOO_LARGE) };
    let mut upload = Upload::new(100, szx(128)).unwrap();
    assert_eq!(refused(64).up(&mut upload), Ok(Progress::More));
    assert_eq!(
        (asked(|m| upload.write(m)), upload.range()),
        (std::vec![(BLOCK1, block(0, 1, 64)), (SIZE1, 100)], 0..64)
    );
    let taken = Said { block1: Some(block(0, 1, 64)), ..said(Code::CONTINUE) };
    assert_eq!(taken.up(&mut upload), Ok(Progress::More));
    assert_eq!(refused(64).up(&mut upload).unwrap_err().outcome(), Outcome::Permanent);
    assert_eq!(said(Code::REQUEST_TOO_LARGE).up(&mut upload).unwrap_err().outcome(), Outcome::Permanent);
    assert_eq!((refused(16).up(&mut upload), upload.range()), (Ok(Progress::More), 0..16));
}

#[test]
fn a_server_that_would_take_larger_blocks_gets_those_that_were_begun() {
    let mut upload = Upload::new(150, szx(64)).unwrap();
    let taken = |code, value| Said { block1: Some(value), ..said(code) };
    assert_eq!(taken(Code::CONTINUE, block(0, 1, 1_024)).up(&mut upload), Ok(Progress::More));
    assert_eq!((upload.szx(), upload.range()), (szx(64), 64..128));
    assert_eq!(taken(Code::CONTINUE, block(1, 1, 128)).up(&mut upload), Ok(Progress::More));
    assert_eq!(upload.range(), 128..150);
    assert_eq!(taken(Code::CHANGED, block(2, 0, 1_024)).up(&mut upload), Ok(Progress::Done));
}

#[test]
fn answers_that_do_not_fit_a_block_are_refused() {
    let mut upload = Upload::new(100, szx(64)).unwrap();
    let taken = |value| Said { block1: value, ..said(Code::CONTINUE) };
    assert_eq!(taken(Some(block(1, 1, 64))).up(&mut upload), Err(BlockError::Order));
    assert_eq!(taken(Some(7)).up(&mut upload), Err(BlockError::Size));
    assert_eq!(taken(None).up(&mut upload), Err(BlockError::Size));
    // Acted upon before it was complete.
    let early = Said { block1: Some(block(0, 0, 64)), ..said(Code::CHANGED) };
    assert_eq!(early.up(&mut upload).unwrap_err().outcome(), Outcome::Permanent);
    assert_eq!(said(Code::REQUEST_INCOMPLETE).up(&mut upload), Err(BlockError::Lost));
    assert_eq!(said(Code::UNAVAILABLE).up(&mut upload).unwrap_err().outcome(), Outcome::Retry { after_ms: 60_000 });
    assert_eq!(taken(Some(block(0, 1, 64))).up(&mut upload), Ok(Progress::More));
    // More is asked for, and there is no more.
    assert_eq!(taken(Some(block(1, 1, 64))).up(&mut upload).unwrap_err().outcome(), Outcome::Permanent);
}

/// Whatever a server says, a transfer goes forward or reports; what it delivers is gapless.
#[test]
fn hostile_servers_are_survived() {
    let mut rng = Rng::new(5);
    for _ in 0..20_000 {
        let at = rng.next_u64() as u32 >> rng.below(32);
        let exponent = Szx::new(rng.below(7) as u8).unwrap();
        if let Ok(mut download) = Download::new(at, exponent, ETag::NONE) {
            let mut at = at;
            for _ in 0..6 {
                let near = exponent.number(at).unwrap_or(0).wrapping_add(rng.below(3)).wrapping_sub(1);
                let value = (near << 4 | rng.below(16)) & 0xFF_FFFF;
                let mut answer = content(value, [0, 16, 32, 64, 512, 1_024, 1_500][rng.below(7) as usize]);
                answer.size2 = (rng.below(4) == 0).then(|| at.wrapping_add(rng.below(2_000)));
                if let Ok((offset, len, last)) = answer.down(&mut download) {
                    assert_eq!(offset, at);
                    at += len as u32;
                    assert!(last || download.at() == at);
                }
                if download.szx().number(at).is_none() {
                    break;
                }
                asked(|m| download.write(m));
            }
        }
        if let Ok(mut upload) = Upload::new(at, exponent) {
            for _ in 0..6 {
                asked(|m| upload.write(m));
                assert!(upload.range().end <= at as usize);
                let code = [Code::CONTINUE, Code::CHANGED, Code::REQUEST_TOO_LARGE][rng.below(3) as usize];
                let value = (upload.range().start as u32 / exponent.bytes()) << 4 | rng.below(16);
                _ = Said { block1: Some(value & 0xFF_FFFF), ..said(code) }.up(&mut upload);
            }
        }
    }
}
