//! Which part of a file a request gets. Pure.
//!
//! # Source
//! RFC 9110 §13 (conditional requests), §14 (range requests).

/// The answer to the conditions and the range of a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// The whole file (200).
    Whole,
    /// First byte, one past the last (206).
    Part(u64, u64),
    /// The range lies outside (416).
    Unsatisfiable,
    /// The client has it already (304).
    NotModified,
    /// The client wants another version (412).
    PreconditionFailed,
}

/// The request's fields that matter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) if_range: Option<&'a str>,
    pub(super) range: Option<&'a str>,
}

/// Decides, in the order of RFC 9110 §13.2.2. `etag` is strong and quoted.
pub(super) fn select(conditions: &Conditions<'_>, etag: &str, len: u64) -> Selection {
    if conditions.if_match.is_some_and(|list| !lists(list, etag, Comparison::Strong)) {
        return Selection::PreconditionFailed;
    }
    if conditions.if_none_match.is_some_and(|list| lists(list, etag, Comparison::Weak)) {
        return Selection::NotModified;
    }
    // A date never matches: we promise no modification time. A weak tag is not strong enough.
    let applies = conditions.if_range.is_none_or(|validator| validator == etag);
    match conditions.range {
        Some(range) if applies => parse(range, len).unwrap_or(Selection::Whole),
        _ => Selection::Whole,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

fn lists(list: &str, etag: &str, how: Comparison) -> bool {
    list.trim() == "*"
        || list.split(',').map(str::trim).any(|tag| {
            let tag = if how == Comparison::Weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
            tag == etag
        })
}

/// `None` for what must be ignored: other units, malformed ranges, several ranges (which a server may decline).
fn parse(range: &str, len: u64) -> Option<Selection> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = digits(last)?;
        return Some(if suffix == 0 || len == 0 {
            Selection::Unsatisfiable
        } else {
            Selection::Part(len.saturating_sub(suffix), len)
        });
    }
    let first = digits(first)?;
    let last = if last.is_empty() { u64::MAX } else { digits(last)? };
    if last < first {
        return None;
    }
    Some(if first >= len { Selection::Unsatisfiable } else { Selection::Part(first, last.saturating_add(1).min(len)) })
}

/// A number too large for 64 bits is larger than any file.
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Selection::*;
    use super::*;

    fn range(text: &str) -> Selection {
        select(&Conditions { range: Some(text), ..Conditions::default() }, "\"e\"", 100)
    }

    #[test]
    fn ranges_of_rfc_9110() {
        for (text, expected) in [
            ("bytes=0-9", Part(0, 10)),
            ("bytes=90-", Part(90, 100)),
            ("bytes=99-99", Part(99, 100)),
            ("bytes=50-1000", Part(50, 100)),
            ("bytes=-10", Part(90, 100)),
            ("bytes=-1000", Part(0, 100)),
            ("BYTES=0-0", Part(0, 1)),
            ("bytes=0-99999999999999999999999", Part(0, 100)),
            ("bytes=100-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=9-0", Whole),
            ("bytes=a-b", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("items=0-9", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes", Whole),
            ("", Whole),
        ] {
            assert_eq!(range(text), expected, "{text}");
        }
    }

    #[test]
    fn conditions_come_first() {
        let base = Conditions { range: Some("bytes=5-"), ..Conditions::default() };
        let with = |c| select(&c, "\"e\"", 100);
        assert_eq!(with(Conditions { if_range: Some("\"e\""), ..base }), Part(5, 100));
        assert_eq!(with(Conditions { if_range: Some("\"old\""), ..base }), Whole);
        assert_eq!(with(Conditions { if_range: Some("W/\"e\""), ..base }), Whole);
        assert_eq!(with(Conditions { if_range: Some("Sat, 29 Oct 1994 19:43:31 GMT"), ..base }), Whole);
        // A stale validator beats an impossible range.
        assert_eq!(with(Conditions { if_range: Some("\"old\""), range: Some("bytes=500-"), ..base }), Whole);
        assert_eq!(with(Conditions { if_match: Some("\"old\""), ..base }), PreconditionFailed);
        assert_eq!(with(Conditions { if_match: Some("\"a\", \"e\""), ..base }), Part(5, 100));
        assert_eq!(with(Conditions { if_none_match: Some("W/\"e\""), ..base }), NotModified);
        assert_eq!(with(Conditions { if_none_match: Some("*"), ..base }), NotModified);
    }
}
