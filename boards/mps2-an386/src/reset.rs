//! Resets and their cause. The emulated part has no cause register: a word of retained RAM stands for it.
//! See [`common::cause`]; unannounced, a running program is reset by the watchdog.
//!
//! A reset by the emulator's monitor looks like the watchdog's: the part cannot tell them apart.

use crate::retained::{CAUSE, STARTS};
use common::cause::{announced, at_start, handed_over, running};
use ota_hal::{Reset, ResetCause};

/// The processor's reset.
#[derive(Debug)]
pub struct Processor {
    cause: ResetCause,
}

impl Processor {
    /// Loader: reads the cause and marks a program as running. Call once, first.
    pub fn started() -> Self {
        let cause = at_start(CAUSE.read(), ResetCause::Watchdog);
        CAUSE.write(running(cause));
        STARTS.write(STARTS.read().wrapping_add(1));
        Self { cause }
    }
    /// Application: the cause that the loader saw.
    pub fn handed_over() -> Self {
        Self { cause: handed_over(CAUSE.read()) }
    }
    /// How often the loader started since power-on.
    pub fn starts(&self) -> u32 {
        STARTS.read()
    }
}

impl Reset for Processor {
    fn reset(&mut self) -> ! {
        reset(ResetCause::Software)
    }
    fn cause(&self) -> ResetCause {
        self.cause
    }
}

/// Restarts and says why.
pub fn reset(cause: ResetCause) -> ! {
    CAUSE.write(announced(cause));
    cortex_m::peripheral::SCB::sys_reset()
}
