//! The board that is a process of this machine.

use super::{Board, Device, Facts, read_of};
use crate::proc::Proc;
use crate::run::output;
use crate::vendor::{Payload, Slot};
use crate::world::{CLASS, PATIENCE, Programs, VENDOR};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The board, with the keys that it believes.
pub(crate) struct Linux<'p> {
    pub(crate) programs: &'p Programs,
    pub(crate) keys: PathBuf,
}

impl Board for Linux<'_> {
    fn facts(&self) -> Facts {
        Facts { host: "127.0.0.1", in_place: false, rates: ["333", "555", "999"] }
    }
    fn application(&self, dir: &Path, version: &str, fault: &str, _: &[Slot]) -> Result<Vec<Payload>> {
        Ok(vec![Payload { file: self.programs.application(dir, version, fault)?, linked: None }])
    }
    fn device<'d>(&'d self, dir: &Path, image: &Path, broker: &str) -> Result<Box<dyn Device + 'd>> {
        Ok(Box::new(LinuxDevice::new(self.programs, dir, &self.keys, image, broker)?))
    }
}

/// A device: its flash, and the process that is it while it has power.
pub(crate) struct LinuxDevice<'p> {
    programs: &'p Programs,
    flash: PathBuf,
    keys: PathBuf,
    broker: String,
    /// Where the application notes which bytes it received.
    trace: PathBuf,
    power: Option<Proc>,
}

impl<'p> LinuxDevice<'p> {
    /// Fresh from the factory.
    pub(crate) fn new(programs: &'p Programs, dir: &Path, keys: &Path, image: &Path, broker: &str) -> Result<Self> {
        let flash = dir.join("flash.bin");
        output(programs.board().arg("flash").arg("--flash").arg(&flash).args(["--slot", "a"]).arg(image))?;
        let (keys, broker) = (keys.to_owned(), broker.to_owned());
        Ok(Self { programs, flash, keys, broker, trace: dir.join("trace"), power: None })
    }

    /// The board's program, about to run what `flash` holds.
    fn run(&self, flash: &Path) -> Command {
        let mut board = self.programs.board();
        board.arg("run").arg("--flash").arg(flash).arg("--keys").arg(&self.keys);
        board.args(["--vendor", VENDOR, "--class", CLASS]);
        board
    }
}

impl Device for LinuxDevice<'_> {
    fn power_on(&mut self) -> Result<()> {
        let mut board = self.run(&self.flash);
        board.env("OTA_BROKER", &self.broker).env("OTA_TRACE", &self.trace);
        self.power = Some(Proc::start("device", &mut board)?);
        Ok(())
    }

    fn power_off(&mut self) {
        self.power = None;
    }

    fn console(&mut self) -> Option<&mut Proc> {
        self.power.as_mut()
    }

    fn slot(&self, slot: Slot) -> Result<Vec<u8>> {
        let out = self.flash.with_extension("slot");
        let area = ["--area", slot.name()];
        output(self.programs.board().arg("dump").arg("--flash").arg(&self.flash).args(area).arg(&out))?;
        std::fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
    }

    fn boot_without(&self, erased: Slot, forged: Option<&Path>) -> Result<String> {
        let copy = self.flash.with_extension("copy");
        std::fs::copy(&self.flash, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        output(self.programs.board().arg("erase").arg("--flash").arg(&copy).args(["--area", erased.name()]))?;
        if let Some(image) = forged {
            let slot = ["--slot", erased.other().name()];
            output(self.programs.board().arg("flash").arg("--flash").arg(&copy).args(slot).arg(image))?;
        }
        let mut board = self.run(&copy);
        Proc::start("copy", board.args(["--starts", "1"]))?.wait_for("boot: ", PATIENCE)
    }

    fn reads(&self) -> Vec<(u64, u64)> {
        let trace = std::fs::read_to_string(&self.trace).unwrap_or_default();
        trace.lines().filter_map(read_of).collect()
    }
}
