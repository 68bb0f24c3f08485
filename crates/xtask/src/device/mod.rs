//! Devices that things can be done to: with power or without, seen from outside.

mod check;
pub(crate) mod emulator;
pub(crate) mod firmware;
mod linux;
mod mps2;

pub(crate) use check::check;
pub(crate) use linux::{Linux, LinuxDevice};
pub(crate) use mps2::Mps2;

use crate::proc::Proc;
use crate::vendor::{Payload, Slot};
use crate::world::{DEVICE, PATIENCE, PRODUCT};
use anyhow::{Context, Result};
use std::ops::Range;
use std::path::Path;

/// A kind of device: how its application is built, and how one device comes into being.
pub(crate) trait Board {
    /// What differs for those who deal with it.
    fn facts(&self) -> Facts;
    /// Builds the application as `version` with `fault` (`none`, `gate` or `hang`) built in, for each of `slots` when the
    /// board executes in place, and keeps it in `dir`.
    fn application(&self, dir: &Path, version: &str, fault: &str, slots: &[Slot]) -> Result<Vec<Payload>>;
    /// A device fresh from the factory: `image` in slot A, told where its server is.
    fn device<'d>(&'d self, dir: &Path, image: &Path, server: &str) -> Result<Box<dyn Device + 'd>>;
}

/// What differs between boards for those who deal with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// How a device reaches this machine.
    pub(crate) host: &'static str,
    /// Whether images run in their slot and are linked for it.
    pub(crate) in_place: bool,
    /// KiB/s of a download slow enough for several kills, of one that is to come to its end, and of one under random
    /// power cuts. The server sends 20 pieces a second; these make them no multiple of the device's sectors, so that
    /// kills do not all strike between two sectors.
    pub(crate) rates: [&'static str; 3],
}

/// One device.
pub(crate) trait Device {
    /// Applies power.
    fn power_on(&mut self) -> Result<()>;
    /// Cuts the power: SIGKILL.
    fn power_off(&mut self);
    /// The console of the running device.
    fn console(&mut self) -> Option<&mut Proc>;
    /// What a slot holds; read while the device may be running, as by a debug probe.
    fn slot(&self, slot: Slot) -> Result<Vec<u8>>;
    /// What the loader says to a copy of this flash in which slot `erased` holds nothing, and the other one `forged`, if
    /// that is given: it must start the other slot, if that can be started at all.
    fn boot_without(&self, erased: Slot, forged: Option<&Path>) -> Result<String>;
    /// Offset and length of each piece of an object that the application received, in order, since the device was made.
    fn reads(&self) -> Vec<(u64, u64)>;
}

impl<'d> dyn Device + 'd {
    /// The running device.
    pub(crate) fn running(&mut self) -> Result<&mut Proc> {
        self.console().context("the device has no power")
    }

    /// First start: the installer types the identity.
    pub(crate) fn commission(&mut self) -> Result<()> {
        self.power_on()?;
        let console = self.running()?;
        console.wait_for("no device identity", PATIENCE)?;
        console.type_line(&format!("devinfo set {PRODUCT} {DEVICE} secret"))?;
        // Whatever link it has.
        let ready = |line: &str| matches!(line, "broker: connected" | "coap: connected");
        console.wait_until("a link", PATIENCE, ready).map(drop)
    }

    /// How many bytes the application has received, and how many of them more than once.
    pub(crate) fn received(&self) -> Received {
        Received::count(self.reads().into_iter())
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
        // Disjoint; reads follow each other, so there are few.
        let mut covered: Vec<Range<u64>> = Vec::new();
        let mut received = Self::default();
        for (at, len) in reads {
            let mut read = at..at.saturating_add(len);
            received.total += len;
            covered.retain(|known| {
                let (from, to) = (known.start.max(read.start), known.end.min(read.end));
                received.twice += to.saturating_sub(from);
                let apart = from > to;
                if !apart {
                    read = known.start.min(read.start)..known.end.max(read.end);
                }
                apart
            });
            covered.push(read);
        }
        received
    }
}

/// `OFFSET LENGTH`.
fn read_of(line: &str) -> Option<(u64, u64)> {
    let (at, len) = line.split_once(' ')?;
    Some((at.parse().ok()?, len.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_twice_are_counted() {
        let count = |reads: &[(u64, u64)]| Received::count(reads.iter().copied());
        assert_eq!(count(&[(0, 10), (10, 10), (16, 10)]), Received { total: 30, twice: 4 });
        assert_eq!(count(&[(0, 4), (8, 4), (2, 8), (0, 12)]), Received { total: 28, twice: 2 + 2 + 12 });
        assert_eq!(read_of("4096 1536"), Some((4096, 1536)));
        assert_eq!(read_of("4096"), None);
    }
}
