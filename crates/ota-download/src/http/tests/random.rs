//! Any bytes, in any pieces.

use super::bodies::drain;
use super::*;

fn any_head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::from("HTTP/1.1 206 Partial Content\r\n")),
        Just(String::from("HTTP/1.1 100 Continue\r\n\r\n")),
        Just(String::from("HTTP/1.1 302 Found\n")),
        Just(String::from("\r\n")),
        "(Content-Length|content-range|ETag|Location|Transfer-Encoding|Retry-After|Date|X): ?[ -~]{0,70}\r?\n",
        "Content-Length: [0-9]{1,4}\r\n",
        "Content-Range: bytes [0-9]{1,3}-[0-9]{1,3}/[0-9*]{1,3}\r\n",
        "[\\x00-\\x7f]{0,12}",
    ];
    prop::collection::vec(line, 0..8)
        .prop_map(|lines| String::from("HTTP/1.1 200 OK\r\n") + &lines.concat() + "\r\n\r\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_head_means_the_same_in_any_pieces(text in any_head(), sizes in prop::collection::vec(1usize..40, 1..8)) {
        let whole = read_in(text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&read_in(text.as_bytes(), &[1]), &whole);
        prop_assert_eq!(&read_in(text.as_bytes(), &sizes), &whole);
    }

    #[test]
    fn any_answer_to_any_ask_is_bounded(text in any_head(), offset in 0u32..300, span in prop::option::of(1u32..300), tagged: bool) {
        let ask = Ask { offset, end: span.map(|n| offset + n), validator: if tagged { b"\"a\"" } else { b"" }, total: None };
        if let Ok((answer, _, _)) = read_in(text.as_bytes(), &[usize::MAX])
            && let Ok(Verdict::Body(opened, body)) = judge(&ask, &answer, &HttpConfig::DEFAULT)
        {
            prop_assert!(opened.offset == 0 || opened.offset == offset);
            let (payload, _) = drain(body, &[b'7'; 2000], &[700]);
            prop_assert!(ask.end.is_none_or(|end| payload.len() as u32 <= end - opened.offset));
        }
    }

    #[test]
    fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        let _ = read_in(&bytes, &[size]);
        let _ = drain(Body::new(true, 100, true, false), &bytes, &[size]);
    }

    #[test]
    fn chunks_mean_the_same_in_any_pieces(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..6),
        sizes in prop::collection::vec(1usize..50, 1..8),
        flip in prop::option::of((0usize..400, any::<u8>())),
    ) {
        let mut raw = Vec::new();
        for chunk in &chunks {
            raw.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            raw.extend_from_slice(chunk);
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"0\r\n\r\n");
        if let Some((at, byte)) = flip && let Some(slot) = raw.get_mut(at) {
            *slot = byte;
        }
        let body = || Body::new(true, u32::MAX, false, false);
        let (by_byte, by_pieces) = (drain(body(), &raw, &[1]), drain(body(), &raw, &sizes));
        prop_assert_eq!(&by_byte.1, &by_pieces.1);
        // The payload beside an error may be lost, never altered.
        prop_assert!(by_byte.0.starts_with(&by_pieces.0));
        if flip.is_none() {
            prop_assert_eq!(by_pieces, (chunks.concat(), Ok(())));
        }
    }
}
