//! Against `serde_json`.

use proptest::prelude::*;
use serde_json::Value;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

/// Reads a whole value through the public interface.
fn read(json: &mut Reader<'_>) -> Result<Value, JsonError> {
    Ok(match json.kind()? {
        ValueKind::Null => {
            assert!(json.null()?);
            Value::Null
        }
        ValueKind::Bool => json.boolean()?.into(),
        ValueKind::Number => Value::Number(json.number_text()?.parse().map_err(|_| JsonError::Type)?),
        ValueKind::String => json.string()?.into(),
        ValueKind::Array => {
            json.array()?;
            let mut values = Vec::new();
            while json.element()? {
                values.push(read(json)?);
            }
            values.into()
        }
        ValueKind::Object => {
            json.object()?;
            let mut members = serde_json::Map::new();
            while let Some(key) = json.key()? {
                members.insert(key.into(), read(json)?);
            }
            Value::Object(members)
        }
    })
}

fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut text = text.to_vec();
    let mut json = Reader::new(&mut text);
    let value = read(&mut json)?;
    json.finish().map(|()| value)
}

fn skip(text: &[u8]) -> Result<(), JsonError> {
    let mut text = text.to_vec();
    let mut json = Reader::new(&mut text);
    json.skip()?;
    json.finish()
}

/// Both read the same, or both refuse; skipping judges as reading does.
fn agree(text: &[u8]) {
    let ours = parse(text);
    let skipped = skip(text);
    if skipped == Err(JsonError::TooDeep) {
        return;
    }
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => {
            assert_eq!(ours.as_ref(), Ok(&value), "{}", text.escape_ascii());
            assert_eq!(skipped, Ok(()));
        }
        Err(error) if error.to_string().contains("number out of range") => {}
        // One closing NUL is ours alone.
        Err(_) if text.last() == Some(&0) => {}
        Err(error) => {
            assert_eq!(ours, Err(JsonError::Malformed), "{} {error}", text.escape_ascii());
            assert_eq!(skipped, Err(JsonError::Malformed), "{} {error}", text.escape_ascii());
        }
    }
}

const CORPUS: &[&str] = &[
    "",
    " ",
    "null",
    "true",
    "false",
    "nul",
    "truee",
    "TRUE",
    "0",
    "-0",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5e",
    "1e+",
    "1E-2",
    "1.5e3",
    "+1",
    "0x1",
    "NaN",
    "Infinity",
    "123456789012345678901234567890",
    "-1",
    "1 2",
    "[1 2]",
    "\"\"",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u00e9\"",
    "\"\\uD83D\\uDE00\"",
    "\"\\uD83D\"",
    "\"\\uDE00\"",
    "\"\\uD83D\\u0041\"",
    "\"\\uD83Dx\"",
    "\"\\uD83D\\n\"",
    "\"\\uDE00\\uD83D\"",
    "\"\\uD83D..DE00\"",
    "\"\\uD83D\\nDE00\"",
    "\"\\uDC00\\uDC00\"",
    "\"\\uDFFF\\uDFFF\"",
    "\"\\u0000\"",
    "\"\\/\\b\\f\\n\\r\\t\"",
    "\"\t\"",
    "\"\u{7f}\u{80}\u{10FFFF}\"",
    "'a'",
    "\"\\u00zz\"",
    "\"\\u+123\"",
    "[]",
    "[",
    "]",
    "[]]",
    "[,]",
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[1]",
    "[[],[[]],{}]",
    "[1}",
    "{]",
    "{}",
    "{",
    "}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\" : 1 , \"b\":2}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1}}",
    "{\"a\":{\"a\":[{}]}}",
    "{\"a\":1,\"a\":2}",
    "{\"\\u0061\":1}",
    "{\"a\"::1}",
    " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n{ \t\r\n} \t\r\n] \t\r\n",
    "\u{b}1",
    "\u{a0}1",
    "\u{feff}1",
    "// x\n1",
    "/**/1",
    "1x",
    "[1]x",
    "[\"a\":1]",
    "\"\\ud83d\\ude00\\u00e9\\u20ac\"",
];

#[test]
fn the_corpus_is_judged_as_serde_json_does() {
    for text in CORPUS {
        agree(text.as_bytes());
        for end in 0..text.len() {
            agree(&text.as_bytes()[..end]);
        }
    }
    for text in [b"\"\xff\"".as_slice(), b"\"\xc3\"", b"\"\xed\xa0\x80\"", b"\xef\xbb\xbf1", b"{\"\xff\":1}"] {
        agree(text);
    }
}

#[test]
fn one_closing_nul_is_taken_and_nothing_else() {
    assert_eq!(parse(b"{} \0"), Ok(serde_json::json!({})));
    for text in [b"{}\0\0".as_slice(), b"{}\0 ", b"\0{}", b"{\0}", b"{}\0{}", b"1\x001", b"\0"] {
        assert_eq!(parse(text), Err(JsonError::Malformed), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| [&open.repeat(depth), "1", &close.repeat(depth)].concat();
        assert_eq!(skip(nested(32).as_bytes()), Ok(()));
        assert_eq!(skip(nested(33).as_bytes()), Err(JsonError::TooDeep));
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert_eq!(parse(nested(33).as_bytes()), Err(JsonError::TooDeep));
    }
}

#[test]
fn numbers_and_flags_come_in_several_forms() {
    let number = |text: &str| Reader::new(&mut text.to_string().into_bytes()).number();
    assert_eq!(number("0"), Ok(0));
    assert_eq!(number("4294967295"), Ok(u32::MAX));
    assert_eq!(number("\"4294967295\""), Ok(u32::MAX));
    for text in
        ["4294967296", "-1", "1.0", "1e3", "\"\"", "\"x\"", "\"+1\"", "\" 1\"", "true", "null", "[]", "{\"a\":1}"]
    {
        assert_eq!(number(text), Err(JsonError::Type), "{text}");
    }
    let flag = |text: &str| Reader::new(&mut text.to_string().into_bytes()).flag();
    for text in ["true", "1", "\"1\""] {
        assert_eq!(flag(text), Ok(true));
    }
    for text in ["false", "0", "\"0\""] {
        assert_eq!(flag(text), Ok(false));
    }
    for text in ["2", "\"true\"", "null", "[]"] {
        assert_eq!(flag(text), Err(JsonError::Type));
    }
}

#[test]
fn reading_goes_on_behind_a_value_of_another_type() {
    let mut text = *br#"[{"a":[1,{}]},"x",7,[8],"end"]"#;
    let mut json = Reader::new(&mut text);
    json.array().unwrap();
    assert_eq!((json.element(), json.number()), (Ok(true), Err(JsonError::Type)));
    assert_eq!((json.element(), json.boolean()), (Ok(true), Err(JsonError::Type)));
    assert_eq!((json.element(), json.object()), (Ok(true), Err(JsonError::Type)));
    assert_eq!((json.element(), json.string()), (Ok(true), Err(JsonError::Type)));
    assert_eq!((json.element(), json.string()), (Ok(true), Ok("end")));
    assert_eq!(json.element(), Ok(false));
    json.finish().unwrap();
}

#[test]
fn calls_in_the_wrong_place_are_errors() {
    assert_eq!(Reader::new(&mut [b'1']).key(), Err(JsonError::Malformed));
    assert_eq!(Reader::new(&mut [b'1']).element(), Err(JsonError::Malformed));
    let mut text = *b"[1]";
    let mut json = Reader::new(&mut text);
    json.array().unwrap();
    assert_eq!(json.key(), Err(JsonError::Malformed));
}

#[test]
fn base64_is_strict() {
    let decode = |text: &str| {
        let mut text = std::format!("\"{text}\"").into_bytes();
        Reader::new(&mut text).base64().map(<[u8]>::to_vec)
    };
    assert_eq!(decode("AQL\\/"), Ok(std::vec![1, 2, 255]));
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zg", "f"), ("Zm8=", "fo"), ("Zm8", "fo"), ("Zm9v", "foo")] {
        assert_eq!(decode(text), Ok(bytes.into()), "{text}");
    }
    for bad in
        ["Z", "Zg=", "Z===", "=", "==", "====", "Zm9v=", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9-", "Z_8=", "é8=="]
    {
        assert_eq!(decode(bad), Err(JsonError::Type), "{bad}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "[\\u0000-\\u001f\"\\\\/\\u007f\\ud7ff\\ue000\\U0001F600]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((".*", inner), 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every symbol of every string as an escape.
fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| std::format!("\\u{unit:04x}"));
    std::format!("\"{}\"", units.collect::<String>())
}

fn write(json: &mut Writer<'_>, value: &Value) {
    match value {
        Value::Array(values) => {
            json.begin(b'[');
            values.iter().for_each(|value| write(json, value));
            json.end(b']');
        }
        Value::Object(members) => {
            json.begin(b'{');
            for (key, value) in members {
                json.key(key);
                write(json, value);
            }
            json.end(b'}');
        }
        Value::String(text) => drop(json.string(text)),
        Value::Number(number) => drop(json.number(number.as_u64().unwrap_or(0) as u32)),
        _ => drop(json.string("other")),
    }
}

/// What [`write`] makes of `value`.
fn written(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(written).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), written(value))).collect(),
        Value::String(text) => text.clone().into(),
        Value::Number(number) => (number.as_u64().unwrap_or(0) as u32).into(),
        _ => "other".into(),
    }
}

proptest! {
    #[test]
    fn any_value_is_read_as_it_was_written(value in values()) {
        let compact = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(parse(&compact), Ok(value.clone()));
        prop_assert_eq!(parse(&serde_json::to_vec_pretty(&value).unwrap()), Ok(value));
        prop_assert_eq!(skip(&compact), Ok(()));
        for end in 0..compact.len() {
            agree(&compact[..end]);
        }
    }

    #[test]
    fn any_string_survives_full_escaping(text in ".*") {
        prop_assert_eq!(parse(escaped(&text).as_bytes()), Ok(text.into()));
    }

    #[test]
    fn any_bytes_are_judged_as_serde_json_does(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agree(&bytes);
    }

    #[test]
    fn any_json_like_text_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"\\ue0-9.\-+ntrufals \x00]{0,24}"#) {
        agree(text.as_bytes());
    }

    #[test]
    fn a_changed_byte_is_judged_as_serde_json_does(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        agree(&text);
    }

    #[test]
    fn what_is_written_is_read_by_serde_json(value in values(), cut in any::<prop::sample::Index>()) {
        let mut buf = std::vec![0; 1 << 18];
        let mut json = Writer::new(&mut buf);
        write(&mut json, &value);
        let text = json.finish().unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(text).unwrap(), written(&value));
        let short = cut.index(text.len());
        let mut buf = std::vec![0; short];
        let mut json = Writer::new(&mut buf);
        write(&mut json, &value);
        prop_assert_eq!(json.finish(), Err(Overflow));
    }

    #[test]
    fn base64_is_read_as_another_crate_writes_it(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        use base64::prelude::*;
        for text in [BASE64_STANDARD.encode(&bytes), BASE64_STANDARD_NO_PAD.encode(&bytes)] {
            let mut text = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(Reader::new(&mut text).base64(), Ok(&bytes[..]));
        }
    }
}
