//! How much a decoder remembers, and which instruction sets it knows: both chosen by type.

use crate::map::Entry;

/// A profile as the header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileId {
    /// The decoder needs at most 2,304 bytes of RAM.
    S,
    /// The decoder needs at most 4,096 bytes of RAM.
    M,
}

impl ProfileId {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::S),
            1 => Some(Self::M),
            _ => None,
        }
    }

    #[cfg(feature = "std")]
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::S => 0,
            Self::M => 1,
        }
    }
}

/// The size of a decoder's memory: [`S`] or [`M`].
pub trait Profile: sealed::Sealed + Clone {
    /// As the header names it.
    const ID: ProfileId;
    #[doc(hidden)]
    type Slots: AsRef<[u8]> + AsMut<[u8]> + Copy;
    #[doc(hidden)]
    type Map: AsRef<[Entry]> + AsMut<[Entry]> + Copy;
    #[doc(hidden)]
    const SLOTS: Self::Slots;
    #[doc(hidden)]
    const MAP: Self::Map;
}

/// At most 2,304 bytes of decoder state.
#[derive(Debug, Clone, Copy)]
pub struct S;
/// At most 4,096 bytes of decoder state.
#[derive(Debug, Clone, Copy)]
pub struct M;

macro_rules! profile {
    ($name:ident, $slots:expr, $map:expr) => {
        impl Profile for $name {
            const ID: ProfileId = ProfileId::$name;
            type Slots = [u8; $slots];
            type Map = [Entry; $map];
            const SLOTS: Self::Slots = [0; $slots];
            const MAP: Self::Map = [Entry::UNUSED; $map];
        }
        impl sealed::Sealed for $name {}
    };
}

profile!(S, 384, 45);
profile!(M, 1536, 125);

mod sealed {
    pub trait Sealed {}
}
