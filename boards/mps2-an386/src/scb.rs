//! The system control block, as far as `cortex-m` leaves it to us.
#![expect(unsafe_code, reason = "the vector table offset register and the jump to another program")]

/// Address of the vector table in force.
pub(crate) fn vector_table() -> u32 {
    // SAFETY: reading the vector table offset register changes nothing.
    unsafe { (*cortex_m::peripheral::SCB::PTR).vtor.read() }
}

/// Leaves this program for the one whose vector table is at `vectors`.
///
/// # Safety
/// `vectors` is a vector table's aligned address, its first word the end of a stack in RAM, its second the entry of a
/// program that does not rely on this one's memory. No interrupt is enabled.
pub(crate) unsafe fn enter(vectors: u32) -> ! {
    // SAFETY: by the contract above; nothing of this program runs afterwards.
    unsafe {
        (*cortex_m::peripheral::SCB::PTR).vtor.write(vectors);
        cortex_m::asm::bootload(vectors as *const u32)
    }
}
