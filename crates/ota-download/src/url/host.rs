//! Names and addresses of hosts.

use super::UrlError;
use crate::http::decimal;

/// A host name longer than this cannot exist (RFC 1035 §2.3.4).
const HOST_MAX: usize = 253;

pub(super) fn check_name(host: &str) -> Result<(), UrlError> {
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.len() > HOST_MAX || host.starts_with('.') || !host.bytes().all(plain) {
        return Err(UrlError::Host);
    }
    // A name cannot end in a number: `1.2.3` and `127.1` are addresses gone wrong (RFC 3696 §2).
    let digits = host.bytes().rev().take_while(u8::is_ascii_digit).count();
    let before = host.len().checked_sub(digits + 1).and_then(|at| host.as_bytes().get(at));
    let number = digits > 0 && matches!(before, None | Some(b'.'));
    if number && !is_ipv4(host.as_bytes()) { Err(UrlError::Host) } else { Ok(()) }
}

/// Four numbers up to 255 without leading zeros.
pub(super) fn is_ipv4(text: &[u8]) -> bool {
    let mut count = 0;
    text.split(|b| *b == b'.').all(|digits| {
        count += 1;
        count <= 4 && decimal(digits).is_some_and(|number| number <= 255) && !has_leading_zero(digits)
    }) && count == 4
}

/// RFC 4291 §2.2, without a zone. By hand: the parser of `core` is four times as large.
pub(super) fn is_ipv6(text: &str) -> bool {
    let text = text.as_bytes();
    // A pair of bytes: to look for a string brings the searcher of `core`, another 0.6 KiB.
    match text.windows(2).position(|pair| pair == b"::").and_then(|at| text.split_at_checked(at)) {
        // The gap stands for at least one group.
        Some((head, [_, _, tail @ ..])) => {
            matches!((groups(head, false), groups(tail, true)), (Some(a), Some(b)) if a + b < 8)
        }
        _ => groups(text, true) == Some(8),
    }
}

/// How many groups of 16 bits `text` has; an IPv4 address may be the last two of the address.
fn groups(text: &[u8], ends_address: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut ended = false;
    for group in text.split(|b| *b == b':') {
        if ended {
            return None;
        }
        if (1..=4).contains(&group.len()) && group.iter().all(u8::is_ascii_hexdigit) {
            count += 1;
        } else if ends_address && is_ipv4(group) {
            count += 2;
            ended = true;
        } else {
            return None;
        }
    }
    Some(count)
}

pub(super) fn has_leading_zero(digits: &[u8]) -> bool {
    matches!(digits, [b'0', _, ..])
}
