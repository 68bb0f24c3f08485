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

    /// Its name, for a log without `core::fmt`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::PowerOn => "PowerOn",
            Self::BrownOut => "BrownOut",
            Self::Pin => "Pin",
            Self::Watchdog => "Watchdog",
            Self::Software => "Software",
            Self::Fault => "Fault",
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn every_number_is_some_cause() {
        for n in 0..=u8::MAX {
            let cause = ResetCause::from_u8(n);
            assert_eq!(cause as u8, if n <= 6 { n } else { 0 });
            assert_eq!(cause.name(), std::format!("{cause:?}"));
        }
    }

    #[test]
    fn a_lent_watchdog_is_fed() {
        struct Count(u32);
        impl Watchdog for Count {
            fn feed(&mut self) {
                self.0 += 1;
            }
        }
        fn work(mut watchdog: impl Watchdog) {
            watchdog.feed();
        }
        let mut count = Count(0);
        work(&mut count);
        work(&mut count);
        work(NoWatchdog);
        assert_eq!(count.0, 2);
    }
}
