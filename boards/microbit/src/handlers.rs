//! What happens when a program fails: a reset, with its cause.
//!
//! The part cannot move its vector table: whichever program runs, it is the loader's handlers that are called. They use
//! no variable of the loader, whose RAM belongs to the application by then.
#![expect(unsafe_code, reason = "exception handlers and the vector table are unsafe to define")]

use crate::reset::reset;
use cortex_m_rt::exception;
use ota_hal::ResetCause;

// No frame is looked at: the trampoline that would find it is left out.
#[exception(trampoline = false)]
unsafe fn HardFault() -> ! {
    reset(ResetCause::Fault)
}

#[exception]
unsafe fn DefaultHandler(_: i16) -> ! {
    reset(ResetCause::Fault)
}

/// A handler of the second half of the vector table.
type Handler = unsafe extern "C" fn();

unsafe extern "C" fn unexpected() {
    reset(ResetCause::Fault)
}

/// See [`crate::watchdog`].
unsafe extern "C" fn watchdog() {
    reset(ResetCause::Watchdog)
}

/// How many interrupts the part has.
const INTERRUPTS: usize = 32;

const fn table() -> [Handler; INTERRUPTS] {
    let mut table: [Handler; INTERRUPTS] = [unexpected; INTERRUPTS];
    table[crate::watchdog::LINE as usize] = watchdog;
    table
}

// SAFETY: the section and the name that `cortex-m-rt` reserves for this table; it has the length the part has.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [Handler; INTERRUPTS] = table();
