//! What the demo, the interop runs and the benchmarks share: names, the built programs, a place for files.

use crate::building;
use crate::run::{cargo, target_dir};
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
        building::build("ota and the board", cargo().args(["build", "--locked", "--profile", "demo"]).args(packages))?;
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
        build.args(["build", "--locked", "--profile", "demo", "--package", "otaapp"]);
        let what =
            if fault == "none" { format!("otaapp {version}") } else { format!("otaapp {version}, fault {fault}") };
        building::build(&what, build.env("OTAAPP_VERSION", version).env("OTAAPP_FAULT", fault))?;
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
