//! The processor: starts a payload, is its watchdog, and sees why it stopped.

use crate::console::Uart;
use crate::file_flash::DeviceLock;
use crate::payload::Sealed;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use ota_hal::ResetCause;
use std::ffi::{CString, OsString};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// With this exit code the application asks for a reset.
pub const EXIT_RESET: u8 = 75;

/// First argument of the board binary when it starts itself to become the payload.
pub const LAUNCH: &str = "launch-payload";

/// How often the board looks whether the program lives. Its end of the watchdog pipe says so at once, unless a process
/// it started has that too.
const LOOK: Duration = Duration::from_millis(20);

/// Names of the environment variables that carry the hardware to the application.
pub mod env {
    /// Path of the flash file.
    pub const FLASH: &str = "OTA_BOARD_FLASH";
    /// Descriptor that feeds the watchdog; any byte feeds.
    pub const WATCHDOG: &str = "OTA_BOARD_WATCHDOG";
    /// Number of the reset cause.
    pub const CAUSE: &str = "OTA_BOARD_CAUSE";
    /// Key blobs, separated by commas.
    pub const KEYS: &str = "OTA_BOARD_KEYS";
    /// Vendor id.
    pub const VENDOR: &str = "OTA_BOARD_VENDOR";
    /// Class id.
    pub const CLASS: &str = "OTA_BOARD_CLASS";
    /// The slot that runs: `A` or `B`.
    pub const SLOT: &str = "OTA_BOARD_SLOT";
}

/// Why the payload stopped, in the words of a reset controller, and in those of Linux for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The cause the next boot will see.
    pub cause: ResetCause,
    /// What happened, for people.
    pub text: String,
}

/// What runs payloads.
#[derive(Debug)]
pub struct Processor<'a> {
    /// The board binary; started as `LAUNCH fd` it becomes the payload, see [`launch`].
    pub launcher: &'a Path,
    /// Where the payload's UART leads.
    pub uart: &'a Uart,
    /// Held by the payload too, as long as it lives.
    pub lock: Option<&'a DeviceLock>,
    /// A payload that does not feed its watchdog for this long is killed.
    pub watchdog: Duration,
}

impl Processor<'_> {
    /// Runs `payload` until it stops, with `vars` in its environment. What the payload started ends with it.
    ///
    /// Of the board's own environment it sees `PATH`, `RUST_BACKTRACE` and what begins with `OTA_`, but not what is
    /// named in [`mod@env`].
    ///
    /// Must be called from a thread that lives as long as the board: the payload dies with that thread.
    ///
    /// # Errors
    /// When the payload cannot be started or watched; none is left running.
    pub fn run(&self, payload: &Sealed, vars: &[(&str, String)]) -> io::Result<Stopped> {
        let (mut feed, feeder) = io::pipe()?;
        inheritable(&feeder)?;
        inheritable(payload.file())?;
        if let Some(lock) = self.lock {
            inheritable(lock.file())?;
        }
        let mut child = Command::new(self.launcher)
            .args([LAUNCH, &payload.file().as_raw_fd().to_string()])
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| passes(name)))
            .env(env::WATCHDOG, feeder.as_raw_fd().to_string())
            .envs(vars.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        drop(feeder);
        let group = Pid::from_raw(child.id().cast_signed());
        let end = self.uart.attach(&mut child).and_then(|()| watch(group, &mut feed, self.watchdog));
        // Before the program is reaped: until then its number cannot become that of another group.
        let _ = killpg(group, Signal::SIGKILL);
        let status = child.wait();
        self.uart.detach();
        match end? {
            End::Stopped => Ok(stopped_by(status?)),
            End::NotFed => {
                let text = format!("watchdog: not fed for {} ms", self.watchdog.as_millis());
                Ok(Stopped { cause: ResetCause::Watchdog, text })
            }
        }
    }
}

/// Whether the payload may see this variable of the board's environment: the rest belongs to the host.
fn passes(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| {
        matches!(name, "PATH" | "RUST_BACKTRACE") || (name.starts_with("OTA_") && !name.starts_with("OTA_BOARD_"))
    })
}

/// Why there is nothing more to watch.
enum End {
    /// The program stopped by itself, or was stopped by somebody else.
    Stopped,
    /// The watchdog bites.
    NotFed,
}

/// Replaces this process by the payload behind descriptor `fd`; returns only when that failed.
///
/// From here on the payload dies when its board does, whatever it is and whether or not it cooperates.
pub fn launch(fd: &str) -> io::Error {
    if let Err(e) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL) {
        return e.into();
    }
    let Ok(path) = CString::new(format!("/proc/self/fd/{fd}")) else {
        return io::ErrorKind::InvalidInput.into();
    };
    // Not `Command::exec`: it would hand what is no executable to a shell.
    match nix::unistd::execv(&path, &[c"payload"]) {
        Err(e) => e.into(),
    }
}

fn inheritable(fd: impl AsFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// Leaves the program unreaped.
fn watch(program: Pid, feed: &mut PipeReader, timeout: Duration) -> io::Result<End> {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut deadline = Instant::now() + timeout;
    let mut bytes = [0; 64];
    loop {
        if waitid(Id::Pid(program), ended)? != WaitStatus::StillAlive {
            return Ok(End::Stopped);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(End::NotFed);
        }
        let ms = u16::try_from(left.min(LOOK).as_millis().max(1)).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(feed.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(ms))? == 0 {
            continue;
        }
        if feed.read(&mut bytes)? > 0 {
            deadline = Instant::now() + timeout;
        } else {
            // The last writer is gone: the payload is ending, or has given its feeder away for good.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn stopped_by(status: ExitStatus) -> Stopped {
    use nix::libc::{SIGINT, SIGKILL, SIGTERM};
    let (cause, text) = match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(EXIT_RESET) => (ResetCause::Software, "software reset".to_owned()),
        (Some(code), _) => (ResetCause::Fault, format!("program ended with exit code {code}")),
        // Sent by somebody outside, as one presses a reset button; a crash never raises these.
        (None, Some(signal @ (SIGKILL | SIGTERM | SIGINT))) => (ResetCause::Pin, format!("killed by signal {signal}")),
        (None, Some(signal)) => (ResetCause::Fault, format!("crashed with signal {signal}")),
        (None, None) => (ResetCause::Unknown, "stopped".to_owned()),
    };
    Stopped { cause, text }
}
