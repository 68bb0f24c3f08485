//! The rules: what an answer means for what was asked.
//!
//! # Source
//! RFC 9110 §14.4 and §15.3.7 (206), §15.5.17 (416), §13.1.5 (If-Range), §8.8 (validators), §15.4 (redirects),
//! §10.2.3 (Retry-After).

use super::field::{ContentRange, RetryAfter, ValidatorKind, validator_kind};
use super::{Answer, Ask, Body, HttpConfig, PeerError};
use crate::{Opened, Validator};

/// What to do with an answer.
#[derive(Debug)]
pub enum Verdict {
    /// The body follows.
    Body(Opened, Body),
    /// Ask elsewhere: at the URL in the `Location` buffer, of this length.
    Redirect(usize),
}

/// Judges an answer.
///
/// | Answer | Verdict |
/// |---|---|
/// | 206 whose `Content-Range` begins where we asked, of the same object | the body goes on there |
/// | 206 of another object (validator or size) | [`PeerError::Changed`] |
/// | 206 with any other `Content-Range`, of several parts, or to a request without range | [`PeerError::Range`] |
/// | 200 | the body, from offset 0: a range was ignored, or `If-Range` did not hold |
/// | 416, and the object ends just where we asked, and `If-Range` held | an empty body: nothing is missing |
/// | 416 otherwise | [`PeerError::PastEnd`] |
/// | 301, 302, 303, 307, 308 | redirect |
/// | 408, 429, 5xx | [`PeerError::Status`], to be tried again after `Retry-After` |
/// | anything else | [`PeerError::Status`], permanent |
///
/// # Errors
/// As in the table; [`PeerError::Encoded`] for a body with a content coding.
#[inline(never)]
pub fn judge(ask: &Ask<'_>, answer: &Answer, config: &HttpConfig<'_>) -> Result<Verdict, PeerError> {
    match answer.status {
        200 | 206 if answer.encoded => Err(PeerError::Encoded),
        200 => Ok(whole(ask, answer)),
        206 => part(ask, answer),
        416 => past_end(ask, answer),
        301 | 302 | 303 | 307 | 308 => match answer.location {
            Some(_) if answer.location_cut => Err(PeerError::LocationTooLong),
            Some(len) => Ok(Verdict::Redirect(len)),
            None => Err(PeerError::Status { code: answer.status, after_ms: None }),
        },
        code => Err(PeerError::Status { code, after_ms: wait(answer, config) }),
    }
}

fn whole(ask: &Ask<'_>, answer: &Answer) -> Verdict {
    let end = ask.end.unwrap_or(u32::MAX);
    let want = answer.length.unwrap_or(u32::MAX).min(end);
    let body = Body::new(answer.chunked, want, answer.length.is_some(), false);
    Verdict::Body(Opened { offset: 0, total: answer.length, validator: best_validator(answer) }, body)
}

fn part(ask: &Ask<'_>, answer: &Answer) -> Result<Verdict, PeerError> {
    let Some(ContentRange::Part { first, last, total }) = answer.range else {
        return Err(PeerError::Range);
    };
    let length = last - first + 1;
    // An end that nobody named is the end only if the total says so.
    let wanted_end = match (ask.end, total) {
        (Some(end), Some(total)) => end.min(total),
        (None, Some(total)) => total,
        (Some(end), None) if last + 1 == end => end,
        (_, None) => return Err(PeerError::Range),
    };
    let honest = ask.ranged()
        && first == ask.offset
        && last < wanted_end
        && !answer.multipart
        && answer.length.is_none_or(|announced| announced == length);
    if !honest {
        return Err(PeerError::Range);
    }
    if changed(ask, answer) || (ask.total.is_some() && total.is_some() && ask.total != total) {
        return Err(PeerError::Changed);
    }
    let body = Body::new(answer.chunked, length, true, last + 1 < wanted_end);
    // What was known still holds; an answer to If-Range may leave it out (RFC 9110 §15.3.7).
    let validator = match Validator::from_slice(ask.validator) {
        Ok(known) if !known.is_empty() => known,
        _ => best_validator(answer),
    };
    Ok(Verdict::Body(Opened { offset: first, total, validator }, body))
}

/// A 416 to a request whose `If-Range` did not hold is against the rules (the range must then be ignored), so one that
/// was sent and answered with 416 did hold; without one, we cannot know that the object is still the same.
fn past_end(ask: &Ask<'_>, answer: &Answer) -> Result<Verdict, PeerError> {
    let complete = answer.range == Some(ContentRange::Unsatisfied { total: ask.offset })
        && ask.if_range().is_some()
        && !changed(ask, answer);
    if !complete {
        return Err(PeerError::PastEnd);
    }
    let validator = Validator::from_slice(ask.validator).unwrap_or_default();
    Ok(Verdict::Body(Opened { offset: ask.offset, total: Some(ask.offset), validator }, Body::empty()))
}

/// Whether the answer is about another object than the one whose first bytes were taken. Validators of different kinds
/// tell nothing.
fn changed(ask: &Ask<'_>, answer: &Answer) -> bool {
    let now: &[u8] = match validator_kind(ask.validator) {
        ValidatorKind::Strong | ValidatorKind::Weak => &answer.etag,
        ValidatorKind::Date => &answer.modified,
        ValidatorKind::Unknown => return false,
    };
    !now.is_empty() && now != ask.validator
}

/// The entity tag, else the date of modification if that is strong: earlier than the moment of the answer, so that a
/// change within the same second cannot hide (RFC 9110 §8.8.2.2).
fn best_validator(answer: &Answer) -> Validator {
    if !answer.etag.is_empty() {
        return answer.etag.clone();
    }
    if answer.date.is_empty() || answer.date == answer.modified {
        return Validator::new();
    }
    Validator::from_slice(&answer.modified).unwrap_or_default()
}

/// How long to wait before another try; `None` when that cannot help.
fn wait(answer: &Answer, config: &HttpConfig<'_>) -> Option<u32> {
    if !matches!(answer.status, 408 | 429 | 500..) {
        return None;
    }
    let asked_ms = match answer.retry_after {
        None => 0,
        Some(RetryAfter::Seconds(seconds)) => seconds.saturating_mul(1000),
        Some(RetryAfter::Date) => config.retry_after_date_ms,
    };
    Some(asked_ms.min(config.retry_after_max_ms))
}
