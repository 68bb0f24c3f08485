//! Decoding on the emulated Cortex-M4: instructions, stack and state, with the image that comes out checked.

use super::pairs::Pair;
use crate::bench::board::{Counts, counted};
use crate::device::emulator::{self, FlashFile, SLOTS, addresses};
use crate::device::firmware::{Firmware, MPS2, flatten, keep};
use crate::vendor::{Label, Payload, Slot, Vendor};
use crate::world::{CLASS, Programs};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0x3142_444F;

/// What decoding one patch took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoded {
    pub(super) instructions: u64,
    /// Bytes of stack, without the decoder's state.
    pub(super) stack: u64,
    /// Bytes of the decoder's state.
    pub(super) state: u64,
}

/// The device, with the benchmark in its slot A.
pub(super) struct Device {
    loader: PathBuf,
    flash: PathBuf,
    image: Vec<u8>,
}

impl Device {
    /// Builds loader and benchmark with a key of their own.
    pub(super) fn new(programs: &Programs, dir: &Path) -> Result<Self> {
        MPS2.ready()?;
        let vendor = Vendor::new(programs, dir, "vendor", "rsa2048")?;
        let firmware = Firmware::new(MPS2, &vendor.blob())?;
        let (loader, program, image) = (dir.join("loader.elf"), dir.join("delta.bin"), dir.join("delta.img"));
        keep(&firmware.loader()?, &loader)?;
        flatten(&firmware.benchmark("delta")?, &program)?;
        let payload = Payload { file: program, linked: Some((Slot::A, emulator::address(Slot::A))) };
        vendor.sign_as(&payload, Label { version: "1.0.0", counter: 1, class: CLASS }, &image)?;
        Ok(Self { loader, flash: dir.join("flash.bin"), image: std::fs::read(image)? })
    }

    /// Decodes the patches of profiles M and S.
    pub(super) fn decode(&self, pair: &Pair, patches: [&Path; 2]) -> Result<[Decoded; 2]> {
        let [m, s] = patches.map(std::fs::read);
        let [old, new] = [&pair.old, &pair.new].map(|file| std::fs::read(&file.path));
        let flash = self.flash_with(&old?, &new?, [&m?, &s?])?;
        let counts = counted(&self.loader, &flash, &self.flash)?;
        Ok([decoded(&counts, "decode-m")?, decoded(&counts, "decode-s")?])
    }

    fn flash_with(&self, old: &[u8], new: &[u8], [m, s]: [&[u8]; 2]) -> Result<FlashFile> {
        let (mut at, end) = ((addresses::DELTA + addresses::SECTOR) as usize, addresses::DELTA_NEW as usize);
        let room = [old, m, s].iter().map(|bytes| bytes.len().next_multiple_of(4)).sum::<usize>() <= end - at;
        ensure!(room && new.len() <= addresses::DELTA_NEW_LEN as usize, "the images do not fit the emulated flash");
        let mut head = Vec::from(MAGIC.to_le_bytes());
        for bytes in [old, new, m, s] {
            head.extend(u32::try_from(bytes.len())?.to_le_bytes());
        }
        head.extend(Sha256::digest(new));
        let mut flash = FlashFile::blank();
        flash.put(SLOTS[0], &self.image);
        flash.put(addresses::DELTA as usize, &head);
        for bytes in [old, m, s] {
            flash.put(at, bytes);
            at += bytes.len().next_multiple_of(4);
        }
        Ok(flash)
    }
}

fn decoded(counts: &Counts, name: &str) -> Result<Decoded> {
    let figure = |what: &str| counts.get(&format!("{name}{what}")).context("the device");
    Ok(Decoded { instructions: figure("")?, stack: figure("-stack")?, state: figure("-state")? })
}
