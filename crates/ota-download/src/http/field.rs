//! Values of single header fields.

/// A `Content-Range` value (RFC 9110 §14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes FIRST-LAST/TOTAL`, or `/*` when the total is not known.
    Part {
        /// First byte.
        first: u32,
        /// Last byte, inclusive; not before the first.
        last: u32,
        /// Size of the whole object; more than `last`.
        total: Option<u32>,
    },
    /// `bytes */TOTAL`: what a 416 says.
    Unsatisfied {
        /// Size of the whole object.
        total: u32,
    },
}

impl ContentRange {
    /// Reads a value; `None` for everything that is not exactly one of the two forms in unit bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let (range, total) = cut(rest, b'/')?;
        if range == b"*" {
            return Some(Self::Unsatisfied { total: decimal(total)? });
        }
        let (first, last) = cut(range, b'-')?;
        let (first, last) = (decimal(first)?, decimal(last)?);
        let total = if total == b"*" { None } else { Some(decimal(total)?) };
        // `last` of u32::MAX would make the length overflow; no object is that large.
        let whole = first <= last && last < total.unwrap_or(u32::MAX);
        whole.then_some(Self::Part { first, last, total })
    }
}

/// What a server asks for with `Retry-After` (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds from now.
    Seconds(u32),
    /// A moment in a calendar that a device may not have: it waits the configured default.
    Date,
}

impl RetryAfter {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        match value.first()? {
            b'0'..=b'9' if value.iter().all(u8::is_ascii_digit) => {
                Some(Self::Seconds(decimal(value).unwrap_or(u32::MAX)))
            }
            _ if is_date(value) => Some(Self::Date),
            _ => None,
        }
    }
}

/// What a validator is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValidatorKind {
    /// `"…"`: the same tag means the same bytes.
    Strong,
    /// `W/"…"`: the same tag means much the same. Another tag means another object.
    Weak,
    /// A date of last modification.
    Date,
    /// Nothing we understand: neither sent nor compared.
    Unknown,
}

/// Tells entity tags (RFC 9110 §8.8.3) from dates.
pub(super) fn validator_kind(value: &[u8]) -> ValidatorKind {
    let opaque = |tag: &[u8]| match tag {
        [b'"', inner @ .., b'"'] => inner.iter().all(|b| matches!(b, 0x21 | 0x23..=0x7E | 0x80..)),
        _ => false,
    };
    match value {
        [b'W', b'/', tag @ ..] if opaque(tag) => ValidatorKind::Weak,
        tag if opaque(tag) => ValidatorKind::Strong,
        date if is_date(date) => ValidatorKind::Date,
        _ => ValidatorKind::Unknown,
    }
}

/// Whether `value` has the outer form of an IMF-fixdate (RFC 9110 §5.6.7). It is compared and sent back, never computed with.
#[inline(never)]
pub(super) fn is_date(value: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b',' | b':');
    value.len() == 29 && value.ends_with(b" GMT") && value.iter().all(plain)
}

/// Digits only, at least one, at most `u32::MAX`.
#[inline(never)]
pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    (!digits.is_empty()).then_some(number)
}

fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (head, tail) = text.split_at_checked(text.iter().position(|b| *b == at)?)?;
    Some((head, tail.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let part = |first, last, total| Some(ContentRange::Part { first, last, total });
        assert_eq!(ContentRange::parse(b"bytes 0-0/1"), part(0, 0, Some(1)));
        assert_eq!(ContentRange::parse(b"Bytes 100-199/200"), part(100, 199, Some(200)));
        assert_eq!(ContentRange::parse(b"bytes 5-9/*"), part(5, 9, None));
        assert_eq!(ContentRange::parse(b"bytes */0"), Some(ContentRange::Unsatisfied { total: 0 }));
        let bad: [&[u8]; 17] = [
            b"",
            b"bytes",
            b"bytes 0-1",
            b"bytes 0/2",
            b"bytes 2-1/9",
            b"bytes 0-9/9",
            b"bytes -1/9",
            b"bytes 0-/9",
            b"bytes */*",
            b"bytes 0-1/",
            b"bits 0-1/2",
            b"bytes=0-1/2",
            b"bytes 0-1,3-4/9",
            b"bytes +0-1/2",
            b"bytes 0-4294967295/*",
            b"bytes 0-4294967296/*",
            b"bytes 0-1/4294967296",
        ];
        for value in bad {
            assert_eq!(ContentRange::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn validators() {
        assert_eq!(validator_kind(b"\"\""), ValidatorKind::Strong);
        assert_eq!(validator_kind(b"\"a-1\""), ValidatorKind::Strong);
        assert_eq!(validator_kind(b"W/\"a\""), ValidatorKind::Weak);
        assert_eq!(validator_kind(b"Sun, 06 Nov 1994 08:49:37 GMT"), ValidatorKind::Date);
        for unknown in [
            &b""[..],
            b"\"",
            b"abc",
            b"w/\"a\"",
            b"\"a\"b\"",
            b"\"a\r\nX: y\"",
            b"\"a b\"",
            b"Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(validator_kind(unknown), ValidatorKind::Unknown, "{unknown:?}");
        }
    }

    #[test]
    fn waits() {
        assert_eq!(RetryAfter::parse(b"120"), Some(RetryAfter::Seconds(120)));
        assert_eq!(RetryAfter::parse(b"99999999999999"), Some(RetryAfter::Seconds(u32::MAX)));
        assert_eq!(RetryAfter::parse(b"Fri, 31 Dec 1999 23:59:59 GMT"), Some(RetryAfter::Date));
        for bad in [&b""[..], b"-1", b"1.5", b"soon", b"1 2"] {
            assert_eq!(RetryAfter::parse(bad), None);
        }
    }
}
