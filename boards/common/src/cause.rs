//! The cause of a reset in a word of RAM that no program initialises, for parts whose cause register says too little.
//!
//! | word holds | it means |
//! |---|---|
//! | anything else | power-on |
//! | `RUNNING`, and the cause of this start | a program runs; found at a start, nobody announced the reset |
//! | `ANNOUNCED`, and a cause | the reset that follows is for this cause |

use ota_hal::ResetCause;

const RUNNING: u32 = 0x5255_4E00;
const ANNOUNCED: u32 = 0x5253_5400;
const MARK: u32 = 0xFFFF_FF00;

/// What the word says when a program starts; `unannounced` is what resets this part without a word.
pub fn at_start(word: u32, unannounced: ResetCause) -> ResetCause {
    match word & MARK {
        RUNNING => unannounced,
        ANNOUNCED => number(word),
        _ => ResetCause::PowerOn,
    }
}

/// What the loader left in the word for the program that it started.
pub fn handed_over(word: u32) -> ResetCause {
    number(word)
}

/// The word while a program runs that was started for this cause.
pub const fn running(cause: ResetCause) -> u32 {
    RUNNING | cause as u32
}

/// The word before a reset for this cause.
pub const fn announced(cause: ResetCause) -> u32 {
    ANNOUNCED | cause as u32
}

fn number(word: u32) -> ResetCause {
    let [low, ..] = word.to_le_bytes();
    ResetCause::from_u8(low)
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
            assert_eq!(at_start(word, ResetCause::Pin), cause, "{word:#x}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for n in 0..=6 {
            let cause = ResetCause::from_u8(n);
            assert_eq!(at_start(announced(cause), ResetCause::Pin), cause);
            assert_eq!(at_start(running(cause), ResetCause::Watchdog), ResetCause::Watchdog);
            assert_eq!(handed_over(running(cause)), cause);
        }
    }
}
