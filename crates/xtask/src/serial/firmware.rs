//! Builds the board's programs, signs them, and says what they take.

use crate::device::firmware::{Firmware, MICROBIT, keep};
use crate::size::elf::Elf;
use crate::vendor::{self, Image, Payload, Slot, Vendor};
use crate::world::CLASS;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

#[path = "../../../../boards/microbit/src/addresses.rs"]
#[allow(unreachable_pub, dead_code, reason = "the same file serves the firmware, which uses all of it")]
pub(super) mod addresses;

/// The vendor's workshop: compiler, key and a place for files.
pub(super) struct Workshop<'p> {
    vendor: Vendor<'p>,
    dir: PathBuf,
    firmware: Firmware,
}

/// A linked program.
pub(super) struct Program {
    /// What lies in flash.
    pub(super) flat: Vec<u8>,
    /// Static RAM.
    pub(super) fixed: u32,
    /// Address of the first instruction.
    pub(super) entry: u32,
}

/// What an image is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label<'l> {
    pub(super) version: &'l str,
    pub(super) fault: &'l str,
    pub(super) class: &'l str,
}

impl<'l> Label<'l> {
    /// A good image.
    pub(super) const fn good(version: &'l str) -> Self {
        Self { version, fault: "none", class: CLASS }
    }
}

impl<'p> Workshop<'p> {
    /// Of `vendor`, in `dir`.
    pub(super) fn new(vendor: Vendor<'p>, dir: &Path) -> Result<Self> {
        let firmware = Firmware::new(MICROBIT, &vendor.blob())?;
        Ok(Self { vendor, dir: dir.to_owned(), firmware })
    }

    /// Builds the loader; its ELF file is kept beside what is returned.
    pub(super) fn loader(&self) -> Result<(PathBuf, Program)> {
        let (elf, kept) = (self.firmware.loader()?, self.dir.join("loader.elf"));
        keep(&elf, &kept)?;
        Ok((kept, Program::read(&elf)?))
    }

    /// Builds the application for slot `slot`.
    pub(super) fn application(&self, label: Label<'_>, slot: Slot) -> Result<Program> {
        Program::read(&self.firmware.application(label.version, label.fault, slot)?)
    }

    /// Signs a program for its slot.
    pub(super) fn sign(&self, program: &Program, label: Label<'_>, slot: Slot) -> Result<Vec<u8>> {
        let (file, image) = (self.dir.join("payload.bin"), self.dir.join("signed.img"));
        std::fs::write(&file, &program.flat)?;
        let payload = Payload { file, linked: Some((slot, addresses::SLOTS[slot as usize])) };
        let label = vendor::Label { version: label.version, counter: 1, class: label.class };
        self.vendor.sign_as(&payload, label, &image)?;
        std::fs::read(&image).context("cannot read the signed image")
    }

    /// Packs images, each with the slot it is linked for.
    pub(super) fn pack(&self, images: &[(Slot, &[u8])]) -> Result<Vec<u8>> {
        let out = self.dir.join("packed.ota");
        let keep = |(slot, image): &(Slot, &[u8])| {
            let file = self.dir.join(format!("packed-{}.img", slot.name()));
            std::fs::write(&file, image)?;
            Ok(Image { file, slot: Some(*slot) })
        };
        self.vendor.pack_all(&images.iter().map(keep).collect::<Result<Vec<_>>>()?, &out)?;
        std::fs::read(&out).context("cannot read the package")
    }
}

impl Program {
    fn read(file: &Path) -> Result<Self> {
        let elf = Elf::parse(&std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?)?;
        Self::of(&elf).with_context(|| file.display().to_string())
    }

    fn of(elf: &Elf) -> Result<Self> {
        ensure!(elf.size_of(".data") == 0, "initialised variables would need a copy in flash");
        let mut flat = Vec::new();
        let start = elf.section(".vector_table").context("no vector table")?.addr;
        let kept = [".vector_table", ".text", ".rodata"].iter().filter_map(|name| elf.section(name));
        for section in kept.filter(|section| section.size > 0) {
            let at = section.addr.checked_sub(start).context("the vector table is not first")? as usize;
            ensure!(at >= flat.len(), "sections overlap");
            flat.resize(at, 0);
            flat.extend_from_slice(&section.bytes);
        }
        let entry = flat.get(4..8).context("no entry")?;
        let entry = u32::from_le_bytes(entry.try_into()?) & !1;
        let fixed = elf.size_of(".bss") + elf.size_of(".uninit");
        Ok(Self { flat, fixed, entry })
    }
}
