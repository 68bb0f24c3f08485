//! What may be said to the device.

use super::{WordError, Words};
use crate::identity::{DeviceInfo, InfoError};

/// The commands, for people.
pub const HELP: &str = "\
help                                 this list
version                              version of the running image
devinfo set PK DN DS [PS]            store product key, device name, device secret, product secret
devinfo get | clean                  show (secrets masked) or forget them
ota status                           boot state, job, last outcome
ota check                            ask the cloud for an update
ota confirm | rollback [REASON]      accept or give up the image on trial
ota cancel | defer [SECONDS]         stop the job, or put off the offer that waits
reboot                               restart";

/// How long `ota defer` puts an offer off when it is not told.
const DEFER_S: u32 = 600;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'l> {
    /// Lists the commands.
    Help,
    /// Shows the version.
    Version,
    /// Stores the device's identity.
    SetInfo(DeviceInfo<'l>),
    /// Shows the identity.
    GetInfo,
    /// Forgets the identity.
    CleanInfo,
    /// Shows the state of the update.
    Status,
    /// Asks the cloud for an update.
    Check,
    /// Accepts the image on trial.
    Confirm,
    /// Gives up the image on trial; the reason is for people.
    Rollback(&'l str),
    /// Stops the job.
    Cancel,
    /// Puts off the offer that waits for a decision.
    Defer {
        /// For so long.
        seconds: u32,
    },
    /// Restarts the device.
    Reboot,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The words cannot be told apart.
    Words(WordError),
    /// There is no such command.
    Unknown,
    /// The command wants other words: see `help`.
    Usage,
    /// The identity cannot be one.
    Info(InfoError),
}

impl From<WordError> for CommandError {
    fn from(e: WordError) -> Self {
        Self::Words(e)
    }
}

impl CommandError {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Words(e) => e.text(),
            Self::Unknown => "unknown command, try help",
            Self::Usage => "usage: see help",
            Self::Info(e) => e.text(),
        }
    }
}

impl core::fmt::Display for CommandError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for CommandError {}

/// Reads a command; `None` for an empty line.
///
/// # Examples
/// ```
/// use otaapp::console::{Command, parse};
/// assert_eq!(parse("ota rollback 'display stays dark'"), Ok(Some(Command::Rollback("display stays dark"))));
/// ```
///
/// # Errors
/// [`CommandError`].
pub fn parse(line: &str) -> Result<Option<Command<'_>>, CommandError> {
    const WORDS: usize = 6;
    let mut all = [""; WORDS];
    let mut count = 0;
    for word in Words::new(line) {
        *all.get_mut(count).ok_or(CommandError::Usage)? = word?;
        count += 1;
    }
    let command = match all.get(..count).unwrap_or_default() {
        [] => return Ok(None),
        ["help"] => Command::Help,
        ["version"] => Command::Version,
        ["devinfo", "set", words @ ..] => Command::SetInfo(info(words)?),
        ["devinfo", "get"] => Command::GetInfo,
        ["devinfo", "clean"] => Command::CleanInfo,
        ["ota", "status"] => Command::Status,
        ["ota", "check"] => Command::Check,
        ["ota", "confirm"] => Command::Confirm,
        ["ota", "rollback"] => Command::Rollback(""),
        ["ota", "rollback", reason] => Command::Rollback(reason),
        ["ota", "cancel"] => Command::Cancel,
        ["ota", "defer"] => Command::Defer { seconds: DEFER_S },
        ["ota", "defer", seconds] => Command::Defer { seconds: seconds.parse().map_err(|_| CommandError::Usage)? },
        ["reboot"] => Command::Reboot,
        ["help" | "version" | "devinfo" | "ota" | "reboot", ..] => return Err(CommandError::Usage),
        _ => return Err(CommandError::Unknown),
    };
    Ok(Some(command))
}

fn info<'l>(words: &[&'l str]) -> Result<DeviceInfo<'l>, CommandError> {
    let info = match *words {
        [pk, dn, ds] => DeviceInfo::new(pk, dn, ds, ""),
        [pk, dn, ds, ps] => DeviceInfo::new(pk, dn, ds, ps),
        _ => return Err(CommandError::Usage),
    };
    info.map_err(CommandError::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_of_the_list_is_understood() {
        for (line, command) in [
            ("help", Command::Help),
            (" version ", Command::Version),
            ("devinfo get", Command::GetInfo),
            ("devinfo clean", Command::CleanInfo),
            ("ota status", Command::Status),
            ("ota check", Command::Check),
            ("ota confirm", Command::Confirm),
            ("ota rollback", Command::Rollback("")),
            ("ota cancel", Command::Cancel),
            ("ota defer", Command::Defer { seconds: 600 }),
            ("ota defer 5", Command::Defer { seconds: 5 }),
            ("reboot", Command::Reboot),
        ] {
            assert_eq!(parse(line), Ok(Some(command)), "{line}");
        }
        assert_eq!(parse("  "), Ok(None));
    }

    #[test]
    fn the_product_secret_is_optional() {
        let with = DeviceInfo::new("pk", "dn", "ds", "ps").unwrap();
        let without = DeviceInfo::new("pk", "dn", "ds", "").unwrap();
        assert_eq!(parse("devinfo set pk dn ds ps"), Ok(Some(Command::SetInfo(with))));
        assert_eq!(parse("devinfo set pk dn ds"), Ok(Some(Command::SetInfo(without))));
    }

    #[test]
    fn a_known_word_in_a_wrong_place_shows_the_usage() {
        for line in [
            "ota",
            "ota now",
            "devinfo set pk dn",
            "devinfo set a b c d e",
            "a b c d e f g",
            "ota defer soon",
            "reboot now",
        ] {
            assert_eq!(parse(line), Err(CommandError::Usage), "{line}");
        }
        assert_eq!(parse("reset"), Err(CommandError::Unknown));
        assert_eq!(parse("ota 'x"), Err(CommandError::Words(WordError::Unclosed)));
        assert!(matches!(parse("devinfo set pk a/b ds"), Err(CommandError::Info(_))));
    }
}
