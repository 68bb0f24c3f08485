//! How deep the stack has been: RAM is zero at power-on, so the lowest word that is not zero is where it ended.
#![expect(unsafe_code, reason = "looks at RAM below the stack")]

use crate::addresses::{RAM, RETAINED};

/// Where the search begins: above every program's static variables.
const SEARCH: u32 = RAM + 0x1_0000;

/// Bytes of stack that all programs since power-on together used at most, up to now. Only words that were written
/// with something else than zero count, so it can be a few bytes too little.
pub fn depth_since_power_on() -> u32 {
    let touched = (SEARCH..RETAINED).step_by(4).find(|&at| {
        // SAFETY: aligned words of RAM. What lies there belongs to nobody or to this very stack; a volatile read of
        // it changes nothing.
        unsafe { core::ptr::read_volatile(at as *const u32) != 0 }
    });
    RETAINED - touched.unwrap_or(RETAINED)
}
