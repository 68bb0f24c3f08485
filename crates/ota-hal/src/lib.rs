#![no_std]
#![doc = include_str!("../README.md")]

pub mod crc;
pub mod flash;
pub mod journal;
pub mod layout;
pub mod region;
pub mod reset;
pub mod time;

pub use flash::{Flash, Shared, SharedError};
pub use journal::{Journal, JournalError, Kind, SharedJournal};
pub use layout::{Layout, LayoutError, Partition, SlotId};
pub use region::{PastEnd, ReadAt, Region, RegionError};
pub use reset::{NoWatchdog, Reset, ResetCause, Watchdog};
pub use time::{Clock, Entropy, Millis, Timer};
