//! The jump to another program.
#![expect(unsafe_code, reason = "the jump to another program")]

/// Leaves this program for the one whose stack and entry are the two words at `vectors`. Its other vectors are never
/// used: the part has no register that would say where they are.
///
/// # Safety
/// The first word at `vectors` is the end of a stack in RAM, the second the entry of a program that does not rely on this
/// one's memory. No interrupt is enabled but those whose handlers rely on no variable.
pub(crate) unsafe fn enter(vectors: u32) -> ! {
    // SAFETY: by the contract above; nothing of this program runs afterwards but such handlers.
    unsafe { cortex_m::asm::bootload(vectors as *const u32) }
}
