//! The application's end of the watchdog and of the reset line.

use crate::supervisor::EXIT_RESET;
use ota_hal::{Reset, ResetCause, Watchdog};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// Feeds the board's watchdog.
#[derive(Debug)]
pub struct Feeder(File);

impl Feeder {
    /// The feeder behind an inherited descriptor.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn open(fd: u32) -> io::Result<Self> {
        // Opened by name: taking over a bare descriptor number needs unsafe code.
        Ok(Self(OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}"))?))
    }
    /// A second feeder of the same watchdog.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl Watchdog for Feeder {
    fn feed(&mut self) {
        // A board that is gone does not need to be told; this process ends with it.
        let _ = self.0.write_all(&[1]);
    }
}

/// Restarts the simulated processor by ending the process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessReset {
    pub(crate) cause: ResetCause,
}

impl Reset for ProcessReset {
    fn reset(&mut self) -> ! {
        let _ = io::stdout().flush();
        std::process::exit(i32::from(EXIT_RESET))
    }
    fn cause(&self) -> ResetCause {
        self.cause
    }
}
