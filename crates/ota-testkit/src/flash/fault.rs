//! What the simulated flash can be told to do wrong, and what it says then.

use super::Tear;
use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};

/// Why an operation on the simulated flash failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimError {
    /// The power is off: call [`super::SimFlash::power_on`].
    NoPower,
    /// The code under test broke a rule of the part; see [`super::SimFlash::violation`].
    Violation(Violation),
    /// The cells hold no valid data (an ECC fault).
    Corrupt,
    /// A fault that the test asked for.
    Injected,
}

impl NorFlashError for SimError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Violation(Violation::OutOfBounds { .. }) => NorFlashErrorKind::OutOfBounds,
            Self::Violation(Violation::NotAligned { .. }) => NorFlashErrorKind::NotAligned,
            _ => NorFlashErrorKind::Other,
        }
    }
}

/// A rule of the part that the code under test broke. The operation is refused, and the first one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The range ends past the part.
    OutOfBounds {
        /// First byte.
        at: u32,
        /// Length.
        len: u32,
    },
    /// Start or length is not a multiple of the read size, the write size, or a sector edge.
    NotAligned {
        /// First byte.
        at: u32,
        /// Length.
        len: u32,
    },
    /// A unit was written more often than the [`super::WriteRule`] allows since the last complete erase.
    Rewritten {
        /// First byte of the unit.
        at: u32,
    },
    /// A write would bring a bit back to its erased value; only an erase can.
    Unerased {
        /// The byte.
        at: u32,
    },
}

/// How often a write unit may be programmed between two erases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteRule {
    /// Once, as on parts with ECC.
    #[default]
    Once,
    /// Twice, as on some parts that allow a second pass to clear more bits.
    Twice,
    /// As often as one likes, as long as bits only leave their erased value.
    Clear,
    /// As [`WriteRule::Clear`], and also after a torn erase: cells that look erased may be written. No part promises
    /// this; software that fails even here fails for a reason of its own.
    Forgiving,
}

impl WriteRule {
    /// Whether a unit that was written `writes` times, or torn by an erase (`u8::MAX`), may be written again.
    pub(super) const fn allows(self, writes: u8) -> bool {
        match self {
            Self::Once => writes < 1,
            Self::Twice => writes < 2,
            Self::Clear => writes < u8::MAX,
            Self::Forgiving => true,
        }
    }
}

/// What happens at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// Number of the operation.
    pub(super) op: u64,
    /// How far it gets.
    pub(super) tear: Tear,
    /// Whether the power goes, or only this operation fails.
    pub(super) cut: bool,
}
