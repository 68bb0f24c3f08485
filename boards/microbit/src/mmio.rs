//! The blocks of registers of this part.
#![expect(unsafe_code, reason = "names their addresses")]

pub(crate) use common::register::Reg;

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
