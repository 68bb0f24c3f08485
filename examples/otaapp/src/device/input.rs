//! Lines from the console.

use super::Console;
use crate::console::{Line, LineError};
use heapless::String;

/// The longest command.
const LINE: usize = 256;

/// A line being typed, and the last complete one.
#[derive(Debug)]
pub(super) struct Input {
    line: Line<LINE>,
    complete: String<LINE>,
}

impl Input {
    pub(super) const fn new() -> Self {
        Self { line: Line::new(), complete: String::new() }
    }

    /// The next line.
    ///
    /// # Cancellation
    /// Cancel-safe: what was typed stays.
    pub(super) async fn line(&mut self, console: impl Console) -> &str {
        loop {
            match self.line.push(console.byte().await) {
                Some(Ok(line)) => {
                    self.complete.clear();
                    // Cannot fail: both have the same length.
                    let _ = self.complete.push_str(line);
                    return &self.complete;
                }
                Some(Err(LineError::TooLong)) => console.line(&["dropped: TooLong"]),
                Some(Err(LineError::NotText)) => console.line(&["dropped: NotText"]),
                None => {}
            }
        }
    }
}
