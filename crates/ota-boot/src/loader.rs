//! The loader: everything between reset and the first instruction of the application, as one function.

use crate::RollbackReason;
use crate::record::{RECORD_MAX, Record};
use core::num::NonZeroU8;
use ota_hal::{Flash, Journal, JournalError, Kind, ReadAt, ResetCause, SlotId, Watchdog};
use ota_verify::{Keys, Rules, Verified, VerifyError, verify_image_with};

/// What a board may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many starts an image on trial gets before the loader gives up on it. Every start counts, whatever ended it.
    pub attempts: NonZeroU8,
}

impl Config {
    /// Three attempts: one bad supply or one stray reset does not cost the update, a crash loop ends soon.
    pub const DEFAULT: Self = Self { attempts: NonZeroU8::MIN.saturating_add(2) };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the board is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision<E> {
    /// Start the image that `proof` describes.
    Boot {
        /// Slot, and where in it the payload lies.
        proof: Verified,
        /// Whether this start spent an attempt: the image is not accepted yet. Arm the watchdog.
        trial: bool,
    },
    /// No slot holds an image that may be started. Nothing was written.
    Recovery {
        /// Why slot A and slot B were refused.
        why: [VerifyError<E>; 2],
    },
}

impl<E> Decision<E> {
    const fn accepted(proof: Verified) -> Self {
        Self::Boot { proof, trial: false }
    }
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
pub fn boot<F: Flash, const UNIT: usize, S: ReadAt, K: Keys>(
    journal: &mut Journal<F, UNIT>,
    slots: &mut [S; 2],
    rules: &Rules<'_, K>,
    cause: ResetCause,
    config: &Config,
    watchdog: &mut impl Watchdog,
) -> Decision<S::Error> {
    watchdog.feed();
    let mut buf = [0; RECORD_MAX];
    let record = match journal.read(Kind::Boot, &mut buf) {
        Ok(Some(bytes)) => Record::decode(bytes),
        // Longer than any format will ever be: not ours.
        Ok(None) | Err(JournalError::BufferTooSmall { .. }) => Record::FACTORY,
        // Not knowing the record, nothing may replace it.
        Err(_) => return boot_unrecorded(slots, rules, watchdog),
    };
    let mut images = Images { slots, rules, floor: rules.floor.max(record.floor), watchdog };
    let reason = match record.spend_attempt(config.attempts.get(), cause) {
        None => record.gave_up(),
        Some(spent) => match images.verify(record.staged()) {
            Ok(proof) if record.image.is_some_and(|staged| staged.digest == *proof.digest()) => {
                if images.store(journal, &Record { phase: spent, ..record }) {
                    return Decision::Boot { proof, trial: true };
                }
                // The start could not be counted: leave the trial for a later reset.
                None
            }
            _ => Some(RollbackReason::ImageInvalid),
        },
    };
    let (decision, settled) = images.settle(&record, reason, cause);
    if let Some(next) = settled {
        // An accepted image starts even when its return cannot be stored; the next reset decides the same again.
        images.store(journal, &next);
    }
    decision
}

/// Decides what to start when the journal cannot be read at all: slot A if it may be started, else slot B.
///
/// For boards whose journal does not mount because its flash part fails. The floor is then `rules.floor` alone.
pub fn boot_unrecorded<S: ReadAt, K: Keys>(
    slots: &mut [S; 2],
    rules: &Rules<'_, K>,
    watchdog: &mut impl Watchdog,
) -> Decision<S::Error> {
    let mut images = Images { slots, rules, floor: rules.floor, watchdog };
    images.settle(&Record::FACTORY, None, ResetCause::Unknown).0
}

struct Images<'a, 'k, S, K, W> {
    slots: &'a mut [S; 2],
    rules: &'a Rules<'k, K>,
    floor: u32,
    watchdog: &'a mut W,
}

impl<S: ReadAt, K: Keys, W: Watchdog> Images<'_, '_, S, K, W> {
    /// One code path, and one set of rules, for whatever is to be started.
    ///
    /// A refusal is checked once more: a single bad read must not cost an image that is good.
    fn verify(&mut self, slot: SlotId) -> Result<Verified, VerifyError<S::Error>> {
        match self.verify_once(slot) {
            Err(_) => self.verify_once(slot),
            proof => proof,
        }
    }

    fn verify_once(&mut self, slot: SlotId) -> Result<Verified, VerifyError<S::Error>> {
        let rules = Rules { keys: self.rules.keys, identity: self.rules.identity, floor: self.floor };
        let [a, b] = &mut *self.slots;
        let image = if slot == SlotId::A { a } else { b };
        let watchdog = &mut *self.watchdog;
        watchdog.feed();
        verify_image_with(image, slot, &rules, |_| watchdog.feed())
    }

    /// Starts the accepted image, or the other one when it is bad; with the record to store, if any.
    fn settle(
        &mut self,
        record: &Record,
        reason: Option<RollbackReason>,
        cause: ResetCause,
    ) -> (Decision<S::Error>, Option<Record>) {
        let home = match self.verify(record.home) {
            Ok(proof) => {
                let next = reason.map(|reason| record.rolled_back(reason, cause));
                return (Decision::accepted(proof), next);
            }
            Err(why) => why,
        };
        match (self.verify(record.staged()), record.home) {
            (Ok(proof), _) => (Decision::accepted(proof), Some(record.fallen_back(cause))),
            (Err(other), SlotId::A) => (Decision::Recovery { why: [home, other] }, None),
            (Err(other), SlotId::B) => (Decision::Recovery { why: [other, home] }, None),
        }
    }

    fn store<F: Flash, const UNIT: usize>(&mut self, journal: &mut Journal<F, UNIT>, record: &Record) -> bool {
        self.watchdog.feed();
        journal.append(Kind::Boot, &record.encode()).is_ok()
    }
}
