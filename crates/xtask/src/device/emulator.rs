//! The emulated Cortex-M4: how it is started, and what its flash file holds. `boards/mps2-an386/README.md` has the
//! memory map.

use crate::vendor::Slot;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

#[path = "../../../../boards/mps2-an386/src/addresses.rs"]
#[allow(unreachable_pub, dead_code, reason = "the same file serves the firmware, which uses all of it")]
pub(crate) mod addresses;

/// What the firmware is built for.
pub(crate) const TARGET: &str = "thumbv7em-none-eabi";
/// This machine, as a device sees it.
pub(crate) const HOST: &str = "10.0.2.2";
/// Where the slots begin in the flash.
pub(crate) const SLOTS: [usize; 2] = [addresses::SLOTS[0] as usize, addresses::SLOTS[1] as usize];
/// Length of a slot.
pub(crate) const SLOT_LEN: usize = addresses::SLOT_LEN as usize;
/// The memory that holds the flash; what lies behind the flash part stays erased.
const FILE_LEN: usize = 16 << 20;

/// Where the processor sees a slot.
pub(crate) const fn address(slot: Slot) -> u32 {
    addresses::FLASH + addresses::SLOTS[slot as usize]
}

/// The emulator with power, over this loader and this flash.
pub(crate) fn command(loader: &Path, flash: &Path) -> Command {
    let mut qemu = machine(loader, flash);
    qemu.args(["-nic", "user,model=lan9118"]);
    qemu
}

/// The emulator without a network, and with a clock that counts instructions.
pub(crate) fn counting(loader: &Path, flash: &Path) -> Command {
    let mut qemu = machine(loader, flash);
    qemu.args(["-nic", "none", "-icount", "shift=0"]);
    qemu
}

/// The emulator without a network, stopped before the first instruction, with its debugger at `socket`. Its clock counts
/// instructions, so few a second that the watchdog bites after 4 million of them.
pub(crate) fn stopped(loader: &Path, flash: &Path, socket: &Path) -> Command {
    let mut qemu = machine(loader, flash);
    qemu.args(["-nic", "none", "-icount", "shift=10", "-S", "-gdb"]);
    qemu.arg(format!("unix:{},server=on,wait=off", socket.display()));
    qemu
}

fn machine(loader: &Path, flash: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    let memory = format!("memory-backend-file,id=flash,mem-path={},size=16M,share=on", flash.display());
    qemu.args(["-M", "mps2-an386,memory-backend=flash", "-object", &memory]);
    qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel"]).arg(loader);
    qemu
}

/// The content of a device's flash.
pub(crate) struct FlashFile(Vec<u8>);

impl FlashFile {
    /// Erased all over.
    pub(crate) fn blank() -> Self {
        Self(vec![0xFF; FILE_LEN])
    }
    /// What a file holds, also while the device runs.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        std::fs::read(file).map(Self).with_context(|| format!("cannot read {}", file.display()))
    }
    /// Writes it to a file.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        std::fs::write(file, &self.0).with_context(|| format!("cannot write {}", file.display()))
    }
    /// Replaces bytes.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
    /// The factory's sector: what a device is told when it is made.
    pub(crate) fn put_text(&mut self, text: &str) {
        self.put(addresses::FACTORY as usize, text.as_bytes());
    }
    /// Some of its bytes.
    pub(crate) fn get(&self, at: usize, len: usize) -> &[u8] {
        &self.0[at..at + len]
    }
}
