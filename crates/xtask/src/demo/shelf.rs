//! The files that are offered: good ones, bad ones, hostile ones.

use super::Dice;
use crate::device::Board;
use crate::vendor::{Image, Label, Payload, Slot, Vendor, for_slot};
use crate::world::CLASS;
use anyhow::{Context, Result};
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A class that the device is not of.
const OTHER_CLASS: &str = "5b1d6c0a-2f3e-4d5c-9b8a-7e6f5d4c3b2a";

/// How much data is new in the delta that is killed in mid-download, so that checkpoints are due before.
const TABLE: u32 = 24 << 10;

/// Where packages are put for the cloud to serve, and what a device starts its life with.
pub(super) struct Shelf {
    pub(super) files: PathBuf,
    /// The factory's image.
    pub(super) factory: PathBuf,
    /// The images in `good.ota`.
    pub(super) good: Vec<Image>,
    /// What is in the hostile packages that a device refuses before it takes the image.
    pub(super) hostile: Vec<(&'static str, Vec<Image>)>,
    /// Where the delta lies in `again.ota` that a device with 1.1.0 of `good.ota` in slot B takes.
    pub(super) delta: Range<u64>,
    /// Versions that follow each other: version, file, images.
    pub(super) cycle: [(&'static str, &'static str, Vec<Image>); 2],
}

/// What is built for a story.
pub(super) struct Wanted {
    /// The slots that 1.0.0, 1.1.0 and the bad ones are built for, on a board that executes in place.
    pub(super) slots: [&'static [Slot]; 3],
    /// Whether there are hostile offers.
    pub(super) hostile: bool,
}

/// For everything.
pub(super) const WHOLE: Wanted = Wanted { slots: [&Slot::BOTH, &Slot::BOTH, &[Slot::A]], hostile: true };
/// For the short story: odd versions in A, even ones in B.
pub(super) const SHORT: Wanted = Wanted { slots: [&[Slot::A], &[Slot::B], &[Slot::A]], hostile: false };

const fn label(version: &str, counter: u32) -> Label<'_> {
    Label { version, counter, class: CLASS }
}

impl Shelf {
    /// Builds, signs and packs what is wanted.
    pub(super) fn fill(
        board: &dyn Board,
        vendor: &Vendor<'_>,
        stranger: &Vendor<'_>,
        dir: &Path,
        wanted: &Wanted,
    ) -> Result<Self> {
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        let [first, second, bad] = wanted.slots;
        let build = |version, fault, slots| board.application(dir, version, fault, slots);
        let (old, new) = (build("1.0.0", "none", first)?, build("1.1.0", "none", second)?);
        let put = Put { dir, files: &files };
        let factory = vendor.sign_all(dir, "factory", &old, label("1.0.0", 1))?;
        let good = put.package(vendor, &new, label("1.1.0", 2), "good.ota")?;
        put.package(vendor, &build("1.2.0", "gate", bad)?, label("1.2.0", 3), "bad-gate.ota")?;
        // 1.0.0 again, with a new table, for those who have 1.1.0 of now, and then 1.1.0 for those who have 1.0.0 of then.
        let again = put.package_from(vendor, &put.grown(&old)?, label("1.0.0", 3), "again.ota", &good)?;
        let next = put.package_from(vendor, &new, label("1.1.0", 3), "next.ota", &again)?;
        let mut hostile = Vec::new();
        if wanted.hostile {
            put.package(vendor, &build("1.2.0", "hang", bad)?, label("1.2.0", 3), "bad-hang.ota")?;
            hostile = put.hostile(board, vendor, stranger, &new)?;
            put.wrong_base(vendor, &new, &good)?;
        }
        let factory = for_slot(&factory, Slot::A)?.to_owned();
        let delta = delta(vendor, &files.join("again.ota"), Slot::A)?;
        Ok(Self {
            files,
            factory,
            good,
            hostile,
            delta,
            cycle: [("1.0.0", "again.ota", again), ("1.1.0", "next.ota", next)],
        })
    }
}

/// Puts files on the shelf.
struct Put<'d> {
    dir: &'d Path,
    files: &'d Path,
}

impl Put<'_> {
    /// A package of `payloads`, and the images in it.
    fn package(&self, vendor: &Vendor<'_>, payloads: &[Payload], label: Label<'_>, name: &str) -> Result<Vec<Image>> {
        let images = vendor.sign_all(self.dir, name, payloads, label)?;
        vendor.pack_all(&images, &self.files.join(name))?;
        Ok(images)
    }

    fn hostile(
        &self,
        board: &dyn Board,
        vendor: &Vendor<'_>,
        stranger: &Vendor<'_>,
        new: &[Payload],
    ) -> Result<Vec<(&'static str, Vec<Image>)>> {
        let other_class = Label { class: OTHER_CLASS, ..label("1.3.0", 3) };
        let offers = [
            (stranger, label("1.3.0", 3), "foreign-key.ota"),
            (vendor, label("1.3.0", 1), "old-counter.ota"),
            (vendor, other_class, "wrong-class.ota"),
        ];
        let put = |(by, label, name)| Ok((name, self.package(by, new, label, name)?));
        let refused = offers.into_iter().map(put).collect::<Result<Vec<_>>>()?;
        let whole = self.package(vendor, new, label("1.4.0", 3), "whole.ota")?;
        self.tamper("whole.ota", "tampered.ota")?;
        if board.facts().in_place {
            // Offered when slot B runs.
            std::fs::copy(for_slot(&whole, Slot::B)?, self.files.join("wrong-slot.img"))?;
        }
        Ok(refused)
    }

    /// The same programs with new data behind them that no old image helps with: the delta has more than a few sectors.
    fn grown(&self, payloads: &[Payload]) -> Result<Vec<Payload>> {
        let (mut dice, _) = Dice::new(Some(1));
        let table: Vec<u8> = (0..TABLE).map(|_| dice.roll(0, 256) as u8).collect();
        let grow = |payload: &Payload| {
            let mut bytes = std::fs::read(&payload.file)?;
            bytes.extend(&table);
            let name = payload.file.file_name().context("a payload without a name")?;
            let file = self.dir.join("grown").join(name);
            std::fs::create_dir_all(self.dir.join("grown"))?;
            std::fs::write(&file, bytes)?;
            Ok(Payload { file, ..payload.clone() })
        };
        payloads.iter().map(grow).collect()
    }

    /// The same with deltas from the images of another package.
    fn package_from(
        &self,
        vendor: &Vendor<'_>,
        payloads: &[Payload],
        label: Label<'_>,
        name: &str,
        from: &[Image],
    ) -> Result<Vec<Image>> {
        let images = vendor.sign_all(self.dir, name, payloads, label)?;
        vendor.pack_from(&images, from, &[], &self.files.join(name))?;
        Ok(images)
    }

    /// Nothing but deltas, which are for the image that the manifest says, and say of themselves that they are for another.
    fn wrong_base(&self, vendor: &Vendor<'_>, new: &[Payload], base: &[Image]) -> Result<()> {
        let file = self.files.join("wrong-base.ota");
        let images = vendor.sign_all(self.dir, "wrong-base", new, label("1.4.0", 3))?;
        vendor.pack_from(&images, base, &["--no-full"], &file)?;
        let mut bytes = std::fs::read(&file)?;
        for payload in payloads(vendor, &file)? {
            let head = bytes.get_mut(payload.at.start as usize..).and_then(|patch| patch.first_chunk_mut());
            name_another_base(head.context("the package is cut short")?);
        }
        Ok(std::fs::write(&file, bytes)?)
    }

    /// A copy with one bit changed in the middle of its first image, as by an attacker or a bad disk.
    fn tamper(&self, from: &str, to: &str) -> Result<()> {
        let mut bytes = std::fs::read(self.files.join(from))?;
        let within = bytes.len() / 4;
        *bytes.get_mut(within).context("the package is empty")? ^= 1;
        Ok(std::fs::write(self.files.join(to), bytes)?)
    }
}

/// A payload of a package.
struct Packed {
    slot: String,
    encoding: String,
    at: Range<u64>,
}

/// What is in a package, as `ota inspect` shows it.
fn payloads(vendor: &Vendor<'_>, package: &Path) -> Result<Vec<Packed>> {
    let shown: Value = serde_json::from_str(&vendor.inspect(package)?)?;
    let list = shown["components"][0]["payloads"].as_array().context("no payloads are shown")?;
    let packed = |payload: &Value| {
        let text = |name: &str| Some(payload[name].as_str()?.to_owned());
        let (offset, bytes) = (payload["offset"].as_u64()?, payload["bytes"].as_u64()?);
        Some(Packed { slot: text("slot")?, encoding: text("encoding")?, at: offset..offset + bytes })
    };
    list.iter().map(|payload| packed(payload).context("a payload is not shown as it was")).collect()
}

/// The delta for this slot.
fn delta(vendor: &Vendor<'_>, package: &Path, slot: Slot) -> Result<Range<u64>> {
    let for_slot = |packed: &Packed| packed.slot == "any" || packed.slot.eq_ignore_ascii_case(slot.name());
    let mut all =
        payloads(vendor, package)?.into_iter().filter(|packed| packed.encoding == "delta" && for_slot(packed));
    Ok(all.next().context("no delta was packed")?.at)
}

/// Changes the digest of the base in the head of a patch, and its CRC-16/CCITT-FALSE.
fn name_another_base(head: &mut [u8; 36]) {
    head[18] ^= 1;
    let step = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    let crc = head[..34].iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| step(crc)));
    head[34..].copy_from_slice(&crc.to_le_bytes());
}
