//! The seam between the update agent and any boot loader.

use ota_hal::{ResetCause, SlotId};
use ota_verify::Verified;

/// Where the device stands between two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootState {
    /// `running` is accepted; nothing is under way.
    Confirmed {
        /// The slot that runs.
        running: SlotId,
    },
    /// `staged` will be tried at the next reset; the other slot runs now.
    Pending {
        /// The slot to be tried.
        staged: SlotId,
    },
    /// `running` is on trial. Without [`BootControl::confirm`] the loader returns to the other slot.
    Testing {
        /// The slot on trial.
        running: SlotId,
        /// Further starts it will be given.
        attempts_left: u8,
        /// Why the processor last restarted, as the loader saw it.
        last_reset: ResetCause,
    },
    /// `running` was returned to, because the other slot's image failed.
    RolledBack {
        /// The slot that runs again.
        running: SlotId,
        /// Why.
        reason: RollbackReason,
        /// Why the processor restarted before the loader gave up on the trial.
        last_reset: ResetCause,
    },
}

/// Why the loader, or the application, gave up on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackReason {
    /// A stored number this version does not know.
    Unknown(u8),
    /// All trial starts were used without a confirm (crash, hang, or power cuts: see the reset cause).
    AttemptsUsedUp,
    /// The staged image did not verify at boot.
    ImageInvalid,
    /// The running image stopped verifying later (flash decay, tampering).
    ActiveInvalid,
    /// A health gate reported failure; the number is the gate's.
    GateFailed(u8),
    /// A health gate did not pass in time; the number is the gate's.
    GateTimeout(u8),
    /// The application or its operator asked for it.
    Requested,
}

/// What the agent needs of a boot loader. Ours is `Boot`; MCUboot's trailer or hardware dual-bank fit here too.
///
/// # For implementers
/// Every method is one durable transition: after a power cut the old or the new state stands, never another.
pub trait BootControl {
    /// Why storage failed.
    type Error: core::fmt::Debug;

    /// The present state.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn state(&mut self) -> Result<BootState, Self::Error>;

    /// The lowest security counter that may still be installed.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn security_floor(&mut self) -> Result<u32, Self::Error>;

    /// The first bytes of [`Verified::digest`] of the image that [`BootState::RolledBack`] is about. `None` in other
    /// states, and from loaders that do not remember it: then one rollback is told from the next less surely.
    fn failed_image(&mut self) -> Option<[u8; 8]> {
        None
    }

    /// Makes the proven image the one to try at the next reset. Spends the proof.
    ///
    /// # Errors
    /// When the proof is for the running slot, an image is already on trial, or the store failed; nothing changed.
    fn stage(&mut self, proof: Verified) -> Result<(), Self::Error>;

    /// Accepts the running image and, in the same durable step, raises the security floor to its counter.
    /// Does nothing when the image is already accepted.
    ///
    /// # Errors
    /// When the store failed; the image is then still on trial.
    fn confirm(&mut self) -> Result<(), Self::Error>;

    /// Withdraws a staged image, or gives up on the image on trial: the next reset starts the other slot.
    ///
    /// # Errors
    /// When there is nothing to return to or the store failed.
    fn roll_back(&mut self, reason: RollbackReason) -> Result<(), Self::Error>;
}
