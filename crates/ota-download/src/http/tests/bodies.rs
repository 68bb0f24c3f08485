//! Lengths, chunks and ends of bodies.

use super::*;

/// Pushes raw bytes through a body in pieces, then closes. The payload and how it ended.
pub(super) fn drain(mut body: Body, raw: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), PeerError>) {
    let (mut payload, mut at, mut turn) = (Vec::new(), 0, 0);
    while !body.is_done() {
        let size = body.read_max(sizes[turn.min(sizes.len() - 1)].max(1));
        turn += 1;
        let mut piece = raw[at..(at + size).min(raw.len())].to_vec();
        at += piece.len();
        let taken = if piece.is_empty() { body.on_closed().map(|()| 0) } else { body.accept(&mut piece) };
        match taken {
            Ok(n) => payload.extend_from_slice(&piece[..n]),
            Err(error) => return (payload, Err(error)),
        }
    }
    (payload, body.outcome())
}

#[test]
fn lengths_are_kept() {
    let known = |want| Body::new(false, want, true, false);
    assert_eq!(drain(known(5), b"abcde", &[2]), (b"abcde".to_vec(), Ok(())));
    assert_eq!(drain(known(5), b"abcdefgh", &[9]), (b"abcde".to_vec(), Ok(())));
    assert_eq!(drain(known(5), b"abcd", &[9]), (b"abcd".to_vec(), Err(PeerError::Truncated)));
    assert_eq!(drain(known(0), b"abcd", &[9]), (Vec::new(), Ok(())));
    assert_eq!(drain(Body::new(false, 9, false, false), b"abcd", &[3]), (b"abcd".to_vec(), Ok(())));
    assert_eq!(drain(Body::new(false, 3, false, false), b"abcd", &[9]), (b"abc".to_vec(), Ok(())));
    assert_eq!(drain(Body::new(false, 4, true, true), b"abcd", &[9]), (b"abcd".to_vec(), Err(PeerError::ShortRange)));
}

#[test]
fn chunks_are_decoded_and_refused() {
    let chunked = |want, announced| Body::new(true, want, announced, false);
    let raw = b"4\r\nabcd\r\n0a;n=\"v\"\r\n0123456789\r\n1 \r\n!\r\n000\r\nX: y\r\nZ:\r\n\r\ntail";
    for size in 1..raw.len() + 1 {
        assert_eq!(drain(chunked(u32::MAX, false), raw, &[size]), (b"abcd0123456789!".to_vec(), Ok(())), "{size}");
    }
    assert_eq!(drain(chunked(6, true), raw, &[1]), (b"abcd01".to_vec(), Ok(())), "only what was announced");
    assert_eq!(drain(chunked(16, true), raw, &[1]).1, Err(PeerError::Truncated), "less than announced");
    for cut in [0, 3, 5, 9, raw.len() - 6, raw.len() - 5] {
        assert_eq!(drain(chunked(u32::MAX, false), &raw[..cut], &[1]).1, Err(PeerError::Truncated), "cut at {cut}");
    }
    let long = [b"1;".to_vec(), b"e".repeat(2000)].concat();
    let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(400)].concat();
    let bad: [&[u8]; 14] = [
        b"\r\n",
        b"g\r\n",
        b";x\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\ra",
        b"100000000\r\n",
        b"1;\x01\r\n",
        b"0\r\n\n",
        &long,
        &trailers,
    ];
    for raw in bad {
        assert_eq!(
            drain(chunked(u32::MAX, false), raw, &[1]).1,
            Err(PeerError::Chunk),
            "{:?}",
            String::from_utf8_lossy(raw)
        );
    }
}
