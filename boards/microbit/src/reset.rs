//! Resets and their cause. The emulator does not model the part's cause register (RESETREAS reads as a constant): a
//! word of retained RAM stands for it.
//!
//! | word holds | it means |
//! |---|---|
//! | anything else | power-on |
//! | `RUNNING`, and the cause of this start | a program runs; found at a start, it was reset from outside |
//! | `ANNOUNCED`, and a cause | the reset that follows is for this cause |

use crate::retained::CAUSE;
use ota_hal::{Reset, ResetCause};

const RUNNING: u32 = 0x5255_4E00;
const ANNOUNCED: u32 = 0x5253_5400;
const MARK: u32 = 0xFFFF_FF00;

/// The processor's reset.
#[derive(Debug)]
pub struct Processor {
    cause: ResetCause,
}

impl Processor {
    /// Loader: reads the cause and marks a program as running. Call once, first.
    pub fn started() -> Self {
        let cause = cause_of(CAUSE.read());
        CAUSE.write(RUNNING | cause as u32);
        Self { cause }
    }
}

/// What the word says when a program starts.
fn cause_of(word: u32) -> ResetCause {
    let [low, ..] = word.to_le_bytes();
    match word & MARK {
        RUNNING => ResetCause::Pin,
        ANNOUNCED => ResetCause::from_u8(low),
        _ => ResetCause::PowerOn,
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
    CAUSE.write(ANNOUNCED | cause as u32);
    cortex_m::peripheral::SCB::sys_reset()
}

/// The name of a cause, for a log.
pub const fn text(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Unknown => "Unknown",
        ResetCause::PowerOn => "PowerOn",
        ResetCause::BrownOut => "BrownOut",
        ResetCause::Pin => "Pin",
        ResetCause::Watchdog => "Watchdog",
        ResetCause::Software => "Software",
        ResetCause::Fault => "Fault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_word_is_some_cause() {
        for (word, cause) in [
            (0, ResetCause::PowerOn),
            (u32::MAX, ResetCause::PowerOn),
            (0xCCCC_CCCC, ResetCause::PowerOn),
            (RUNNING | 5, ResetCause::Pin),
            (ANNOUNCED | 6, ResetCause::Fault),
            (ANNOUNCED | 4, ResetCause::Watchdog),
            (ANNOUNCED | 0xEE, ResetCause::Unknown),
        ] {
            assert_eq!(cause_of(word), cause, "{word:#x}");
        }
    }
}
