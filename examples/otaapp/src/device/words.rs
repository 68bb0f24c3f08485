//! States as words, without formatting machinery.

use super::Console;
use super::server::Server;
use crate::identity::DeviceInfo;
use crate::ignored::Ignored;
use crate::outcome::Outcome;
use ota_boot::{BootState, RollbackReason};
use ota_hal::SlotId;
use ota_service::{Notice, Status};
use ota_transport::FailStage;

/// Prints what an update tells.
pub fn tell(console: impl Console, notice: Notice<'_>) {
    match notice {
        Notice::Downloading { percent } => numbered(console, "ota: ", u32::from(percent), " %"),
        Notice::Waiting { ms, reason } => {
            console.print("ota: ");
            console.print(reason);
            numbered(console, "; next try in ", ms, " ms");
        }
        Notice::Failed { stage, text } => console.line(&["ota: failed (", stage_word(stage), "): ", text]),
        Notice::Ignored { text, detail } => console.line(&["ota: ignored: ", text, detail]),
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

/// Prints who is asked from now on.
pub(super) fn asking(console: impl Console, server: Server<'_>) {
    let [open, close] = if server.host.contains(':') { ["[", "]"] } else { ["", ""] };
    ["coap: asking ", open, server.host, close, ":"].iter().for_each(|part| console.print(part));
    numbered(console, "", u32::from(server.port), "");
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
            ["version ", version, ", "].iter().for_each(|part| console.print(part));
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

/// Prints who the device is. Never a secret: what is printed ends up in logs.
pub(super) fn identity(console: impl Console, info: &DeviceInfo<'_>) {
    let mask = |secret: &str| if secret.is_empty() { "-" } else { "****" };
    let secrets = [info.device_secret(), info.product_secret()].map(mask);
    console.line(&["pk ", info.product_key(), " dn ", info.device_name(), " ds ", secrets[0], " ps ", secrets[1]]);
}

/// Prints how the last update ended.
pub(super) fn last_outcome(console: impl Console, last: Outcome) {
    console.print("last outcome ");
    match last {
        Outcome::None => console.line(&["none since this start"]),
        Outcome::Confirmed => console.line(&["done: installed and confirmed"]),
        Outcome::Applied => console.line(&["done: component installed"]),
        Outcome::Failed { stage, text } => console.line(&["failed (", stage_word(stage), "): ", text.as_str()]),
        Outcome::RolledBack(reason) => {
            console.print("rolled back: ");
            reason_line(console, reason);
        }
    }
}

/// Prints how many offers were not looked at, and why, if there were any.
pub(super) fn ignored(console: impl Console, ignored: Ignored) {
    if ignored.count != 0 {
        console.print("ignored offers ");
        console.print_number(ignored.count);
        console.line(&[", the last: ", ignored.text, ignored.detail]);
    }
}

fn reason_line(console: impl Console, reason: RollbackReason) {
    match reason {
        RollbackReason::AttemptsUsedUp => console.line(&["all trial starts used up"]),
        RollbackReason::ImageInvalid => console.line(&["image not valid at boot"]),
        RollbackReason::ActiveInvalid => console.line(&["running image no longer valid"]),
        RollbackReason::GateFailed(gate) => numbered(console, "health gate ", u32::from(gate), " failed"),
        RollbackReason::GateTimeout(gate) => numbered(console, "health gate ", u32::from(gate), " timed out"),
        RollbackReason::Requested => console.line(&["requested"]),
        RollbackReason::Unknown(number) => numbered(console, "reason ", u32::from(number), ", unknown here"),
    }
}

/// Prints the boot record.
pub(super) fn boot_state(console: impl Console, state: BootState, floor: u32) {
    let print = |parts: &[&str]| parts.iter().for_each(|part| console.print(part));
    match state {
        BootState::Confirmed { running } => print(&["boot Confirmed { running: ", slot_word(running)]),
        BootState::Pending { staged } => print(&["boot Pending { staged: ", slot_word(staged)]),
        BootState::Testing { running, attempts_left, last_reset } => {
            print(&["boot Testing { running: ", slot_word(running), ", attempts_left: "]);
            console.print_number(u32::from(attempts_left));
            print(&[", last_reset: ", last_reset.name()]);
        }
        BootState::RolledBack { running, reason, last_reset } => {
            print(&["boot RolledBack { running: ", slot_word(running), ", reason: ", reason_word(reason)]);
            print(&[", last_reset: ", last_reset.name()]);
        }
    }
    numbered(console, " }, security floor ", floor, "");
}

/// The name of a slot.
const fn slot_word(slot: SlotId) -> &'static str {
    match slot {
        SlotId::A => "A",
        SlotId::B => "B",
    }
}

const fn reason_word(reason: RollbackReason) -> &'static str {
    match reason {
        RollbackReason::Unknown(_) => "Unknown",
        RollbackReason::AttemptsUsedUp => "AttemptsUsedUp",
        RollbackReason::ImageInvalid => "ImageInvalid",
        RollbackReason::ActiveInvalid => "ActiveInvalid",
        RollbackReason::GateFailed(_) => "GateFailed",
        RollbackReason::GateTimeout(_) => "GateTimeout",
        RollbackReason::Requested => "Requested",
    }
}

#[cfg(test)]
mod tests;
