//! How the last update ended, for `ota status`.

use core::fmt;
use ota_boot::{BootState, RollbackReason};
use ota_service::Notice;
use ota_transport::FailStage;

/// As much of a reason as is kept; the agent's own are no longer.
const TEXT_MAX: usize = 96;

/// How the last update of this start ended. What a trial came to under other firmware is in the boot record:
/// [`Outcome::or_of_boot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// None has ended.
    #[default]
    None,
    /// The image on trial was accepted.
    Confirmed,
    /// A component that needs no reset was installed.
    Applied,
    /// It ended without a new version.
    Failed {
        /// At which step.
        stage: FailStage,
        /// Why.
        text: Text,
    },
    /// The image on trial was given up.
    RolledBack(RollbackReason),
}

impl Outcome {
    /// Takes note of what the agent tells.
    pub fn note(&mut self, notice: &Notice<'_>) {
        *self = match *notice {
            Notice::Confirmed => Self::Confirmed,
            Notice::Applied => Self::Applied,
            Notice::Failed { stage, text } => Self::Failed { stage, text: Text::new(text) },
            _ => return,
        };
    }

    /// This outcome, or when nothing has ended since the start, the one in the boot record.
    #[must_use]
    pub const fn or_of_boot(self, state: &BootState) -> Self {
        match (self, state) {
            (Self::None, BootState::RolledBack { reason, .. }) => Self::RolledBack(*reason),
            _ => self,
        }
    }
}

/// A short text, kept without a heap; longer ones are cut between characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Text {
    fn new(text: &str) -> Self {
        let mut len = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; TEXT_MAX];
        for (to, from) in bytes.iter_mut().zip(text.bytes().take(len)) {
            *to = from;
        }
        Self { bytes, len }
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ota_hal::{ResetCause, SlotId};

    const BACK: BootState = BootState::RolledBack {
        running: SlotId::A,
        reason: RollbackReason::GateFailed(0),
        last_reset: ResetCause::Software,
    };

    #[test]
    fn a_new_job_does_not_hide_how_the_last_one_ended() {
        let mut last = Outcome::default();
        last.note(&Notice::Confirmed);
        for notice in [Notice::Accepted, Notice::Downloading { percent: 3 }, Notice::Staged, Notice::Trial] {
            last.note(&notice);
            assert_eq!(last, Outcome::Confirmed);
        }
    }

    #[test]
    fn a_rollback_is_known_from_the_boot_record_until_something_newer_ends() {
        let mut last = Outcome::None;
        assert_eq!(last.or_of_boot(&BACK), Outcome::RolledBack(RollbackReason::GateFailed(0)));
        assert_eq!(last.or_of_boot(&BootState::Confirmed { running: SlotId::A }), Outcome::None);
        last.note(&Notice::Failed { stage: FailStage::Download, text: "x" });
        assert_eq!(last.or_of_boot(&BACK), last);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let text = "é".repeat(60);
        assert_eq!(Text::new(&text).as_str(), "é".repeat(48));
        assert_eq!(Text::new(&text[..2]).as_str(), "é");
        assert_eq!(Text::new(&std::format!("a{text}")).as_str().len(), 95);
    }
}
