//! What the demo and the interop runs share: the built programs, a vendor with keys and images, and a device.

use crate::proc::Proc;
use crate::run::{cargo, output, run, target_dir};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The vendor of every image made here, as `ota sign` takes it.
pub(crate) const VENDOR: &str = "7f5a3c1e-9d2b-4e8f-a6c0-1b2d3e4f5a6b";
/// The class of the devices.
pub(crate) const CLASS: &str = "0c9e8d7f-6a5b-4c3d-8e2f-1a0b9c8d7e6f";
/// Identity of the device at the cloud.
pub(crate) const PRODUCT: &str = "a1bench";
/// Name of the device at the cloud.
pub(crate) const DEVICE: &str = "dev1";

/// How long a device may take to do one thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The programs, built with the `demo` profile.
pub(crate) struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Builds the command line and the board.
    pub(crate) fn build() -> Result<Self> {
        let packages = ["--package", "ota-tool", "--package", "ota-board-linux"];
        run(cargo().args(["build", "--quiet", "--locked", "--profile", "demo"]).args(packages))?;
        Ok(Self { dir: target_dir()?.join("demo") })
    }

    /// The vendor's command line.
    pub(crate) fn ota(&self) -> Command {
        Command::new(self.dir.join("ota"))
    }

    /// The device.
    pub(crate) fn board(&self) -> Command {
        Command::new(self.dir.join("ota-board-linux"))
    }

    /// Builds the application as `version` with `fault` (`none`, `gate` or `hang`) built in, and keeps it in `dir`.
    pub(crate) fn application(&self, dir: &Path, version: &str, fault: &str) -> Result<PathBuf> {
        let mut build = cargo();
        build.args(["build", "--quiet", "--locked", "--profile", "demo", "--package", "otaapp"]);
        run(build.env("OTAAPP_VERSION", version).env("OTAAPP_FAULT", fault))?;
        let kept = dir.join(format!("otaapp-{version}-{fault}"));
        std::fs::copy(self.dir.join("otaapp"), &kept).with_context(|| format!("cannot keep {}", kept.display()))?;
        Ok(kept)
    }
}

/// A directory that is empty at the start and goes away at the end, unless it is to be kept.
pub(crate) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// `xtask/NAME-PID` where cargo builds.
    pub(crate) fn new(name: &str, keep: bool) -> Result<Self> {
        let path = target_dir()?.join("xtask").join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, keep })
    }
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            println!("kept: {}", self.path.display());
        } else {
            // A leftover under target/ does no harm.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The vendor: one signing key.
pub(crate) struct Vendor<'p> {
    programs: &'p Programs,
    key: PathBuf,
}

impl<'p> Vendor<'p> {
    /// Makes a key named `name` of type `kind` in `dir`.
    pub(crate) fn new(programs: &'p Programs, dir: &Path, name: &str, kind: &str) -> Result<Self> {
        let base = dir.join(name);
        output(programs.ota().args(["keygen", "--type", kind, "--out"]).arg(&base))?;
        Ok(Self { programs, key: base })
    }

    /// The private key.
    pub(crate) fn pem(&self) -> PathBuf {
        self.key.with_extension("pem")
    }
    /// What devices hold.
    pub(crate) fn blob(&self) -> PathBuf {
        self.key.with_extension("pub")
    }

    /// Signs `payload` as `version`, with this security counter, for this class.
    pub(crate) fn sign(&self, payload: &Path, version: &str, counter: u32, class: &str) -> Result<PathBuf> {
        let image = PathBuf::from(format!("{}-{counter}.img", payload.display()));
        let mut sign = self.programs.ota();
        sign.arg("sign").arg(payload).arg("--out").arg(&image).arg("--key").arg(self.pem()).arg("--force");
        sign.args(["--version", version, "--counter", &counter.to_string(), "--vendor", VENDOR, "--class", class]);
        output(&mut sign)?;
        Ok(image)
    }

    /// Packs one image into `out`.
    pub(crate) fn pack(&self, image: &Path, out: &Path) -> Result<()> {
        let mut pack = self.programs.ota();
        pack.arg("pack").arg(image).arg("--out").arg(out).arg("--key").arg(self.pem()).arg("--force");
        output(&mut pack).map(drop)
    }
}

/// A device: its flash, and the process that is it while it has power.
pub(crate) struct Device<'p> {
    programs: &'p Programs,
    flash: PathBuf,
    keys: PathBuf,
    broker: String,
    /// Where the application notes which bytes it received.
    pub(crate) trace: PathBuf,
    power: Option<Proc>,
}

impl<'p> Device<'p> {
    /// A device fresh from the factory: `image` in slot A.
    pub(crate) fn new(
        programs: &'p Programs,
        dir: &Path,
        vendor: &Vendor<'_>,
        image: &Path,
        broker: &str,
    ) -> Result<Self> {
        let flash = dir.join("flash.bin");
        output(programs.board().arg("flash").arg("--flash").arg(&flash).args(["--slot", "a"]).arg(image))?;
        let (keys, broker) = (vendor.blob(), broker.to_owned());
        Ok(Self { programs, flash, keys, broker, trace: dir.join("trace"), power: None })
    }

    /// Applies power.
    pub(crate) fn power_on(&mut self) -> Result<&mut Proc> {
        let mut board = self.programs.board();
        board.arg("run").arg("--flash").arg(&self.flash).arg("--keys").arg(&self.keys);
        board.args(["--vendor", VENDOR, "--class", CLASS]);
        board.env("OTA_BROKER", &self.broker).env("OTA_TRACE", &self.trace);
        Ok(self.power.insert(Proc::start("device", &mut board)?))
    }

    /// The running device.
    pub(crate) fn running(&mut self) -> Result<&mut Proc> {
        self.power.as_mut().context("the device has no power")
    }

    /// Cuts the power: SIGKILL.
    pub(crate) fn power_off(&mut self) {
        self.power = None;
    }

    /// First start: the installer types the identity.
    pub(crate) fn commission(&mut self) -> Result<()> {
        let device = self.power_on()?;
        device.wait_for("no device identity", PATIENCE)?;
        device.type_line(&format!("devinfo set {PRODUCT} {DEVICE} secret"))?;
        device.wait_for("broker: connected", PATIENCE).map(drop)
    }

    /// What slot `area` holds; read while the device may be running, as by a debug probe.
    pub(crate) fn slot(&self, area: &str) -> Result<Vec<u8>> {
        let out = self.flash.with_extension("slot");
        output(self.programs.board().arg("dump").arg("--flash").arg(&self.flash).args(["--area", area]).arg(&out))?;
        std::fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
    }

    /// What the loader says to a copy of this flash in which slot `erased` holds nothing: it must start the other slot,
    /// if that can be started at all.
    pub(crate) fn boot_without(&self, erased: &str) -> Result<String> {
        let copy = self.flash.with_extension("copy");
        std::fs::copy(&self.flash, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        output(self.programs.board().arg("erase").arg("--flash").arg(&copy).args(["--area", erased]))?;
        let mut board = self.programs.board();
        board.arg("run").arg("--flash").arg(&copy).arg("--keys").arg(&self.keys);
        board.args(["--vendor", VENDOR, "--class", CLASS, "--starts", "1"]);
        Proc::start("copy", &mut board)?.wait_for("boot: ", PATIENCE)
    }

    /// How many bytes the application has received, and how many of them more than once.
    pub(crate) fn received(&self) -> Result<Received> {
        let trace = std::fs::read_to_string(&self.trace).unwrap_or_default();
        let reads = trace.lines().filter_map(|line| line.split_once(' '));
        let reads = reads.filter_map(|(at, len)| Some((at.parse().ok()?, len.parse().ok()?)));
        Ok(Received::count(reads))
    }
}

/// Bytes that came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// All of them.
    pub(crate) total: u64,
    /// Those that had come before.
    pub(crate) twice: u64,
}

impl Received {
    fn count(reads: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut received = Self::default();
        for byte in reads.flat_map(|(at, len)| at..at.saturating_add(len)) {
            received.total += 1;
            received.twice += u64::from(!seen.insert(byte));
        }
        received
    }
}

#[cfg(test)]
mod tests {
    use super::Received;

    #[test]
    fn bytes_that_come_twice_are_counted() {
        let reads = [(0, 10), (10, 10), (16, 10)];
        assert_eq!(Received::count(reads.into_iter()), Received { total: 30, twice: 4 });
    }
}
