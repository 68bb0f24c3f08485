//! Resets and their cause. The emulator does not model the part's cause register (RESETREAS reads as a constant): a
//! word of retained RAM stands for it. See [`common::cause`]; unannounced, a running program is reset from outside.

use crate::retained::CAUSE;
use common::cause::{announced, at_start, running};
use ota_hal::{Reset, ResetCause};

/// The processor's reset.
#[derive(Debug)]
pub struct Processor {
    cause: ResetCause,
}

impl Processor {
    /// Loader: reads the cause and marks a program as running. Call once, first.
    pub fn started() -> Self {
        let cause = at_start(CAUSE.read(), ResetCause::Pin);
        CAUSE.write(running(cause));
        Self { cause }
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
