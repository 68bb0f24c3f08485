//! What happens when a program fails: a reset, with its cause. And the table of the board's interrupts.
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

/// The watchdog's first stage.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    reset(ResetCause::Watchdog)
}

/// A handler of the second half of the vector table.
type Handler = unsafe extern "C" fn();

unsafe extern "C" fn unexpected() {
    reset(ResetCause::Fault)
}

/// How many interrupts the part has: with the 16 exceptions the vector table has 48 words.
const INTERRUPTS: usize = 32;

const fn table() -> [Handler; INTERRUPTS] {
    #[cfg_attr(not(feature = "app"), expect(unused_mut, reason = "the loader uses no interrupt"))]
    let mut table: [Handler; INTERRUPTS] = [unexpected; INTERRUPTS];
    #[cfg(feature = "app")]
    {
        use crate::wake::{Line, ethernet, uart_received};
        table[Line::UartReceived as usize] = uart_received;
        table[Line::Ethernet as usize] = ethernet;
    }
    table
}

// SAFETY: the section and the name that `cortex-m-rt` reserves for this table; it has the length the part has.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [Handler; INTERRUPTS] = table();
