//! States as words, without formatting machinery.

use super::Console;
use ota_boot::{BootState, RollbackReason};
use ota_hal::{ResetCause, SlotId};
use ota_service::{Notice, Status};
use ota_transport::FailStage;
use otaapp::console::{CommandError, WordError};
use otaapp::identity::InfoError;

/// Prints what an update tells.
pub(crate) fn tell(console: impl Console, notice: Notice<'_>) {
    match notice {
        Notice::Downloading { percent } => numbered(console, "ota: ", u32::from(percent), " %"),
        Notice::Waiting { ms, reason } => {
            console.print("ota: ");
            console.print(reason);
            numbered(console, "; next try in ", ms, " ms");
        }
        Notice::Failed { stage, text } => console.line(&["ota: failed (", stage_word(stage), "): ", text]),
        Notice::Accepted => console.line(&["ota: Accepted"]),
        Notice::Deferred => console.line(&["ota: Deferred"]),
        Notice::Restarted => console.line(&["ota: Restarted"]),
        Notice::Verifying => console.line(&["ota: Verifying"]),
        Notice::Staged => console.line(&["ota: Staged"]),
        Notice::Trial => console.line(&["ota: Trial"]),
        Notice::Confirmed => console.line(&["ota: Confirmed"]),
        Notice::Applied => console.line(&["ota: Applied"]),
        _ => {}
    }
}

/// Prints a number between two texts, then ends the line.
pub(super) fn numbered(console: impl Console, before: &str, number: u32, after: &str) {
    console.print(before);
    console.print_number(number);
    console.line(&[after]);
}

const fn stage_word(stage: FailStage) -> &'static str {
    match stage {
        FailStage::Upgrade => "Upgrade",
        FailStage::Download => "Download",
        FailStage::Verify => "Verify",
        FailStage::Burn => "Burn",
    }
}

/// Prints where the agent stands.
pub(super) fn status(console: impl Console, version: &str, status: Status) {
    let word = match status {
        Status::Idle => "Idle",
        Status::Deferred => "Deferred",
        Status::Downloading { percent } => {
            console.line(&["version ", version]);
            return numbered(console, "Downloading ", u32::from(percent), " %");
        }
        Status::Waiting => "Waiting",
        Status::Verifying => "Verifying",
        Status::Staged => "Staged",
        Status::Trial => "Trial",
        Status::RollingBack => "RollingBack",
        _ => "busy",
    };
    console.line(&["version ", version, ", ", word]);
}

/// Prints the boot record.
pub(super) fn boot_state(console: impl Console, state: BootState, floor: u32) {
    match state {
        BootState::Confirmed { running } => console.line(&["boot: slot ", slot_word(running), " confirmed"]),
        BootState::Pending { staged } => console.line(&["boot: slot ", slot_word(staged), " pending"]),
        BootState::Testing { running, attempts_left, last_reset } => {
            let parts = ["boot: slot ", slot_word(running), " on trial, last reset ", cause_word(last_reset)];
            parts.iter().for_each(|part| console.print(part));
            numbered(console, ", attempts left ", u32::from(attempts_left), "");
        }
        BootState::RolledBack { running, reason, last_reset } => {
            let (slot, why, cause) = (slot_word(running), reason_word(reason), cause_word(last_reset));
            console.line(&["boot: rolled back to slot ", slot, ": ", why, ", last reset ", cause]);
        }
    }
    numbered(console, "security floor ", floor, "");
}

/// The name of a slot.
pub(super) const fn slot_word(slot: SlotId) -> &'static str {
    match slot {
        SlotId::A => "A",
        SlotId::B => "B",
    }
}

const fn cause_word(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Unknown => "unknown",
        ResetCause::PowerOn => "power-on",
        ResetCause::BrownOut => "brown-out",
        ResetCause::Pin => "pin",
        ResetCause::Watchdog => "watchdog",
        ResetCause::Software => "software",
        ResetCause::Fault => "fault",
    }
}

const fn reason_word(reason: RollbackReason) -> &'static str {
    match reason {
        RollbackReason::Unknown(_) => "unknown reason",
        RollbackReason::AttemptsUsedUp => "all attempts used up",
        RollbackReason::ImageInvalid => "the image did not verify",
        RollbackReason::ActiveInvalid => "the active image stopped verifying",
        RollbackReason::GateFailed(_) => "a health gate failed",
        RollbackReason::GateTimeout(_) => "a health gate timed out",
        RollbackReason::Requested => "requested",
    }
}

/// Why a line is no command. The same texts as the errors' `Display`.
pub(super) const fn command_error(error: &CommandError) -> &'static str {
    match error {
        CommandError::Words(WordError::Unclosed) => "a quote is not closed",
        CommandError::Words(WordError::Misplaced) => "a quote must enclose a whole word",
        CommandError::Unknown => "unknown command, try help",
        CommandError::Info(error) => info_error(error),
        _ => "usage: see help",
    }
}

/// Why an identity was refused.
pub(super) const fn info_error(error: &InfoError) -> &'static str {
    match error {
        InfoError::ProductKey => "the product key has 1 to 20 characters without / + # and blanks",
        InfoError::DeviceName => "the device name has 1 to 32 characters without / + # and blanks",
        InfoError::Secret => "a secret has at most 64 characters",
        _ => "the stored identity cannot be read",
    }
}
