//! The board that is an emulated Cortex-M4.

use super::emulator::{self, FlashFile, SLOT_LEN, SLOTS};
use super::firmware::{Firmware, MPS2, flatten, keep};
use super::{Board, Device, Facts, read_of};
use crate::proc::{Proc, QUIET, Tape};
use crate::vendor::{Payload, Slot};
use crate::world::PATIENCE;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The board, with its loader, which believes one key.
pub(crate) struct Mps2 {
    firmware: Firmware,
    loader: PathBuf,
}

impl Mps2 {
    /// Builds the loader into `dir` for devices that believe `key`.
    pub(crate) fn new(dir: &Path, key: &Path) -> Result<Self> {
        let firmware = Firmware::new(MPS2, key)?;
        let loader = dir.join("loader.elf");
        keep(&firmware.loader()?, &loader)?;
        Ok(Self { firmware, loader })
    }
}

impl Board for Mps2 {
    fn facts(&self) -> Facts {
        Facts { host: emulator::HOST, in_place: true, rates: ["25", "47", "187"] }
    }

    fn application(&self, dir: &Path, version: &str, fault: &str, slots: &[Slot]) -> Result<Vec<Payload>> {
        let build = |&slot: &Slot| {
            let file = dir.join(format!("app-{version}-{fault}-{}.bin", slot.name()));
            flatten(&self.firmware.application(version, fault, slot)?, &file)?;
            Ok(Payload { file, linked: Some((slot, emulator::address(slot))) })
        };
        slots.iter().map(build).collect()
    }

    fn device<'d>(&'d self, dir: &Path, image: &Path, broker: &str) -> Result<Box<dyn Device + 'd>> {
        let image = std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
        let mut flash = FlashFile::blank();
        // The application prints what it received.
        flash.put_text(&format!("broker={broker}\ntrace=1\n"));
        flash.put(SLOTS[0], &image);
        let file = dir.join("flash.bin");
        flash.save(&file)?;
        Ok(Box::new(Mps2Device { loader: &self.loader, flash: file, power: None, tapes: Vec::new() }))
    }
}

/// A device: its flash, and the emulator while it has power.
struct Mps2Device<'b> {
    loader: &'b Path,
    flash: PathBuf,
    power: Option<Proc>,
    /// What was printed since each start.
    tapes: Vec<Tape>,
}

impl Device for Mps2Device<'_> {
    fn power_on(&mut self) -> Result<()> {
        let power = Proc::start("device", &mut emulator::command(self.loader, &self.flash))?;
        self.tapes.push(power.tape());
        self.power = Some(power);
        Ok(())
    }

    fn power_off(&mut self) {
        self.power = None;
    }

    fn console(&mut self) -> Option<&mut Proc> {
        self.power.as_mut()
    }

    fn slot(&self, slot: Slot) -> Result<Vec<u8>> {
        Ok(FlashFile::load(&self.flash)?.get(SLOTS[slot as usize], SLOT_LEN).to_vec())
    }

    fn boot_without(&self, erased: Slot, forged: Option<&Path>) -> Result<String> {
        let mut flash = FlashFile::load(&self.flash)?;
        flash.put(SLOTS[erased as usize], &vec![0xFF; SLOT_LEN]);
        if let Some(image) = forged {
            flash.put(SLOTS[erased.other() as usize], &std::fs::read(image)?);
        }
        let copy = self.flash.with_extension("copy");
        flash.save(&copy)?;
        Proc::start("copy", &mut emulator::command(self.loader, &copy))?.wait_for("boot: ", PATIENCE)
    }

    fn reads(&self) -> Vec<(u64, u64)> {
        let lines = self.tapes.iter().flat_map(Tape::lines);
        lines.filter_map(|line| read_of(line.strip_prefix(QUIET)?)).collect()
    }
}
