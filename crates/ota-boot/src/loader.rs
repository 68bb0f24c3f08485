//! The loader: everything between reset and the first instruction of the application, as one function.

use crate::placement::Placement;
use crate::raw::{IMAGE_INVALID, Raw};
use crate::record::RECORD_LEN;
use core::hint::black_box;
use core::num::NonZeroU8;
use ota_hal::{Flash, Journal, JournalError, Kind, ReadAt, ResetCause, SlotId, Watchdog};
use ota_verify::{Candidate, Keys, Pass, Rules, Verified, Why};

/// What a board must say, and what it may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config<P> {
    /// How many starts an image on trial gets before the loader gives up on it. Every start counts, whatever ended it.
    pub attempts: NonZeroU8,
    /// From where images run. There is no default: a board that executes in place and does not say so would start images
    /// that are linked for the other slot.
    pub placement: P,
}

impl<P: Placement> Config<P> {
    /// Three attempts: one bad supply or one stray reset does not cost the update, a crash loop ends soon.
    pub const fn new(placement: P) -> Self {
        Self { attempts: NonZeroU8::MIN.saturating_add(2), placement }
    }
}

/// What the board is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Start the image that `proof` describes.
    Boot {
        /// Slot, and where in it the payload lies.
        proof: Verified,
        /// Whether this start spent an attempt: the image is not accepted yet. Arm the watchdog.
        trial: bool,
    },
    /// No slot holds an image that may be started. Nothing was written.
    Recovery {
        /// Why slot A and slot B were refused. For the whole error of a slot, ask
        /// [`verify_image`](ota_verify::verify_image) about it.
        why: [Why; 2],
    },
}

/// Decides what to start, and records it before it returns.
///
/// Feeds `watchdog` before each journal access and for every 256 bytes of image that are hashed. Never writes a slot.
/// The security floor is the record's or `rules.floor`, whichever is higher, for every image on every path.
///
/// # Power loss
/// At most one journal record is appended, after the image it is about was verified and before this function returns.
/// A cut before it is complete leaves the old record: the next start decides the same again. A cut after it has spent
/// an attempt, or stored the rollback, without the image having run.
///
/// Without a journal (`None`: it did not mount because its flash part fails, or its record could not be read several times)
/// slot A starts if it may be started, else slot B, and the floor is `rules.floor` alone. Nobody knows then which image was
/// accepted: it may be one that was never tried or that was given up. A board that would rather not start at all treats
/// `None` as [`Decision::Recovery`].
pub fn boot<'j, F: Flash + 'j, const UNIT: usize, S: ReadAt, K: Keys, P: Placement>(
    journal: impl Into<Option<&'j mut Journal<F, UNIT>>>,
    slots: &mut [S; 2],
    rules: &Rules<'_, K>,
    cause: ResetCause,
    config: &Config<P>,
    watchdog: &mut impl Watchdog,
) -> Decision {
    watchdog.feed();
    let mut journal = journal.into();
    let mut record = Raw::EMPTY;
    if let Some(known) = &mut journal
        && !read(known, &mut record)
    {
        // Not knowing the record, nothing may replace it.
        journal = None;
    }
    let store =
        |bytes: &[u8; RECORD_LEN]| journal.as_mut().is_some_and(|known| known.append(Kind::Boot, bytes).is_ok());
    Images { slots, rules, watchdog, config, store }.decide(&mut record, cause)
}

/// The security floor on record; 0 without a journal and without a record.
///
/// For boards that do not trust one reading: mount, ask, mount again for [`boot`], with this as `rules.floor`. A fault of
/// the processor in one of the two then leaves the other.
pub fn floor<'j, F: Flash + 'j, const UNIT: usize>(journal: impl Into<Option<&'j mut Journal<F, UNIT>>>) -> u32 {
    let mut record = Raw::EMPTY;
    if let Some(known) = journal.into() {
        // A record that cannot be read has no floor.
        let _ = read(known, &mut record);
    }
    record.floor()
}

/// So often a record is read that cannot be: too much hangs on it.
const TRIES: u32 = 4;

/// Reads the boot record, or what stands for it; whether the journal could be read.
#[inline(never)]
fn read<F: Flash, const UNIT: usize>(journal: &mut Journal<F, UNIT>, record: &mut Raw) -> bool {
    let len = (0..TRIES).find_map(|_| match journal.read(Kind::Boot, record.buffer()) {
        Ok(Some(bytes)) => Some(bytes.len()),
        // Longer than any format will ever be: not ours.
        Ok(None) | Err(JournalError::BufferTooSmall { .. }) => Some(0),
        Err(_) => None,
    });
    record.settle(len.unwrap_or(0));
    len.is_some()
}

/// Decides what to start when the journal cannot be read at all: slot A if it may be started, else slot B.
///
/// For boards whose journal does not mount because its flash part fails. The floor is then `rules.floor` alone.
pub fn boot_unrecorded<S: ReadAt, K: Keys, P: Placement>(
    slots: &mut [S; 2],
    rules: &Rules<'_, K>,
    config: &Config<P>,
    watchdog: &mut impl Watchdog,
) -> Decision {
    let mut record = Raw::EMPTY;
    let store = |_: &[u8; RECORD_LEN]| false;
    Images { slots, rules, watchdog, config, store }.decide(&mut record, ResetCause::Unknown)
}

// What is tried, in this order: the staged image if it may be, the accepted one, whatever is in the other slot.
const TRIAL: u8 = 0;
const ACCEPTED: u8 = 1;
const OTHER: u8 = 2;

struct Images<'a, 'k, S, K, W, P, T> {
    slots: &'a mut [S; 2],
    rules: &'a Rules<'k, K>,
    watchdog: &'a mut W,
    config: &'a Config<P>,
    /// Stores a record, if it can.
    store: T,
}

impl<S: ReadAt, K: Keys, W: Watchdog, P: Placement, T: FnMut(&[u8; RECORD_LEN]) -> bool> Images<'_, '_, S, K, W, P, T> {
    /// The staged image if it may be tried, else the accepted one, else the other one.
    fn decide(mut self, record: &mut Raw, cause: ResetCause) -> Decision {
        let mut gave_up = record.gave_up();
        let left = record.attempts(self.config.attempts.get());
        let mut why = [Why::READ; 2];
        let mut candidate = Candidate::NONE;
        let mut step = if left == 0 { ACCEPTED } else { TRIAL };
        while step <= OTHER {
            let trial = step == TRIAL;
            let home = record.home();
            let slot = if step == ACCEPTED { home } else { home.other() };
            // Twice, from the first byte to the last: one fault cannot be in both.
            let verdict = self
                .verify(&mut candidate, Pass::First, slot, record)
                .and_then(|_| self.verify(&mut candidate, Pass::Second, black_box(slot), record));
            if verdict.is_ok_and(|staged| staged || !trial) {
                let mut stored = true;
                if step != ACCEPTED || gave_up {
                    match step {
                        TRIAL => record.try_staged(left - 1),
                        ACCEPTED => record.roll_back(),
                        _ => record.fall_back(),
                    }
                    self.watchdog.feed();
                    stored = (self.store)(record.because_of(cause));
                }
                // An accepted image starts even when its return cannot be stored; the next reset decides the same
                // again. A start on trial that cannot be counted is left for a later reset.
                if stored || !trial {
                    return match candidate.into_proof() {
                        Some(proof) => Decision::Boot { proof, trial },
                        None => Decision::Recovery { why },
                    };
                }
            } else {
                if trial {
                    record.blame(IMAGE_INVALID);
                    gave_up = true;
                }
                if let Err(error) = verdict {
                    let [a, b] = &mut why;
                    *if slot == SlotId::A { a } else { b } = error;
                }
            }
            step += 1;
        }
        Decision::Recovery { why }
    }

    /// One code path, and one set of rules, for whatever is to be started. Says whether it is the image on record.
    #[inline(never)]
    fn verify(&mut self, candidate: &mut Candidate, pass: Pass, slot: SlotId, record: &Raw) -> Result<bool, Why> {
        let [a, b] = &mut *self.slots;
        let image = if slot == SlotId::A { a } else { b };
        let mut again = true;
        loop {
            self.watchdog.feed();
            let verdict = candidate.verify_in(pass, image, slot, self.rules, record.floor(), |_| self.watchdog.feed());
            let why = match verdict {
                Ok(proof) => match self.config.placement.check(proof) {
                    Ok(()) => return Ok(*proof.digest() == *record.digest()),
                    Err(misfit) => misfit.into(),
                },
                Err(why) => why,
            };
            // A refusal is checked once more: a single bad read must not cost an image that is good.
            if !again {
                return Err(why);
            }
            again = false;
        }
    }
}
