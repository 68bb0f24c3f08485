//! The blocks of registers of this part.
#![expect(unsafe_code, reason = "names their addresses")]

pub(crate) use common::register::Reg;

/// A block of device registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block(u32);

impl Block {
    /// The UART 0 of the CMSDK, which is the console.
    pub(crate) const UART0: Self = Self(0x4000_4000);
    /// The CMSDK's timer 0.
    pub(crate) const TIMER0: Self = Self(0x4000_0000);
    /// The CMSDK's watchdog.
    pub(crate) const WATCHDOG: Self = Self(0x4000_8000);
    /// The Ethernet controller. It has no access to memory: bytes go through its data registers.
    #[cfg(feature = "app")]
    pub(crate) const ETHERNET: Self = Self(0x4020_0000);

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
