//! A command line for a UART: bytes in, commands out. No heap; the longest line is the caller's choice.

mod command;
mod line;
mod words;

pub use command::{Command, CommandError, HELP, parse};
pub use line::{Line, LineError};
pub use words::{WordError, Words};
