//! What happens to the device of [`super::agent`]: bytes to events, two bytes an event.

use crate::peers::Opening;
use ota_download::Failure;
use ota_hal::ResetCause;
use ota_service::{Decision, Health};
use ota_testkit::Tear;
use ota_transport::OfferError;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The cloud offers the object with this number, and the server holds it.
    Offer(usize),
    /// The server holds another object than was offered.
    Swap(usize),
    /// The cloud calls the update off.
    Cancel,
    /// A message nobody understands.
    Bad(OfferError),
    /// How a next opening goes.
    Opening(Opening),
    /// What the application answers to a next offer.
    Answer(Decision),
    /// How the health gate stands.
    Health(Health),
    /// Whether a reset is welcome.
    Ready(bool),
    /// The power goes at one of the next operations.
    Cut(u64, Tear),
    /// So many reports are not acknowledged.
    Deaf(u32),
    /// What the server can do: ranges, a length, an end; most bytes of a read.
    Manners([bool; 3], usize),
    /// What the next reset looks like.
    Cause(ResetCause),
    /// A bit flips in the slot that does not run.
    Decay(u32, u8),
    /// Time passes: so many milliseconds.
    Pass(u32),
}

/// Reads one event.
pub(crate) fn event(kind: u8, arg: u8) -> Event {
    let n = usize::from(arg);
    match kind % 16 {
        0 | 1 => Event::Offer(n),
        2 => Event::Swap(n),
        3 => Event::Cancel,
        4 => Event::Bad(OfferError::Malformed),
        5 => Event::Opening(opening(arg)),
        6 => Event::Answer([Decision::Accept, Decision::Defer { ms: 60_000 }, Decision::Reject("no")][n % 3]),
        7 => Event::Health([Health::Pass, Health::Pending, Health::Fail][n % 3]),
        8 => Event::Ready(arg & 1 == 1),
        9 | 10 => Event::Cut(u64::from(arg / 8), Tear::ALL[n % Tear::ALL.len()]),
        11 => Event::Deaf(u32::from(arg % 4)),
        12 => Event::Manners([arg & 1 == 1, arg & 2 == 2, arg & 4 == 4], [usize::MAX, 100, 7, 1][n / 8 % 4]),
        13 => Event::Cause(ResetCause::from_u8(arg % 8)),
        14 => Event::Decay(u32::from(arg) * 16, 1 << (arg % 8)),
        _ => Event::Pass([100, 5_000, 600_000, 20_000_000][n % 4]),
    }
}

fn opening(arg: u8) -> Opening {
    let bytes = u32::from(arg / 8) * 120;
    match arg % 8 {
        0 => Opening::Breaks(bytes),
        1 => Opening::Stalls(bytes),
        2 => Opening::Ends(bytes),
        3 => Opening::Fails(Failure::Retry { after_ms: 10_000 }),
        4 => Opening::FailsLate(Failure::Restart),
        5 => Opening::Fails(Failure::Permanent),
        6 => Opening::Hangs,
        _ => Opening::Fails(Failure::Restart),
    }
}
