//! Images that must not start, each in the flash of a device that would start it but for one check.

use crate::device::emulator::{self, FlashFile, SLOT_LEN, SLOTS, addresses};
use crate::vendor::{Label, Payload, Slot, Vendor};
use crate::world::{CLASS, Programs};
use anyhow::{Context, Result, ensure};
use ota_boot::Record;
use ota_boot::record::{Image, Phase};
use ota_hal::{Journal, Kind, Partition, Region, Shared, SlotId};
use ota_testkit::SimFlash;
use ota_verify::Version;
use std::cell::RefCell;
use std::path::Path;

/// Length of the payloads: four reads of the loader, so that two of them hold the same.
const PAYLOAD: usize = 0x400;
/// The vector table of this part.
const VECTORS: usize = 48 * 4;
/// The byte of a payload that is changed, in the third of its reads, which then differs from the one before.
const CHANGED: usize = 0x240;
const NOP: u16 = 0xBF00;
const STAY: u16 = 0xE7FE;
/// Of another product of the same vendor.
const OTHER_CLASS: &str = "11111111-2222-4333-8444-555555555555";

/// One flash, and what must not come of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What the bad image is.
    pub(super) what: &'static str,
    /// Where it lies.
    pub(super) bad: Slot,
    /// Whether a good image lies in the other slot.
    pub(super) good: bool,
    pub(super) flash: FlashFile,
}

/// Names of the cases.
pub(super) const NAMES: [&str; 5] = ["changed", "trial", "foreign", "older", "class"];

/// Where an image of ours comes to rest.
pub(super) fn rest(slot: Slot) -> u32 {
    emulator::address(slot) + addresses::HEADER + PAYLOAD as u32 - 2
}

/// Makes images, and flashes of them.
pub(super) struct Maker<'p> {
    dir: &'p Path,
    vendor: Vendor<'p>,
    stranger: Vendor<'p>,
}

impl<'p> Maker<'p> {
    /// With fresh keys in `dir`.
    pub(super) fn new(programs: &'p Programs, dir: &'p Path) -> Result<Self> {
        let vendor = Vendor::new(programs, dir, "vendor", "rsa2048")?;
        Ok(Self { dir, vendor, stranger: Vendor::new(programs, dir, "stranger", "rsa2048")? })
    }

    /// The key that devices believe.
    pub(super) fn key(&self) -> std::path::PathBuf {
        self.vendor.blob()
    }

    /// The case of this name.
    pub(super) fn make(&self, name: &str) -> Result<Case> {
        let good = |slot, counter| self.image(&self.vendor, slot, counter, CLASS);
        let record = |phase, floor, image| Record { home: SlotId::A, floor, phase, image };
        let case = |name, what, bad: Slot, image: Vec<u8>, other: Option<Vec<u8>>, record: Option<Record>| {
            let mut flash = FlashFile::blank();
            flash.put(SLOTS[bad as usize], &image);
            if let Some(image) = &other {
                flash.put(SLOTS[bad.other() as usize], image);
            }
            if let Some(record) = record {
                flash.put(addresses::JOURNAL as usize, &journal(&record)?);
            }
            Ok(Case { name, what, bad, good: other.is_some(), flash })
        };
        let (a, b) = (Slot::A, Slot::B);
        match name {
            "changed" => {
                let what = "one byte of the accepted image changed; a good one in the other slot";
                case("changed", what, a, changed(good(a, 1)?), Some(good(b, 1)?), None)
            }
            "trial" => {
                let what = "one byte of the staged image changed; the accepted one is good";
                let staged = good(b, 1)?;
                let record = record(Phase::Pending, 1, Some(described(&staged)?));
                case("trial", what, b, changed(staged), Some(good(a, 1)?), Some(record))
            }
            "foreign" => {
                let mut image = self.image(&self.stranger, a, 1, CLASS)?;
                let (ours, at) = (good(a, 1)?, key_hash(&image)?);
                image[at..at + 32].copy_from_slice(&ours[at..at + 32]);
                case("foreign", "signed by a stranger who names our key", a, image, None, None)
            }
            "older" => {
                let record = record(Phase::Confirmed, 5, None);
                case("older", "security counter 1, the floor on record is 5", a, good(a, 1)?, None, Some(record))
            }
            "class" => {
                let image = self.image(&self.vendor, a, 1, OTHER_CLASS)?;
                case("class", "the same vendor's, for another product", a, image, None, None)
            }
            _ => anyhow::bail!("there is no case {name}; there are {}", NAMES.join(", ")),
        }
    }

    fn image(&self, vendor: &Vendor<'_>, slot: Slot, counter: u32, class: &str) -> Result<Vec<u8>> {
        let (file, image) = (self.dir.join("payload.bin"), self.dir.join("payload.img"));
        std::fs::write(&file, payload(slot))?;
        let payload = Payload { file, linked: Some((slot, emulator::address(slot))) };
        vendor.sign_as(&payload, Label { version: "1.0.0", counter, class }, &image)?;
        let image = std::fs::read(&image)?;
        ensure!(image.len() < SLOT_LEN, "the image does not fit its slot");
        Ok(image)
    }
}

/// A vector table, and nothing to do from wherever it is entered to its end.
fn payload(slot: Slot) -> Vec<u8> {
    let start = emulator::address(slot) + addresses::HEADER;
    let mut bytes = Vec::new();
    bytes.extend((addresses::RETAINED).to_le_bytes());
    bytes.extend((start + VECTORS as u32 + 1).to_le_bytes());
    bytes.resize(VECTORS, 0);
    while bytes.len() < PAYLOAD - 2 {
        bytes.extend(NOP.to_le_bytes());
    }
    bytes.extend(STAY.to_le_bytes());
    bytes
}

/// The image with one bit of its payload changed: a NOP with another hint, which is one as well.
fn changed(mut image: Vec<u8>) -> Vec<u8> {
    image[addresses::HEADER as usize + CHANGED] ^= 0x80;
    image
}

/// Where the value of the KEYHASH TLV is.
fn key_hash(image: &[u8]) -> Result<usize> {
    let behind = addresses::HEADER as usize + PAYLOAD;
    let at = image[behind..].windows(4).position(|head| head == [1, 0, 32, 0]);
    Ok(behind + at.context("the image names no key")? + 4)
}

/// What a boot record says of an image.
fn described(image: &[u8]) -> Result<Image> {
    let medium = &mut &image[..];
    let info = ota_verify::ImageInfo::read(medium).map_err(|e| anyhow::anyhow!("not an image: {e}"))?;
    let facts = info.facts(medium).map_err(|e| anyhow::anyhow!("not an image: {e}"))?;
    let version = Version { major: 1, ..Version::default() };
    let digest = facts.digest.context("the image has no digest")?;
    Ok(Image { digest, security_counter: facts.security_counter.unwrap_or(0), version })
}

/// A journal with this boot record, an older one that allows everything before it, and a record of another kind.
fn journal(record: &Record) -> Result<Vec<u8>> {
    let part = RefCell::new(SimFlash::<4>::new(addresses::JOURNAL_LEN));
    let region = Region::new(Shared::new(&part), Partition::new(0, addresses::JOURNAL_LEN));
    let failed = |e| anyhow::anyhow!("the journal cannot be made: {e:?}");
    let mut journal = Journal::<_>::mount(region).map_err(failed)?;
    journal.append(Kind::Boot, &Record::FACTORY.encode()).map_err(failed)?;
    journal.append(Kind::App, b"settings").map_err(failed)?;
    journal.append(Kind::Boot, &record.encode()).map_err(failed)?;
    let cells = part.borrow().cells().to_vec();
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reads_of_a_payload_are_the_same_until_it_is_changed() {
        let mut image = vec![0xFF; addresses::HEADER as usize];
        image.extend(payload(Slot::A));
        let reads = |image: &[u8]| image.chunks(256).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let before = reads(&image);
        assert_eq!(before[3], before[4]);
        let after = reads(&changed(image));
        assert_eq!(before[3], after[3]);
        assert_ne!(after[3], after[4]);
    }

    #[test]
    fn the_journal_says_what_it_was_given() {
        let record = Record { floor: 5, ..Record::FACTORY };
        assert_eq!(journal(&record).unwrap().len(), addresses::JOURNAL_LEN as usize);
    }
}
