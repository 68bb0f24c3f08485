//! Carries out what is typed on the console.

use super::clock::Uptime;
use super::{Device, Flash};
use ota_boot::{Boot, BootControl, RollbackReason};
use ota_hal::{Clock, Kind, SharedJournal};
use ota_service::Drive;
use otaapp::console::{Command, HELP, Line, parse};
use otaapp::identity::{DeviceInfo, INFO_MAX};
use otaapp::product::VERSION;
use tokio::io::{AsyncReadExt, Stdin, stdin};

const LINE: usize = 256;

/// What to do after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Go on.
    Continue,
    /// The device has another identity, or none.
    Reconnect,
    /// Restart.
    Reset,
}

/// The console.
pub(crate) struct Shell<'j> {
    boot: Boot<'j, Flash<'j>>,
    journal: SharedJournal<'j, Flash<'j>>,
    stdin: Stdin,
    line: Line<LINE>,
    typed: Vec<u8>,
}

impl<'j> Shell<'j> {
    pub(crate) fn new(boot: Boot<'j, Flash<'j>>, journal: SharedJournal<'j, Flash<'j>>) -> Self {
        Self { boot, journal, stdin: stdin(), line: Line::new(), typed: Vec::new() }
    }

    /// The next line. Cancel-safe: bytes taken from stdin stay in `typed` until they made a line.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            while !self.typed.is_empty() {
                match self.line.push(self.typed.remove(0)) {
                    Some(Ok(line)) => return line.to_owned(),
                    Some(Err(e)) => println!("dropped: {e:?}"),
                    None => {}
                }
            }
            let mut bytes = [0; 64];
            match self.stdin.read(&mut bytes).await {
                Ok(n @ 1..) => self.typed.extend_from_slice(&bytes[..n]),
                // A UART has no end; a board without one leaves stdin closed.
                _ => std::future::pending().await,
            }
        }
    }

    pub(crate) fn execute(&mut self, line: &str, agent: &mut Device<'_>, clock: &Uptime) -> After {
        match parse(line) {
            Ok(Some(command)) => self.carry_out(command, agent, clock),
            Ok(None) => After::Continue,
            Err(e) => {
                println!("{e}");
                After::Continue
            }
        }
    }

    fn carry_out(&mut self, command: Command<'_>, agent: &mut Device<'_>, clock: &Uptime) -> After {
        match command {
            Command::Help => println!("{HELP}"),
            Command::Version => println!("{VERSION}"),
            Command::SetInfo(info) => return self.store(&info),
            Command::GetInfo => self.show_identity(),
            Command::CleanInfo => return done(self.journal.remove(Kind::App), After::Reconnect),
            Command::Status => self.show_status(agent),
            Command::Check => {
                agent.query();
                println!("asking the cloud");
            }
            Command::Confirm => return done(agent.confirm(clock.now()), After::Continue),
            Command::Rollback(reason) => {
                if !reason.is_empty() {
                    println!("rolling back: {reason}");
                }
                return done(agent.roll_back(RollbackReason::Requested, clock.now()), After::Continue);
            }
            Command::Cancel => agent.cancel(clock.now()),
            Command::Defer { seconds } => {
                agent.app().defer_next(seconds.saturating_mul(1000));
                println!("the next offer waits for {seconds} s");
            }
            Command::Reboot => return After::Reset,
        }
        After::Continue
    }

    fn store(&mut self, info: &DeviceInfo<'_>) -> After {
        let mut record = [0; INFO_MAX];
        done(self.journal.append(Kind::App, info.encode(&mut record)), After::Reconnect)
    }

    fn show_identity(&self) {
        let mut record = [0; INFO_MAX];
        match self.journal.read(Kind::App, &mut record).map(|record| record.map(DeviceInfo::decode)) {
            Ok(Some(Ok(info))) => println!("{info}"),
            Ok(Some(Err(e))) => println!("{e}"),
            Ok(None) => println!("no device identity"),
            Err(e) => println!("failed: {e:?}"),
        }
    }

    fn show_status(&mut self, agent: &mut Device<'_>) {
        println!("version {VERSION}, {:?}", agent.status());
        let last = agent.app().last_outcome();
        match (self.boot.state(), self.boot.security_floor()) {
            (Ok(state), Ok(floor)) => {
                println!("last outcome {}", last.or_of_boot(&state));
                println!("boot {state:?}, security floor {floor}");
            }
            (Err(e), _) | (_, Err(e)) => println!("boot record: {e:?}"),
        }
    }
}

fn done<E: std::fmt::Debug>(result: Result<(), E>, after: After) -> After {
    match result {
        Ok(()) => {
            println!("ok");
            after
        }
        Err(e) => {
            println!("failed: {e:?}");
            After::Continue
        }
    }
}
