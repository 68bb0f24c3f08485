//! Builds the firmware of the emulated boards.

use crate::building;
use crate::nostd::cargo_for;
use crate::run::{has, need_debian, root, target_dir};
use crate::size::elf::{half, word};
use crate::vendor::{Slot, Vendor};
use crate::world::{CLASS, Programs, VENDOR};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// A board: its folder under `boards`, and what it is compiled for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    pub(crate) name: &'static str,
    target: &'static str,
}

impl Port {
    /// Installs emulator and compiler when they are missing, or says what to install.
    pub(crate) fn ready(&self) -> Result<()> {
        if !has("qemu-system-arm") {
            need_debian(&["qemu-system-arm"], "the emulated board")?;
        }
        cargo_for("build", self.target).map(drop)
    }
}

/// The Cortex-M4.
pub(crate) const MPS2: Port = Port { name: "mps2-an386", target: super::emulator::TARGET };
/// The Cortex-M0.
pub(crate) const MICROBIT: Port = Port { name: "microbit", target: "thumbv6m-none-eabi" };

/// A key to build with where nobody will ask for a signature; kept, so that the next build finds its work done.
pub(crate) fn any_key() -> Result<PathBuf> {
    let dir = target_dir()?.join("xtask/board");
    let key = dir.join("vendor.pub");
    if !key.is_file() {
        std::fs::create_dir_all(&dir)?;
        Vendor::new(&Programs::build()?, &dir, "vendor", "rsa2048")?;
    }
    Ok(key)
}

/// A board's package, built for devices that believe one key.
pub(crate) struct Firmware {
    port: Port,
    /// The public key blob.
    key: PathBuf,
    out: PathBuf,
}

impl Firmware {
    /// Firmware of `port` that believes `key`.
    pub(crate) fn new(port: Port, key: &Path) -> Result<Self> {
        Ok(Self { port, key: key.to_owned(), out: target_dir()?.join("device") })
    }

    /// Builds the loader; its ELF file, which the next build replaces.
    pub(crate) fn loader(&self) -> Result<PathBuf> {
        self.build("loader", &[])
    }

    /// Builds the application for `slot`; its ELF file, which the next build replaces.
    pub(crate) fn application(&self, version: &str, fault: &str, slot: Slot) -> Result<PathBuf> {
        self.build("app", &[("OTA_SLOT", slot.name()), ("OTAAPP_VERSION", version), ("OTAAPP_FAULT", fault)])
    }

    /// Builds a benchmark, for slot A: `bench` or `delta`.
    pub(crate) fn benchmark(&self, program: &str) -> Result<PathBuf> {
        self.build(program, &[])
    }

    /// All but the loader want a feature of their name.
    fn build(&self, program: &str, settings: &[(&str, &str)]) -> Result<PathBuf> {
        let Port { name, target } = self.port;
        let mut build = cargo_for("build", target)?;
        build.args(["--release", "--locked", "--bin", program]);
        if program != "loader" {
            build.args(["--features", program]);
        }
        build.arg("--manifest-path").arg(root().join("boards").join(name).join("Cargo.toml"));
        build.env("CARGO_TARGET_DIR", &self.out).env("OTA_KEY", &self.key).env("OTA_VENDOR", VENDOR);
        build.env("OTA_CLASS", CLASS).envs(settings.iter().copied());
        building::build(&format!("{program} of {name}"), &mut build)?;
        Ok(self.out.join(target).join("release").join(program))
    }
}

/// Keeps a program beyond the next build.
pub(crate) fn keep(elf: &Path, kept: &Path) -> Result<()> {
    std::fs::copy(elf, kept).map(drop).with_context(|| format!("cannot keep {}", elf.display()))
}

/// Writes what lies in flash: the segments of an ELF file by load address, from the first one on.
pub(crate) fn flatten(elf: &Path, out: &Path) -> Result<()> {
    let file = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let flat = flat(&file).with_context(|| elf.display().to_string())?;
    std::fs::write(out, flat).with_context(|| format!("cannot write {}", out.display()))
}

/// What lies in flash.
fn flat(elf: &[u8]) -> Result<Vec<u8>> {
    const LOAD: u32 = 1;
    ensure!(elf.starts_with(b"\x7FELF\x01\x01"), "not a 32-bit little-endian ELF file");
    let (table, size, count) = (word(elf, 28)?, half(elf, 42)?, half(elf, 44)?);
    let mut parts = Vec::new();
    for n in 0..usize::from(count) {
        let at = table as usize + n * usize::from(size);
        let (kind, offset, address, len) =
            (word(elf, at)?, word(elf, at + 4)?, word(elf, at + 12)?, word(elf, at + 16)?);
        if kind == LOAD && len > 0 {
            let bytes = elf.get(offset as usize..(offset as usize).saturating_add(len as usize));
            parts.push((address, bytes.context("a segment lies outside the file")?));
        }
    }
    parts.sort_unstable_by_key(|(address, _)| *address);
    let start = parts.first().context("the program is empty")?.0;
    let mut flat = Vec::new();
    for (address, bytes) in parts {
        ensure!((address - start) as usize >= flat.len(), "segments overlap");
        flat.resize((address - start) as usize, 0);
        flat.extend_from_slice(bytes);
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::flat;

    /// A file with these segments: address and bytes.
    fn elf(segments: &[(u32, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 52 + segments.len() * 32];
        file[..6].copy_from_slice(b"\x7FELF\x01\x01");
        file[28..32].copy_from_slice(&52u32.to_le_bytes());
        file[42..44].copy_from_slice(&32u16.to_le_bytes());
        file[44..46].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        for (n, (address, bytes)) in segments.iter().enumerate() {
            let head = [1, file.len() as u32, 0, *address, bytes.len() as u32, 0, 0, 0];
            let head: Vec<u8> = head.into_iter().flat_map(u32::to_le_bytes).collect();
            file[52 + n * 32..][..32].copy_from_slice(&head);
            file.extend_from_slice(bytes);
        }
        file
    }

    #[test]
    fn segments_come_by_address_with_the_gap_between() {
        let file = elf(&[(0x106, b"xy"), (0x200, b""), (0x100, b"abc")]);
        assert_eq!(flat(&file).unwrap(), b"abc\0\0\0xy");
        assert!(flat(&elf(&[(0x100, b"abc"), (0x102, b"x")])).is_err());
        assert!(flat(&elf(&[])).is_err());
        for len in 0..file.len() {
            assert!(flat(&file[..len]).is_err(), "torn at {len}");
        }
    }
}
