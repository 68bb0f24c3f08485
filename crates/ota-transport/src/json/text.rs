//! Strings and numbers: the parts of JSON that are longer than one byte.

use super::JsonError;

/// Length of the string body that starts `text` (after its opening quote), up to its closing quote.
pub(super) fn string_len(text: &[u8]) -> Result<usize, JsonError> {
    let mut at = 0;
    loop {
        match *text.get(at).ok_or(JsonError::Malformed)? {
            b'"' => return Ok(at),
            b'\\' => at += 2,
            0..0x20 => return Err(JsonError::Malformed),
            _ => at += 1,
        }
    }
}

/// Resolves the escapes of a string body in place; returns its new length.
///
/// In place is possible because every escape is at least as long as what it stands for: six bytes for up to three of
/// UTF-8, twelve (a surrogate pair) for four.
pub(super) fn unescape(body: &mut [u8]) -> Result<usize, JsonError> {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = body.get(from) {
        let mut utf8 = [byte, 0, 0, 0];
        let mut len = 1;
        from += 1;
        if byte == b'\\' {
            let (used, symbol) = escape(body.get(from..).unwrap_or_default())?;
            from += used;
            len = symbol.encode_utf8(&mut utf8).len();
        }
        for byte in utf8.into_iter().take(len) {
            *body.get_mut(to).ok_or(JsonError::Malformed)? = byte;
            to += 1;
        }
    }
    Ok(to)
}

/// One escape after its backslash: bytes used and what it stands for.
fn escape(text: &[u8]) -> Result<(usize, char), JsonError> {
    let simple = match *text.first().ok_or(JsonError::Malformed)? {
        byte @ (b'"' | b'\\' | b'/') => byte,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 12,
        b'r' => b'\r',
        b'u' => return unicode(text),
        _ => return Err(JsonError::Malformed),
    };
    Ok((1, char::from(simple)))
}

/// `uXXXX`, or a surrogate pair `uXXXX\uXXXX`. A surrogate without its partner is malformed.
fn unicode(text: &[u8]) -> Result<(usize, char), JsonError> {
    let high = hex4(text.get(1..5))?;
    if let Some(symbol) = char::from_u32(high) {
        return Ok((5, symbol));
    }
    let low = hex4(text.get(7..11))?;
    if text.get(5..7) != Some(b"\\u") || !(0xDC00..0xE000).contains(&low) {
        return Err(JsonError::Malformed);
    }
    // Two low surrogates add up to more than any symbol has.
    let symbol = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    char::from_u32(symbol).map(|symbol| (11, symbol)).ok_or(JsonError::Malformed)
}

fn hex4(digits: Option<&[u8]>) -> Result<u32, JsonError> {
    digits.ok_or(JsonError::Malformed)?.iter().try_fold(0, |sum, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(JsonError::Malformed)?;
        Ok(sum << 4 | digit)
    })
}

/// Length of the number that starts `text`.
pub(super) fn number_len(text: &[u8]) -> Result<usize, JsonError> {
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(text, &mut at);
    if whole == 0 || whole > 1 && text.get(at - whole) == Some(&b'0') {
        return Err(JsonError::Malformed);
    }
    if text.get(at) == Some(&b'.') {
        at += 1;
        if digits(text, &mut at) == 0 {
            return Err(JsonError::Malformed);
        }
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        if digits(text, &mut at) == 0 {
            return Err(JsonError::Malformed);
        }
    }
    Ok(at)
}

/// Moves `at` over digits; returns how many.
fn digits(text: &[u8], at: &mut usize) -> usize {
    let start = *at;
    while text.get(*at).is_some_and(u8::is_ascii_digit) {
        *at += 1;
    }
    *at - start
}

/// Decodes standard base64 in place; returns the length of what it held. Padding may be left out, nothing else.
///
/// # Source
/// RFC 4648 section 4; unused bits of the last group must be zero (section 3.5).
pub(super) fn base64(text: &mut [u8]) -> Result<usize, JsonError> {
    let mut len = text.len();
    while len % 4 != 1 && text.len() - len < 2 && len > 0 && text.get(len - 1) == Some(&b'=') {
        len -= 1;
    }
    if len % 4 == 1 || len < text.len() && !text.len().is_multiple_of(4) {
        return Err(JsonError::Type);
    }
    let (mut bits, mut held, mut to) = (0_u32, 0, 0);
    for at in 0..len {
        let digit = text.get(at).copied().and_then(base64_digit).ok_or(JsonError::Type)?;
        bits = bits << 6 | digit;
        held += 6;
        if held >= 8 {
            held -= 8;
            if let (Some(slot), [_, _, _, byte]) = (text.get_mut(to), (bits >> held).to_be_bytes()) {
                *slot = byte;
            }
            to += 1;
            bits &= (1 << held) - 1;
        }
    }
    if bits == 0 { Ok(to) } else { Err(JsonError::Type) }
}

fn base64_digit(byte: u8) -> Option<u32> {
    let (first, value) = match byte {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    Some(u32::from(byte - first) + value)
}
