//! Resets and their cause. The emulated part has no cause register: a word of retained RAM stands for it.
//!
//! | word holds | it means |
//! |---|---|
//! | anything else (0) | power-on |
//! | `RUNNING`, and the cause of this start | a program runs; found at a start, it was reset by hardware: the watchdog |
//! | `ANNOUNCED`, and a cause | the reset that follows is for this cause |
//!
//! A reset by the emulator's monitor looks like the watchdog's: the part cannot tell them apart.

use crate::retained::{CAUSE, STARTS};
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
        let word = CAUSE.read();
        let cause = match word & MARK {
            RUNNING => ResetCause::Watchdog,
            ANNOUNCED => number(word),
            _ => ResetCause::PowerOn,
        };
        CAUSE.write(RUNNING | cause as u32);
        STARTS.write(STARTS.read().wrapping_add(1));
        Self { cause }
    }
    /// Application: the cause that the loader saw.
    pub fn handed_over() -> Self {
        Self { cause: number(CAUSE.read()) }
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
    CAUSE.write(ANNOUNCED | cause as u32);
    cortex_m::peripheral::SCB::sys_reset()
}

fn number(word: u32) -> ResetCause {
    let [low, ..] = word.to_le_bytes();
    ResetCause::from_u8(low)
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
