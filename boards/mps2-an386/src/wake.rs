//! What ends the processor's sleep: the tick, a byte on the UART, a frame on the Ethernet, a woken future.
//!
//! A handler does no work: it silences its line, notes that there is something to do, and leaves the rest to the
//! executor, which opens the line again before it sleeps.
#![expect(unsafe_code, reason = "interrupt lines and wakers without an owner are unsafe to define")]

use core::ptr::without_provenance;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{RawWaker, RawWakerVTable, Waker};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// One bit for each future that is to be polled.
static WORK: AtomicUsize = AtomicUsize::new(EVERYBODY);
const EVERYBODY: usize = usize::MAX;

/// Notes that every future is to be polled.
pub(crate) fn signal() {
    WORK.store(EVERYBODY, Ordering::Relaxed);
}

/// Sleeps until there is something to do; says which futures are to be polled.
pub(crate) fn sleep() -> usize {
    for line in [Line::UartReceived, Line::Ethernet] {
        // SAFETY: the handlers share nothing with the program but WORK.
        unsafe { NVIC::unmask(line) };
    }
    loop {
        // A pending interrupt ends `wfi` although handlers are held off: none is lost between the look and the sleep.
        let work = cortex_m::interrupt::free(|_| {
            let work = WORK.swap(0, Ordering::Relaxed);
            if work == 0 {
                cortex_m::asm::wfi();
            }
            work
        });
        if work != 0 {
            return work;
        }
    }
}

/// The interrupt lines in use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    UartReceived = 0,
    Ethernet = 13,
}

// SAFETY: the numbers are those of the AN386 image, within the table of 32.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self as u16
    }
}

pub(crate) unsafe extern "C" fn uart_received() {
    NVIC::mask(Line::UartReceived);
    signal();
}

pub(crate) unsafe extern "C" fn ethernet() {
    NVIC::mask(Line::Ethernet);
    signal();
}

/// A waker for the future of this bit, which is all it knows: no memory, no count.
pub(crate) const fn waker(bit: usize) -> Waker {
    const fn raw(bit: *const ()) -> RawWaker {
        static VTABLE: RawWakerVTable = RawWakerVTable::new(raw, wake, wake, |_| {});
        RawWaker::new(bit, &VTABLE)
    }
    fn wake(bit: *const ()) {
        WORK.fetch_or(bit.addr(), Ordering::Relaxed);
    }
    // SAFETY: the functions never follow the pointer, need no drop and may be called from anywhere.
    unsafe { Waker::from_raw(raw(without_provenance(bit))) }
}
