//! The transitions, pure: a record in, the next record out. `Boot` and the loader only add storage.

use crate::record::{Image, Phase, Record};
use crate::{BootState, RollbackReason};
use ota_hal::{ResetCause, SlotId};
use thiserror::Error;

/// Why a request does not fit the present state. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BootRefusal {
    /// The image is in the slot that runs. Write and prove it in the other one.
    #[error("the image is in the running slot")]
    RunningSlot,
    /// The running image is on trial, and the other slot is its way back. Confirm or roll back first.
    #[error("the running image is still on trial")]
    OnTrial,
    /// Another image is staged already. Withdraw it with `roll_back` first.
    #[error("another image is already pending")]
    OtherPending,
    /// The image's security counter is below the floor. Offer an image with a higher one.
    #[error("the security counter is below the floor")]
    Downgrade {
        /// Lowest counter accepted.
        floor: u32,
        /// Counter of the image.
        counter: u32,
    },
    /// The trial was given up; only a reset can follow.
    #[error("the trial was given up, a reset is due")]
    GivenUp,
    /// The staged image runs, but the loader did not start it, so it counts as untried. Reset the device.
    #[error("the running image was not started by the loader")]
    NotStarted,
    /// No image is staged or on trial.
    #[error("there is nothing to return to")]
    NothingToReturnTo,
}

impl Record {
    /// The slot a staged image is in.
    #[must_use]
    pub const fn staged(&self) -> SlotId {
        self.home.other()
    }

    /// The record as the program in slot `running` must see it.
    ///
    /// They differ when the loader could not write the journal and started the accepted image instead of the trial,
    /// or the other slot because the accepted image was bad. Without this step the program would confirm, or have
    /// overwritten, an image that is not the one running.
    #[must_use]
    pub fn seen_from(self, running: SlotId) -> Self {
        match self.phase {
            Phase::Testing { last_reset, .. } | Phase::GivenUp { last_reset, .. } if running == self.home => {
                match self.gave_up() {
                    Some(reason) => self.rolled_back(reason, last_reset),
                    None => Self { phase: Phase::Pending, ..self },
                }
            }
            Phase::Confirmed | Phase::RolledBack { .. } if running != self.home => {
                self.fallen_back(ResetCause::Unknown)
            }
            _ => self,
        }
    }

    /// After staging `image` of slot `slot`. `None` when it is staged already.
    pub(crate) fn stage(self, slot: SlotId, image: Image) -> Result<Option<Self>, BootRefusal> {
        if image.security_counter < self.floor {
            return Err(BootRefusal::Downgrade { floor: self.floor, counter: image.security_counter });
        }
        match self.phase {
            Phase::Testing { .. } => Err(BootRefusal::OnTrial),
            Phase::GivenUp { .. } => Err(BootRefusal::GivenUp),
            _ if slot == self.home => Err(BootRefusal::RunningSlot),
            Phase::Pending if self.image == Some(image) => Ok(None),
            Phase::Pending => Err(BootRefusal::OtherPending),
            Phase::Confirmed | Phase::RolledBack { .. } => {
                Ok(Some(Self { phase: Phase::Pending, image: Some(image), ..self }))
            }
        }
    }

    /// After the program in slot `running` accepted itself: the only place where the floor moves.
    /// `None` when it is accepted already.
    pub(crate) fn confirm(self, running: SlotId) -> Result<Option<Self>, BootRefusal> {
        match self.phase {
            Phase::Testing { .. } => {
                let counter = self.image.map_or(0, |image| image.security_counter);
                let (home, floor) = (self.staged(), self.floor.max(counter));
                Ok(Some(Self { home, floor, phase: Phase::Confirmed, ..self }))
            }
            Phase::GivenUp { .. } => Err(BootRefusal::GivenUp),
            Phase::Pending if running != self.home => Err(BootRefusal::NotStarted),
            Phase::Pending | Phase::Confirmed | Phase::RolledBack { .. } => Ok(None),
        }
    }

    /// After withdrawing a staged image or giving up on the one on trial. `None` when that was done already.
    pub(crate) fn roll_back(self, reason: RollbackReason) -> Result<Option<Self>, BootRefusal> {
        match self.phase {
            Phase::Pending => Ok(Some(Self { phase: Phase::Confirmed, image: None, ..self })),
            Phase::Testing { last_reset, .. } => {
                Ok(Some(Self { phase: Phase::GivenUp { reason, last_reset }, ..self }))
            }
            Phase::GivenUp { .. } => Ok(None),
            Phase::Confirmed | Phase::RolledBack { .. } => Err(BootRefusal::NothingToReturnTo),
        }
    }

    /// What the tests compare the loader with: the phase after it spent one attempt; `None` when none is left or nothing is to be tried.
    #[cfg(test)]
    pub(crate) fn spend_attempt(&self, attempts: u8, cause: ResetCause) -> Option<Phase> {
        let left = match self.phase {
            Phase::Pending => attempts,
            Phase::Testing { attempts_left, .. } => attempts_left.min(attempts),
            _ => return None,
        };
        Some(Phase::Testing { attempts_left: left.checked_sub(1)?, last_reset: cause })
    }

    /// Why the trial is over without another start, if it is.
    pub(crate) const fn gave_up(&self) -> Option<RollbackReason> {
        match self.phase {
            Phase::Testing { attempts_left: 0, .. } => Some(RollbackReason::AttemptsUsedUp),
            Phase::GivenUp { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// After the loader returned to `home`.
    pub(crate) const fn rolled_back(self, reason: RollbackReason, cause: ResetCause) -> Self {
        Self { phase: Phase::RolledBack { reason, last_reset: cause }, ..self }
    }

    /// After the loader took the slot that is not `home` because `home` no longer verifies.
    pub(crate) const fn fallen_back(self, cause: ResetCause) -> Self {
        // The image on record is that of `home` only when nothing came after.
        let image = if matches!(self.phase, Phase::Confirmed) { self.image } else { None };
        Self { home: self.home.other(), image, ..self.rolled_back(RollbackReason::ActiveInvalid, cause) }
    }

    /// What the agent is told.
    #[must_use]
    pub const fn state(&self) -> BootState {
        match self.phase {
            Phase::Confirmed => BootState::Confirmed { running: self.home },
            Phase::Pending => BootState::Pending { staged: self.staged() },
            Phase::Testing { attempts_left, last_reset } => {
                BootState::Testing { running: self.staged(), attempts_left, last_reset }
            }
            Phase::GivenUp { last_reset, .. } => {
                BootState::Testing { running: self.staged(), attempts_left: 0, last_reset }
            }
            Phase::RolledBack { reason, last_reset } => {
                BootState::RolledBack { running: self.home, reason, last_reset }
            }
        }
    }
}

#[cfg(test)]
mod tests;
