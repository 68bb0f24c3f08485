//! The word of RAM that no program initialises: RAM keeps its content through a reset, and holds anything after power-on.
#![expect(unsafe_code, reason = "names the address of the word")]

use crate::addresses::RETAINED;
use crate::mmio::Reg;

/// Why the processor is about to be reset, or that a program runs. See [`crate::reset`].
// SAFETY: build.rs keeps the words from RETAINED on out of every program's RAM.
pub(crate) const CAUSE: Reg = unsafe { Reg::at(RETAINED) };
