#![doc = include_str!("../README.md")]

pub mod board;
pub mod console;
pub mod file_flash;
pub mod keys;
pub mod loader;
pub mod part;
pub mod payload;
pub mod supervisor;
pub mod watchdog;

pub use board::Board;
pub use console::Uart;
pub use file_flash::{DeviceLock, FileFlash, FlashFault};
pub use keys::KeyRing;
pub use part::{FLASH_LEN, LAYOUT};
pub use payload::Sealed;
pub use supervisor::{EXIT_RESET, LAUNCH, Stopped, env};
pub use watchdog::{Feeder, ProcessReset};
