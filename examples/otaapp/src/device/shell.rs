//! Carries out what is typed on the console.

use super::input::Input;
use super::words::{boot_state, identity, ignored, last_outcome, numbered, status};
use super::{After, Console, Device, Platform};
use crate::console::{Command, HELP, parse};
use crate::identity::{DeviceInfo, INFO_MAX};
use crate::product::VERSION;
use ota_boot::{Boot, BootControl, RollbackReason};
use ota_hal::{Kind, Millis, SharedJournal};
use ota_service::Drive;

/// The console: a line, and hands to carry it out. Apart, so that the line can be carried out while it is borrowed.
#[allow(missing_debug_implementations, reason = "made of a board's types, which need none")]
pub struct Shell<'j, P: Platform> {
    pub(super) input: Input,
    pub(super) hands: Hands<'j, P>,
}

/// What a command may touch beside the agent.
pub(super) struct Hands<'j, P: Platform> {
    boot: Boot<'j, P::Flash>,
    journal: SharedJournal<'j, P::Flash>,
    pub(super) console: P::Console,
}

impl<'j, P: Platform> Shell<'j, P> {
    /// A shell on `console`.
    pub const fn new(boot: Boot<'j, P::Flash>, journal: SharedJournal<'j, P::Flash>, console: P::Console) -> Self {
        Self { input: Input::new(), hands: Hands { boot, journal, console } }
    }
}

impl<P: Platform> Hands<'_, P> {
    /// Does what `line` says.
    pub(super) fn execute(&mut self, line: &str, agent: &mut Device<'_, P>, now: Millis) -> After {
        match parse(line) {
            Ok(Some(command)) => self.carry_out(command, agent, now),
            Ok(None) => After::Continue,
            Err(e) => self.say(e.text()),
        }
    }

    fn carry_out(&mut self, command: Command<'_>, agent: &mut Device<'_, P>, now: Millis) -> After {
        match command {
            Command::Help => self.say(HELP),
            Command::Version => self.say(VERSION),
            Command::SetInfo(info) => self.store(&info),
            Command::GetInfo => self.show_identity(),
            Command::CleanInfo => self.done(self.journal.remove(Kind::App).is_ok(), After::Reconnect),
            Command::Status => self.show_status(agent),
            Command::Check => {
                agent.query();
                self.say("asking the cloud")
            }
            Command::Confirm => self.on_trial(agent.confirm(now).is_ok()),
            Command::Rollback(reason) => {
                if !reason.is_empty() {
                    self.console.line(&["rolling back: ", reason]);
                }
                self.on_trial(agent.roll_back(RollbackReason::Requested, now).is_ok())
            }
            Command::Cancel => {
                agent.cancel(now);
                After::Continue
            }
            Command::Defer { seconds } => {
                agent.app().defer_next(seconds.saturating_mul(1000));
                numbered(self.console, "the next offer waits for ", seconds, " s");
                After::Continue
            }
            Command::Reboot => After::Reset,
        }
    }

    /// The stored identity, if there is one.
    pub(super) fn identity<'b>(&self, record: &'b mut [u8; INFO_MAX]) -> Option<DeviceInfo<'b>> {
        let record = self.journal.read(Kind::App, record).ok()??;
        let info = DeviceInfo::decode(record);
        info.inspect_err(|e| self.console.line(&[e.text()])).ok()
    }

    fn store(&self, info: &DeviceInfo<'_>) -> After {
        let mut record = [0; INFO_MAX];
        self.done(self.journal.append(Kind::App, info.encode(&mut record)).is_ok(), After::Reconnect)
    }

    fn show_identity(&self) -> After {
        let mut record = [0; INFO_MAX];
        match self.journal.read(Kind::App, &mut record).map(|record| record.map(DeviceInfo::decode)) {
            Ok(Some(Ok(info))) => identity(self.console, &info),
            Ok(Some(Err(e))) => self.console.line(&[e.text()]),
            Ok(None) => self.console.line(&["no device identity"]),
            Err(_) => self.console.line(&["failed: the journal"]),
        }
        After::Continue
    }

    fn show_status(&mut self, agent: &mut Device<'_, P>) -> After {
        status(self.console, VERSION, agent.status());
        ignored(self.console, agent.app().ignored());
        match (self.boot.state(), self.boot.security_floor()) {
            (Ok(state), Ok(floor)) => {
                last_outcome(self.console, agent.app().last_outcome().or_of_boot(&state));
                boot_state(self.console, state, floor);
            }
            _ => self.console.line(&["boot: the journal failed"]),
        }
        After::Continue
    }

    fn say(&self, text: &str) -> After {
        self.console.line(&[text]);
        After::Continue
    }

    fn on_trial(&self, done: bool) -> After {
        self.say(if done { "ok" } else { "failed: NotOnTrial" })
    }

    fn done(&self, stored: bool, after: After) -> After {
        self.console.line(&[if stored { "ok" } else { "failed: the journal" }]);
        if stored { after } else { After::Continue }
    }
}
