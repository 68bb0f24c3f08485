//! Runs the board's benchmark in the emulator, which counts instructions.

use crate::device::emulator::{self, FlashFile, SLOT_LEN, SLOTS};
use crate::device::firmware::{Firmware, MPS2, flatten, keep};
use crate::proc::Proc;
use crate::run::output;
use crate::vendor::{Label, Payload, Slot, Vendor};
use crate::world::{CLASS, Programs, Scratch, VENDOR};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One key and one image for each: type and scheme, as `ota keygen` takes them.
const SAMPLES: [(&str, &str); 6] = [
    ("rsa2048", "pss"),
    ("rsa3072", "pss"),
    ("rsa4096", "pss"),
    ("rsa2048", "pkcs1"),
    ("p256", "pss"),
    ("ed25519", "pss"),
];
/// Where the benchmark looks for the samples: behind the slots and its scratch journal.
const SAMPLES_AT: usize = SLOTS[1] + SLOT_LEN + 0x8000;
/// Room for a sample: a sector for the key behind its length, the rest for the image.
const SAMPLE_LEN: usize = 0x1_0000;
const IMAGE_AT: usize = 0x1000;
/// An hour-glass for slow machines; it takes seconds.
const LONG: Duration = Duration::from_secs(300);

/// What the benchmark printed.
pub(super) struct Counts(Vec<(String, u64)>);

impl Counts {
    /// The figure called `name`.
    pub(super) fn get(&self, name: &str) -> Result<u64> {
        let found = self.0.iter().find(|(of, _)| of == name);
        Ok(found.with_context(|| format!("the benchmark did not count {name}"))?.1)
    }
}

/// Runs it from an image of 100 KiB and from one of 200 KiB.
pub(super) fn measure() -> Result<(Counts, Counts)> {
    MPS2.ready()?;
    let scratch = Scratch::new("bench", false)?;
    let dir = scratch.path();
    let programs = Programs::build()?;
    let vendor = Vendor::new(&programs, dir, "vendor", "rsa2048")?;
    let firmware = Firmware::new(MPS2, &vendor.blob())?;
    let (loader, program) = (dir.join("loader.elf"), dir.join("bench.bin"));
    keep(&firmware.loader()?, &loader)?;
    flatten(&firmware.benchmark("bench")?, &program)?;
    let samples = samples(&programs, dir)?;
    let run = |kib: usize| {
        let image = padded(&vendor, &program, kib << 10)?;
        let mut flash = FlashFile::blank();
        flash.put(SLOTS[0], &image);
        for (n, (blob, image)) in samples.iter().enumerate() {
            let at = SAMPLES_AT + n * SAMPLE_LEN;
            flash.put(at, &[&u32::try_from(blob.len())?.to_le_bytes(), &blob[..]].concat());
            flash.put(at + IMAGE_AT, image);
        }
        counted(&loader, &flash, &dir.join("flash.bin"))
    };
    Ok((run(100)?, run(200)?))
}

/// A key blob and an image signed with that key, for each algorithm. Small images: the signature is what is timed.
fn samples(programs: &Programs, dir: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let payload = dir.join("small.bin");
    std::fs::write(&payload, [0; 1024])?;
    let sample = |(kind, scheme)| {
        let key = dir.join(format!("{kind}-{scheme}"));
        let (pem, image) = (key.with_extension("pem"), key.with_extension("img"));
        output(programs.ota().args(["keygen", "--type", kind, "--scheme", scheme, "--out"]).arg(&key))?;
        let mut sign = programs.ota();
        sign.arg("sign").arg(&payload).arg("--out").arg(&image).arg("--key").arg(pem).args(["--scheme", scheme]);
        sign.args(["--version", "1.0.0", "--counter", "1", "--vendor", VENDOR, "--class", CLASS]);
        output(&mut sign)?;
        Ok((std::fs::read(key.with_extension("pub"))?, std::fs::read(image)?))
    };
    SAMPLES.into_iter().map(sample).collect()
}

/// The program as an image of exactly `len` bytes.
fn padded(vendor: &Vendor<'_>, program: &Path, len: usize) -> Result<Vec<u8>> {
    let code = std::fs::read(program)?;
    let (payload, image) = (program.with_extension("padded"), program.with_extension("img"));
    let sign = |size: usize| -> Result<Vec<u8>> {
        std::fs::write(&payload, code.iter().copied().chain(noise()).take(size).collect::<Vec<_>>())?;
        let payload = Payload { file: PathBuf::from(&payload), linked: Some((Slot::A, emulator::address(Slot::A))) };
        vendor.sign_as(&payload, Label { version: "1.0.0", counter: 1, class: CLASS }, &image)?;
        Ok(std::fs::read(&image)?)
    };
    // Header and TLVs are the same for every length.
    let around = sign(code.len())?.len() - code.len();
    ensure!(code.len() + around <= len, "the benchmark is larger than the image it is to be");
    let image = sign(len - around)?;
    ensure!(image.len() == len, "the image has {} bytes instead of {len}", image.len());
    Ok(image)
}

/// Bytes without a pattern, always the same.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[5]
    })
}

pub(super) fn counted(loader: &Path, flash: &FlashFile, file: &Path) -> Result<Counts> {
    flash.save(file)?;
    let mut device = Proc::start("bench", &mut emulator::counting(loader, file))?;
    device.wait_for("bench done", LONG)?;
    let lines = device.tape().lines();
    let faults: Vec<&String> = lines.iter().filter(|line| line.contains(" not ") || line.contains("failed")).collect();
    ensure!(faults.is_empty(), "the benchmark says: {faults:?}");
    Ok(Counts(lines.iter().filter_map(|line| figure(line)).collect()))
}

/// `bench NAME NUMBER UNIT`.
fn figure(line: &str) -> Option<(String, u64)> {
    let mut words = line.strip_prefix("bench ")?.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn lines_with_a_figure_are_understood_and_others_left_out() {
        assert_eq!(figure("bench verify-p256 7390000 instructions"), Some(("verify-p256".into(), 7_390_000)));
        assert_eq!(figure("bench done"), None);
        assert_eq!(figure("boot: slot A, version 1.0.0, accepted, last reset PowerOn"), None);
    }
}
