//! Memory-mapped registers: the one place where the board touches them.
#![expect(unsafe_code, reason = "volatile access to fixed addresses")]

/// A 32-bit register, or a word of retained RAM, at a fixed address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reg(u32);

impl Reg {
    /// The register at `addr`.
    ///
    /// # Safety
    /// `addr` is four-byte aligned, belongs to this part and to no Rust object, and no value written there can break
    /// memory safety.
    pub(crate) const unsafe fn at(addr: u32) -> Self {
        Self(addr)
    }
    /// Reads it.
    pub(crate) fn read(self) -> u32 {
        // SAFETY: `at` promised an aligned word that is no Rust object.
        unsafe { core::ptr::read_volatile(self.0 as *const u32) }
    }
    /// Writes it.
    pub(crate) fn write(self, value: u32) {
        // SAFETY: as in `read`, and `at` promised that any value may be written.
        unsafe { core::ptr::write_volatile(self.0 as *mut u32, value) }
    }
}

/// A block of device registers. The flash controller is not among them: what is written there can erase this program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block(u32);

impl Block {
    /// The UART, without access to memory.
    pub(crate) const UART0: Self = Self(0x4000_2000);
    /// The timer with 32 bits: the clock.
    #[cfg(feature = "app")]
    pub(crate) const TIMER0: Self = Self(0x4000_8000);
    /// A timer with 16 bits: the watchdog.
    pub(crate) const TIMER1: Self = Self(0x4000_9000);
    /// The random number generator.
    #[cfg(feature = "app")]
    pub(crate) const RNG: Self = Self(0x4000_D000);

    /// The register at `offset`.
    ///
    /// # Panics
    /// While compiling, when there is no register at `offset`.
    pub(crate) const fn reg(self, offset: u32) -> Reg {
        assert!(offset < 0x1000 && offset.is_multiple_of(4), "a block has 4 KiB");
        // SAFETY: the constants above are all blocks there are, and each is 4 KiB of device registers. None of these
        // devices reaches memory by itself.
        unsafe { Reg::at(self.0 + offset) }
    }
}
