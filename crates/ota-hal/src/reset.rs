//! Resets and the watchdog.

/// Why the processor last started. Stored beside rollback reasons, so that a brown-out is not mistaken for a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResetCause {
    /// The board cannot tell.
    Unknown = 0,
    /// Power was applied.
    PowerOn = 1,
    /// The supply sagged.
    BrownOut = 2,
    /// The reset pin.
    Pin = 3,
    /// The watchdog ran out: the program hung.
    Watchdog = 4,
    /// The program asked for it.
    Software = 5,
    /// A fault handler: the program crashed.
    Fault = 6,
}

impl ResetCause {
    /// Total decode: an unknown number is [`ResetCause::Unknown`].
    pub const fn from_u8(n: u8) -> Self {
        match n {
            1 => Self::PowerOn,
            2 => Self::BrownOut,
            3 => Self::Pin,
            4 => Self::Watchdog,
            5 => Self::Software,
            6 => Self::Fault,
            _ => Self::Unknown,
        }
    }
}

/// Restarts the processor.
pub trait Reset {
    /// Restarts now; never returns.
    fn reset(&mut self) -> !;
    /// Why the processor started this time.
    fn cause(&self) -> ResetCause;
}

/// A watchdog that is already running.
pub trait Watchdog {
    /// Restarts its countdown. Called before each flash operation of the loader and between steps of the agent.
    fn feed(&mut self);
}

/// A board without a watchdog. A hang is then a hang: prefer the real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWatchdog;
impl Watchdog for NoWatchdog {
    fn feed(&mut self) {}
}
impl<W: Watchdog> Watchdog for &mut W {
    fn feed(&mut self) {
        (**self).feed();
    }
}
