//! How deep the stack has been. Since power-on: RAM is zero then, so the lowest word that is not zero is where it ended.
//! In one piece of work: what lies below the stack is painted first.
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

const PAINT: u32 = 0xA5A5_5A5A;
/// How far below the stack is painted.
const PAINTED: u32 = 0x8000;

/// Bytes of stack that `work` used below the frame of its caller. A last word that happens to be the paint is not seen.
#[inline(never)]
pub fn deepest(work: impl FnOnce()) -> u32 {
    let top = cortex_m::register::msp::read();
    let cells = || (top - PAINTED..top).step_by(4).map(|at| at as *mut u32);
    for cell in cells() {
        // SAFETY: aligned words of RAM below the stack pointer, which nobody uses: no interrupt is on in a benchmark.
        unsafe { cell.write_volatile(PAINT) };
    }
    below(work);
    // SAFETY: as above.
    let touched = cells().find(|cell| unsafe { cell.read_volatile() } != PAINT);
    top - touched.map_or(top, |cell| cell as u32)
}

/// A frame of its own, so that nothing of `work` lies in the painter's.
#[inline(never)]
fn below(work: impl FnOnce()) {
    work();
}
