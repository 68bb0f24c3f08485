extern crate std;

use super::*;
use crate::option::*;
use proptest::prelude::*;
use std::vec::Vec;

fn written(write: impl FnOnce(&mut Encoder<'_>), payload: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = [0xEE; 600];
    let mut message = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 0x7D34, &[]);
    write(&mut message);
    message.finish(payload).map(|len| bytes[..len].to_vec())
}

fn fault(datagram: &[u8]) -> (Fault, Reply) {
    let malformed = Message::decode(datagram).unwrap_err();
    (malformed.fault, malformed.reply)
}

/// RFC 7252, appendix A, figures 16 and 17.
#[test]
fn the_messages_of_the_rfc() {
    let bytes = b"\x41\x01\x7D\x35\x20\xBBtemperature";
    let request = Message::decode(bytes).unwrap();
    assert_eq!((request.kind, request.code, request.id), (Kind::Confirmable, Code::GET, 0x7D35));
    assert_eq!((request.token, request.payload), (&[0x20][..], &[][..]));
    assert_eq!(request.options().collect::<Vec<_>>(), [(URI_PATH, &b"temperature"[..])]);

    let mut again = [0; 32];
    let mut message = Encoder::new(&mut again, Kind::Confirmable, Code::GET, 0x7D35, &[0x20]);
    message.path("temperature");
    let len = message.finish(b"").unwrap();
    assert_eq!(&again[..len], bytes);

    let response = Message::decode(b"\x61\x45\x7D\x35\x20\xFF22.3 C").unwrap();
    assert_eq!((response.kind, response.code), (Kind::Acknowledgement, Code::CONTENT));
    assert_eq!((response.token, response.payload), (&[0x20][..], &b"22.3 C"[..]));
    assert_eq!(empty(Kind::Acknowledgement, 0x7D38), *b"\x60\x00\x7D\x38");
    assert_eq!(empty(Kind::Reset, 0x7D38), *b"\x70\x00\x7D\x38");
}

#[test]
fn every_fault_and_its_answer() {
    let reset = Reply::Reset(0x1234);
    for (datagram, expected) in [
        (&b""[..], (Fault::Short, Reply::Ignore)),
        (b"\x40\x01\x12", (Fault::Short, Reply::Ignore)),
        (b"\x00\x01\x12\x34", (Fault::Version, Reply::Ignore)),
        (b"\x80\x01\x12\x34", (Fault::Version, Reply::Ignore)),
        (b"\xC0\x01\x12\x34", (Fault::Version, Reply::Ignore)),
        (b"\x49\x01\x12\x34123456789", (Fault::Token, reset)),
        (b"\x4F\x01\x12\x34123456789012345", (Fault::Token, reset)),
        (b"\x48\x01\x12\x341234567", (Fault::Token, reset)),
        (b"\x59\x01\x12\x34123456789", (Fault::Token, Reply::Ignore)),
        (b"\x69\x45\x12\x34123456789", (Fault::Token, Reply::Ignore)),
        (b"\x40\x20\x12\x34", (Fault::Code, reset)),
        (b"\x40\xC0\x12\x34", (Fault::Code, reset)),
        (b"\x40\xE1\x12\x34", (Fault::Code, reset)),
        (b"\x50\x00\x12\x34", (Fault::Code, Reply::Ignore)),
        (b"\x60\x01\x12\x34", (Fault::Code, Reply::Ignore)),
        (b"\x70\x45\x12\x34", (Fault::Code, Reply::Ignore)),
        (b"\x41\x00\x12\x34\x01", (Fault::NotEmpty, reset)),
        (b"\x40\x00\x12\x34\xFF1", (Fault::NotEmpty, reset)),
        (b"\x60\x00\x12\x34\x00", (Fault::NotEmpty, Reply::Ignore)),
        (b"\x40\x01\x12\x34\xF0", (Fault::Reserved, reset)),
        (b"\x40\x01\x12\x34\x0F", (Fault::Reserved, reset)),
        (b"\x40\x01\x12\x34\xB2a", (Fault::Truncated, reset)),
        (b"\x40\x01\x12\x34\xD0", (Fault::Truncated, reset)),
        (b"\x40\x01\x12\x34\xE0\x00", (Fault::Truncated, reset)),
        (b"\x40\x01\x12\x34\x0D", (Fault::Truncated, reset)),
        (b"\x40\x01\x12\x34\x0E\xFF\xFF", (Fault::Truncated, reset)),
        (b"\x40\x01\x12\x34\xE0\xFE\xF3", (Fault::Number, reset)),
        (b"\x40\x01\x12\x34\xE0\xFE\xF2\x10", (Fault::Number, reset)),
        (b"\x40\x01\x12\x34\xFF", (Fault::NoPayload, reset)),
        (b"\x50\x01\x12\x34\xB1a\xFF", (Fault::NoPayload, Reply::Ignore)),
    ] {
        assert_eq!(fault(datagram), expected, "{datagram:x?}");
    }
    let highest = Message::decode(b"\x40\x01\x12\x34\xE0\xFE\xF2").unwrap();
    assert_eq!(highest.options().collect::<Vec<_>>(), [(u16::MAX, &[][..])]);
}

#[test]
fn numbers_take_as_few_bytes_as_they_need() {
    for (value, bytes) in [
        (0, &b"\xE0\x00\x0F\x00"[..0]),
        (1, b"\x01"),
        (255, b"\xFF"),
        (256, b"\x01\x00"),
        (65_536, b"\x01\x00\x00"),
        (u32::MAX, b"\xFF\xFF\xFF\xFF"),
    ] {
        let message = written(|m| _ = m.uint(MAX_AGE, value), b"").unwrap();
        let message = Message::decode(&message).unwrap();
        assert_eq!((message.option(MAX_AGE), message.uint(MAX_AGE)), (Some(bytes), Some(value)));
    }
    let zeros = Message::decode(b"\x40\x01\x12\x34\xD3\x01\x00\x00\x07").unwrap();
    assert_eq!(zeros.uint(MAX_AGE), Some(7));
}

#[test]
fn deltas_and_lengths_at_their_borders() {
    for number in [2048, 12, 13, 268, 269, 270, 65_535] {
        for len in [0, 1, 12, 13, 14, 268, 269, 270, 500] {
            let value = std::vec![7; len];
            if !fits(number, len) {
                assert_eq!(written(|m| _ = m.option(number, &value), b""), Err(EncodeError::Length));
                continue;
            }
            let bytes = written(|m| _ = m.option(number, &value), b"x").unwrap();
            let message = Message::decode(&bytes).unwrap();
            assert_eq!(message.options().collect::<Vec<_>>(), [(number, &value[..])]);
            assert_eq!(message.payload, b"x");
        }
    }
}

#[test]
fn paths_and_queries_are_split() {
    let parts = |path, query| {
        let bytes = written(|m| _ = m.path(path).query(query), b"").unwrap();
        let options: Vec<_> = Message::decode(&bytes).unwrap().options().map(|(n, v)| (n, v.to_vec())).collect();
        options
    };
    let path = |part: &[u8]| (URI_PATH, part.to_vec());
    let query = |part: &[u8]| (URI_QUERY, part.to_vec());
    assert_eq!(parts("", ""), []);
    assert_eq!(parts("/", ""), []);
    assert_eq!(parts("/a/bc", "k=v&x"), [path(b"a"), path(b"bc"), query(b"k=v"), query(b"x")]);
    assert_eq!(parts("a//b/", ""), [path(b"a"), path(b""), path(b"b"), path(b"")]);
}

#[test]
fn mistakes_of_the_writer_are_told() {
    assert_eq!(written(|m| _ = m.uint(BLOCK2, 6).path("late"), b""), Err(EncodeError::Order));
    assert_eq!(written(|m| _ = m.option(ETAG, b""), b""), Err(EncodeError::Length));
    assert_eq!(written(|m| _ = m.option(ETAG, b"123456789"), b""), Err(EncodeError::Length));
    assert_eq!(written(|m| _ = m.option(2048, &[0; 601]), b""), Err(EncodeError::Full));
    assert_eq!(Encoder::new(&mut [0; 64], Kind::Reset, Code::EMPTY, 0, &[0; 9]).finish(b""), Err(EncodeError::Length));
    let all = 4 + 1 + 11 + 1 + 3;
    for room in 0..=all {
        let mut bytes = std::vec![0; room];
        let mut message = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 1, &[]);
        message.path("temperature");
        assert_eq!(message.finish(b"abc"), if room == all { Ok(all) } else { Err(EncodeError::Full) });
    }
}

#[test]
fn what_must_be_understood_is_found() {
    let odd = |write: &dyn Fn(&mut Encoder<'_>)| {
        let bytes = written(|m| write(m), b"").unwrap();
        Message::decode(&bytes).unwrap().unrecognized(&IN_RESPONSES)
    };
    assert_eq!(odd(&|m| _ = m.uint(MAX_AGE, 60).uint(BLOCK2, 6).uint(SIZE2, 9)), None);
    assert_eq!(odd(&|m| _ = m.option(9, b"")), Some(9));
    assert_eq!(odd(&|m| _ = m.option(10, b"").option(12, b"")), None);
    assert_eq!(odd(&|m| _ = m.uint(BLOCK2, 6).uint(BLOCK2, 6)), Some(BLOCK2));
    assert_eq!(odd(&|m| _ = m.option(ETAG, b"1").option(ETAG, b"2")), None);
    // Block2 of four bytes.
    let long = Message::decode(b"\x60\x45\x00\x01\xD4\x0A\x00\x00\x00\x06").unwrap();
    assert_eq!((long.unrecognized(&IN_RESPONSES), long.option(BLOCK2)), (Some(BLOCK2), None));

    let path = written(|m| _ = m.path("a/b"), b"").unwrap();
    let path = Message::decode(&path).unwrap();
    assert_eq!((path.unrecognized(&[URI_PATH]), path.unrecognized(&[])), (None, Some(URI_PATH)));
    assert_eq!(path.bad_option(), Reply::BadOption(0x7D34));
    let response = |first| Message::decode(&[first, 0x45, 0, 1]).unwrap().bad_option();
    assert_eq!([0x40, 0x50, 0x60].map(response), [Reply::Reset(1), Reply::Ignore, Reply::Ignore]);
}

/// Whatever arrives: a message or an error, options that lie within the datagram, and never a panic.
fn survives(datagram: &[u8]) {
    if let Ok(message) = Message::decode(datagram) {
        let inside = message.options().map(|(_, value)| value.len() + 1).sum::<usize>();
        assert!(4 + message.token.len() + inside + message.payload.len() <= datagram.len());
        _ = (message.unrecognized(&IN_RESPONSES), message.uint(BLOCK2), message.option(ETAG));
    }
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    let mut bytes = [0; 400];
    let mut message = Encoder::new(&mut bytes, Kind::Acknowledgement, Code::CONTENT, 0xABCD, b"tokentok");
    message.option(ETAG, b"12345678").uint(OBSERVE, 70_000).uint(CONTENT_FORMAT, 42).uint(MAX_AGE, 1 << 31);
    message.uint(BLOCK2, 0xFF_FFF6).uint(SIZE2, 100_000).option(2_048, &[9; 280]);
    let len = message.finish(b"payload").unwrap();
    for cut in 0..=len {
        survives(&bytes[..cut]);
    }
    for at in 0..len {
        for value in 0..=255 {
            let mut changed = bytes;
            changed[at] = value;
            survives(&changed[..len]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(datagram in proptest::collection::vec(any::<u8>(), 0..80)) {
        survives(&datagram);
        let mut valid = std::vec![0x40 | datagram.first().map_or(0, |byte| byte & 0x38), 0x45, 0, 1];
        valid.extend(&datagram);
        survives(&valid);
    }
}
