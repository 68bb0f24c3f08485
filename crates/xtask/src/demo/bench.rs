//! What the demo has on its bench: a vendor, a cloud, a device, and the files that are offered.

use super::cloud::Cloud;
use super::dice::Dice;
use crate::world::{CLASS, Device, PATIENCE, Programs, Received, Vendor};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A class that the device is not of.
const OTHER_CLASS: &str = "5b1d6c0a-2f3e-4d5c-9b8a-7e6f5d4c3b2a";

/// Everything that takes part.
pub(super) struct Bench<'p> {
    pub(super) cloud: Cloud<'p>,
    pub(super) device: Device<'p>,
    pub(super) dice: Dice,
    /// Bytes of the package with 1.1.0.
    pub(super) package_len: u64,
    /// What was counted when the last process was killed.
    pub(super) at_cut: Received,
    /// What the boot record said before the hostile offers.
    pub(super) boot_before: String,
    sizes: String,
}

impl<'p> Bench<'p> {
    /// Builds, signs and packs everything, programs the device, starts the cloud.
    pub(super) fn new(programs: &'p Programs, dir: &Path, dice: Dice) -> Result<Self> {
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        let vendor = Vendor::new(programs, dir, "vendor", "rsa2048")?;
        let stranger = Vendor::new(programs, dir, "stranger", "rsa2048")?;
        let build = |version, fault| programs.application(dir, version, fault);
        let (first, second) = (build("1.0.0", "none")?, build("1.1.0", "none")?);
        let (gate, hang) = (build("1.2.0", "gate")?, build("1.2.0", "hang")?);

        let factory = vendor.sign(&first, "1.0.0", 1, CLASS)?;
        let shelf = Shelf { files: &files };
        shelf.put(&vendor, &second, "1.1.0", 2, CLASS, "good.ota")?;
        shelf.put(&vendor, &gate, "1.2.0", 3, CLASS, "bad-gate.ota")?;
        shelf.put(&vendor, &hang, "1.2.0", 3, CLASS, "bad-hang.ota")?;
        shelf.put(&stranger, &second, "1.3.0", 3, CLASS, "foreign-key.ota")?;
        shelf.put(&vendor, &second, "1.3.0", 1, CLASS, "old-counter.ota")?;
        shelf.put(&vendor, &second, "1.3.0", 3, OTHER_CLASS, "wrong-class.ota")?;
        shelf.put(&vendor, &first, "1.0.0", 3, CLASS, "again.ota")?;
        shelf.put(&vendor, &second, "1.4.0", 3, CLASS, "whole.ota")?;
        shelf.tamper("whole.ota", "tampered.ota")?;

        let cloud = Cloud::start(programs, &files)?;
        let device = Device::new(programs, dir, &vendor, &factory, &cloud.broker()?)?;
        let package_len = std::fs::metadata(files.join("good.ota"))?.len();
        let image_len = std::fs::metadata(&factory)?.len();
        let sizes = format!("image {} KiB, package {} KiB", image_len >> 10, package_len >> 10);
        let (at_cut, boot_before) = (Received::default(), String::new());
        Ok(Self { cloud, device, dice, package_len, at_cut, boot_before, sizes })
    }

    /// For the first line.
    pub(super) fn describe(&self) -> &str {
        &self.sizes
    }

    /// Waits until the device has received this share of the package.
    pub(super) fn await_percent(&mut self, percent: u64) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.position() < self.package_len * percent / 100 {
            anyhow::ensure!(Instant::now() < until, "the download stopped at byte {}", self.position());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Counts what was received when a process was killed; where in the package that was, in percent.
    pub(super) fn note_cut(&mut self) -> Result<u64> {
        self.at_cut = self.device.received()?;
        Ok(self.position() * 100 / self.package_len)
    }

    /// One past the byte of the package that came in last.
    fn position(&self) -> u64 {
        let trace = std::fs::read_to_string(&self.device.trace).unwrap_or_default();
        let last = trace.lines().rev().find_map(|line| line.split_once(' '));
        last.and_then(|(at, len)| Some(at.parse::<u64>().ok()? + len.parse::<u64>().ok()?)).unwrap_or(0)
    }

    /// The line of `ota status` about the boot record.
    pub(super) fn boot_state(&mut self) -> Result<String> {
        Ok(self.status()?.1)
    }

    /// The lines of `ota status` about the last outcome and the boot record.
    pub(super) fn status(&mut self) -> Result<(String, String)> {
        let device = self.device.running()?;
        device.type_line("ota status")?;
        let mut line = |head: &str| {
            let line = device.wait_until(head, PATIENCE, |line| line.starts_with(head))?;
            anyhow::Ok(line.trim_start_matches(head).to_owned())
        };
        Ok((line("last outcome ")?, line("boot ")?))
    }
}

/// Where packages are put for the cloud to serve.
struct Shelf<'f> {
    files: &'f Path,
}

impl Shelf<'_> {
    fn put(
        &self,
        vendor: &Vendor<'_>,
        payload: &Path,
        version: &str,
        counter: u32,
        class: &str,
        name: &str,
    ) -> Result<()> {
        let image = vendor.sign(payload, version, counter, class)?;
        vendor.pack(&image, &self.path(name))
    }

    /// A copy with one bit changed in the middle, as by an attacker or a bad disk.
    fn tamper(&self, from: &str, to: &str) -> Result<()> {
        let mut bytes = std::fs::read(self.path(from))?;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).context("the package is empty")? ^= 1;
        Ok(std::fs::write(self.path(to), bytes)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }
}
