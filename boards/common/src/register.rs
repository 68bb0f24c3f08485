//! A memory-mapped register: the one place where boards touch them.
#![expect(unsafe_code, reason = "volatile access to fixed addresses")]

/// A 32-bit register, or a word of retained RAM, at a fixed address.
#[derive(Debug, Clone, Copy)]
pub struct Reg(u32);

impl Reg {
    /// The register at `addr`.
    ///
    /// # Safety
    /// `addr` is four-byte aligned, belongs to the board and to no Rust object, and no value written there can break
    /// memory safety.
    pub const unsafe fn at(addr: u32) -> Self {
        Self(addr)
    }
    /// Reads it.
    pub fn read(self) -> u32 {
        // SAFETY: `at` promised an aligned word that is no Rust object.
        unsafe { core::ptr::read_volatile(self.0 as *const u32) }
    }
    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`, and `at` promised that any value may be written.
        unsafe { core::ptr::write_volatile(self.0 as *mut u32, value) }
    }
}
