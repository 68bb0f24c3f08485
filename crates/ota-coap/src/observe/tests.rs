use super::*;
use crate::{Encoder, Kind};
use ota_testkit::Rng;

fn notify<T>(code: Code, number: Option<u32>, age_s: Option<u32>, take: impl FnOnce(&Message<'_>) -> T) -> T {
    let mut bytes = [0; 32];
    let mut message = Encoder::new(&mut bytes, Kind::NonConfirmable, code, 1, b"abcd");
    if let Some(number) = number {
        message.uint(option::OBSERVE, number);
    }
    if let Some(age_s) = age_s {
        message.uint(option::MAX_AGE, age_s);
    }
    let len = message.finish(b"").unwrap();
    take(&Message::decode(&bytes[..len]).unwrap())
}

fn begun(number: u32, age_s: Option<u32>) -> Observation {
    notify(Code::CONTENT, Some(number), age_s, |m| Observation::begin(Millis(0), m, &mut Rng::new(1))).unwrap()
}

/// RFC 7641 §3.4.
#[test]
fn later_numbers_are_news_in_24_bits_and_after_128_s() {
    const LAST: u32 = (1 << 24) - 1;
    for (before, number, after_ms, expected) in [
        (10, 11, 1, Notice::Fresh),
        (10, 10, 1, Notice::Stale),
        (10, 9, 1, Notice::Stale),
        (10, 9, 128_000, Notice::Stale),
        (10, 9, 128_001, Notice::Fresh),
        (LAST, 0, 1, Notice::Fresh),
        (0, LAST, 1, Notice::Stale),
        (0, HALF - 1, 1, Notice::Fresh),
        (0, HALF, 1, Notice::Stale),
        (HALF, 0, 1, Notice::Stale),
        (HALF + 1, 0, 1, Notice::Fresh),
    ] {
        let mut observation = begun(before, None);
        let at = Millis(after_ms);
        let notice =
            notify(Code::CONTENT, Some(number), None, |m| observation.on_notification(at, m, &mut Rng::new(2)));
        assert_eq!(notice, expected, "{before} then {number} after {after_ms} ms");
        let then = if expected == Notice::Fresh { (number, at) } else { (before, Millis(0)) };
        assert_eq!((observation.number, observation.at), then);
    }
}

#[test]
fn silence_lasts_for_max_age_and_a_random_grace() {
    for (age_s, base_ms) in
        [(None, 60_000), (Some(0), 0), (Some(3_600), 3_600_000), (Some(u32::MAX), u64::from(u32::MAX))]
    {
        let until = begun(1, age_s).next_deadline().0;
        assert!((base_ms + 5_000..base_ms + 15_000).contains(&until), "{until}");
    }
}

#[test]
fn errors_and_plain_responses_end_it() {
    for (code, number) in [(Code::NOT_FOUND, None), (Code::UNAVAILABLE, Some(5)), (Code::CONTENT, None)] {
        let mut observation = begun(1, None);
        let mut rng = Rng::new(3);
        assert_eq!(notify(code, number, None, |m| observation.on_notification(Millis(9), m, &mut rng)), Notice::Ended);
        assert_eq!(notify(code, number, None, |m| Observation::begin(Millis(9), m, &mut rng)), None);
    }
}

#[test]
fn an_older_notification_is_told_from_the_response_to_a_renewal() {
    let observation = begun(10, None);
    for (number, after_ms, expected) in
        [(Some(9), 1, true), (Some(10), 1, false), (Some(11), 1, false), (Some(9), 128_001, false), (None, 1, false)]
    {
        let overtaken = notify(Code::CONTENT, number, None, |m| observation.is_overtaken(Millis(after_ms), m));
        assert_eq!(overtaken, expected, "{number:?} after {after_ms} ms");
    }
    let overtaken = notify(Code::CONTENT, Some(9), None, |m| {
        let mut answer = *m;
        answer.kind = Kind::Acknowledgement;
        observation.is_overtaken(Millis(1), &answer)
    });
    assert!(!overtaken, "an acknowledgement answers the request whose id it bears");
}
