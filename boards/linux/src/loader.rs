//! The boot loader of this board: `ota_boot::loader`, then a sealed copy of what it proved.

use crate::file_flash::FileFlash;
use crate::part::{self, Window};
use crate::payload::{SealError, Sealed};
use ota_boot::Copied;
use ota_boot::loader::{Config, Decision, boot, floor};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Journal, ReadAt, ResetCause, SlotId};
use ota_verify::{ImageInfo, Keys, Rules, Verified, Version};
use std::cell::RefCell;

/// What the loader starts.
#[derive(Debug)]
pub struct Start {
    /// The executable.
    pub payload: Sealed,
    /// Where it came from.
    pub slot: SlotId,
    /// The line for the log.
    pub line: String,
}

/// Why nothing is started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No slot holds an image that may be started: factory-program the board.
    #[error("boot: no slot holds an image that may be started: A: {a}; B: {b}")]
    Recovery {
        /// Why slot A was refused.
        a: String,
        /// Why slot B was refused.
        b: String,
    },
    /// The proven image could not be copied; the next start verifies again.
    #[error("boot: slot {slot:?} was verified but not started: {why}")]
    Seal {
        /// The slot.
        slot: SlotId,
        /// Why.
        why: SealError,
    },
}

/// The payload is an executable, sealed in a copy.
const CONFIG: Config<Copied> = Config::new(Copied);

/// Decides what to start after a reset by `cause`, and fetches it.
///
/// # Errors
/// [`LoadError`].
pub fn load<K: Keys>(flash: &RefCell<FileFlash>, rules: &Rules<'_, K>, cause: ResetCause) -> Result<Start, LoadError> {
    let mut slots = [part::slot(flash, SlotId::A), part::slot(flash, SlotId::B)];
    // Twice, as every board does it: one fault is not to hide the floor.
    let mut journal = Journal::<_>::mount(part::journal(flash)).ok();
    let rules = Rules { keys: rules.keys, identity: rules.identity, floor: rules.floor.max(floor(journal.as_mut())) };
    let mut journal = Journal::<_>::mount(part::journal(flash)).ok();
    // The loader runs in the board's own process: there is nobody to reset it if it hung.
    match boot(journal.as_mut(), &mut slots, &rules, cause, &CONFIG, &mut NoWatchdog) {
        Decision::Boot { proof, trial } => {
            let slot = proof.slot();
            let payload = fetch(&mut slots[slot.index()], &proof).map_err(|why| LoadError::Seal { slot, why })?;
            Ok(Start { payload, slot, line: describe(&proof, trial, cause) })
        }
        Decision::Recovery { why: [a, b] } => Err(LoadError::Recovery { a: a.to_string(), b: b.to_string() }),
    }
}

fn fetch(slot: &mut Window<'_>, proof: &Verified) -> Result<Sealed, SealError> {
    // Read anew, and believed no more than the rest: the digest covers the header that says these lengths.
    let image = ImageInfo::read(slot).map_err(|_| SealError::Changed)?;
    let from = proof.payload_offset();
    let to = from.checked_add(proof.payload_len()).filter(|&to| to <= ReadAt::len(slot)).ok_or(SealError::Flash)?;
    Sealed::copy(slot, 0..image.signed_len(), from..to, proof.digest())
}

fn describe(proof: &Verified, trial: bool, cause: ResetCause) -> String {
    let kind = if trial { "on trial" } else { "accepted" };
    let version = text(proof.version());
    format!("boot: slot {:?}, version {version}, {kind}, last reset {cause:?}", proof.slot())
}

fn text(v: Version) -> String {
    let base = format!("{}.{}.{}", v.major, v.minor, v.revision);
    if v.build == 0 { base } else { format!("{base}+{}", v.build) }
}
