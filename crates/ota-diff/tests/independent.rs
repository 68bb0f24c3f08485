//! Somebody else's decoder: `independent/decoder.py` was written from docs/patch-format.md, without a look at this crate.
//! What it makes of a patch is what this crate's decoder makes of it; so a change of the format that the encoder and the
//! decoder make together, and the round trips do not see, is seen here. Needs python3.

mod common;
#[path = "independent/images.rs"]
mod images;

use common::{Feed, Noise, Program, decode};
use images::Firmware;
use ota_diff::{Arch, ArchChoice, HEADER_LEN, Options, PatchError, ProfileId, encode};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const ARCHS: [(Arch, &str); 4] =
    [(Arch::None, "none"), (Arch::Thumb, "thumb"), (Arch::RiscV, "riscv"), (Arch::Xtensa, "xtensa")];
const PROFILES: [(ProfileId, &str); 2] = [(ProfileId::S, "s"), (ProfileId::M, "m")];

/// The other decoder, with a folder for its files.
struct Independent(PathBuf);

impl Independent {
    /// None where there is no python3.
    fn new(test: &str) -> Option<Self> {
        let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found || env::var_os("CI").is_none(), "no python3: it must be there where CI is set");
        if !found {
            println!("skipped: no python3, which the independent decoder needs");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("independent-{test}"));
        fs::create_dir_all(&folder).unwrap();
        Some(Self(folder))
    }

    /// The new image, or what the decoder said.
    fn decode(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/decoder.py");
        let [old_file, patch_file, new_file] = ["old", "patch", "new"].map(|name| self.0.join(name));
        fs::write(&old_file, old).unwrap();
        fs::write(&patch_file, patch).unwrap();
        let mut command = Command::new("python3");
        let cache = format!("pycache_prefix={}", self.0.display());
        let output =
            command.args(["-S", "-X", &cache]).arg(script).args([&old_file, &patch_file, &new_file]).output().unwrap();
        if output.status.success() {
            return Ok(fs::read(new_file).unwrap());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("Traceback"), "the independent decoder failed by itself:\n{said}");
        Err(said)
    }
}

fn options(profile: ProfileId, arch: Arch) -> Options<'static> {
    Options { profile, arch: ArchChoice::Fixed(arch), progress: None }
}

#[test]
fn golden_patches() {
    let Some(independent) = Independent::new("golden") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for (_, arch) in ARCHS {
        let read = |name: &str| fs::read(folder.join(format!("{arch}-{name}"))).unwrap();
        let (old, new) = (read("old.bin"), read("new.bin"));
        for (_, profile) in PROFILES {
            let decoded = independent.decode(&old, &read(&format!("{profile}.patch")));
            assert!(decoded.as_ref() == Ok(&new), "{arch} {profile}: {:?}", decoded.err());
        }
    }
}

#[test]
fn fresh_patches() {
    let Some(independent) = Independent::new("fresh") else { return };
    for (arch, name) in ARCHS {
        let mut noise = Noise(77 + arch as u32);
        for (old, new) in pairs(&mut noise, arch) {
            for (profile, letter) in PROFILES {
                let made = encode(&old, &new, &mut options(profile, arch)).unwrap();
                let decoded = independent.decode(&old, &made);
                assert!(decoded.as_ref() == Ok(&new), "{name} {letter}: {:?}", decoded.err());
            }
        }
    }
}

/// Releases of two made-up programs, the second with runs of bytes; the same without an old image; and a lone byte.
fn pairs(noise: &mut Noise, arch: Arch) -> [(Vec<u8>, Vec<u8>); 4] {
    let mut program = Program::new(noise, 70);
    let old = program.link(arch);
    (0..4).for_each(|_| program.edit(noise));
    let mut firmware = Firmware::new(noise, 60);
    let first = firmware.link(arch);
    (0..12).for_each(|_| firmware.edit(noise));
    let second = [images::runs(noise), firmware.link(arch)].concat();
    [(old, program.link(arch)), (first, second.clone()), (Vec::new(), second), (noise.bytes(99), noise.bytes(1))]
}

/// Streams that no encoder makes: both decoders make the same of them, or both refuse them. `FUZZ_ROUNDS` sets how many
/// are tried for each instruction set and profile.
#[test]
fn damaged_patches() {
    let Some(independent) = Independent::new("damaged") else { return };
    let rounds: usize = env::var("FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut seen = [0; 2];
    for (arch, name) in ARCHS {
        let mut noise = Noise(5 + arch as u32);
        for (profile, letter) in PROFILES.into_iter().cycle().take(rounds * 2) {
            let mut firmware = Firmware::new(&mut noise, 30);
            let old = firmware.link(arch);
            (0..9).for_each(|_| firmware.edit(&mut noise));
            let new = [images::runs(&mut noise), firmware.link(arch)].concat();
            let mut made = encode(&old, &new, &mut options(profile, arch)).unwrap();
            damage(&mut noise, &mut made);
            let expected = fit(&mut noise, &old, &mut made);
            let image = expected.as_deref().unwrap_or(&[]);
            set_header(&mut made, None, image);
            fs::write(independent.0.join("expected"), image).unwrap();
            let decoded = independent.decode(&old, &made);
            match (&expected, &decoded) {
                (Ok(expected), Ok(decoded)) => assert!(expected == decoded, "{name} {letter}: another image"),
                (Err(_), Err(said)) if !said.contains("digest") => {}
                _ => panic!("{name} {letter}: {:?}, but the independent decoder: {:?}", expected.err(), decoded.err()),
            }
            seen[usize::from(expected.is_ok())] += 1;
        }
    }
    println!("{} damaged streams gave the same image, {} were refused by both", seen[1], seen[0]);
    assert!(seen[1] > rounds, "hardly any damaged stream gave an image");
}

/// Changes the space, one byte anywhere, or everything behind a place.
fn damage(noise: &mut Noise, patch: &mut [u8]) {
    let stream = &mut patch[HEADER_LEN..];
    let at = noise.below(stream.len());
    let late = stream.len() * 3 / 4 + at / 4;
    match noise.below(4) {
        0 => stream[noise.below(9)] = noise.next() as u8,
        1 => stream[at] ^= 1 << noise.below(8),
        2 => stream[at..].fill_with(|| noise.next() as u8),
        _ => stream[late..].fill_with(|| noise.next() as u8),
    }
}

/// Most damaged streams name a place outside of the image sooner or later. Here the image ends before that, and the stream
/// with the image; one that is too short gets more noise. Every fourth stream stays as it is.
fn fit(noise: &mut Noise, old: &[u8], patch: &mut Vec<u8>) -> Result<Vec<u8>, PatchError> {
    let feed = &Feed { piece: 100, sector: 1000 };
    set_header(patch, None, &[]);
    let mut decoded = decode(old, patch, feed);
    for _ in 0..if noise.below(4) > 0 { 20 } else { 0 } {
        match decoded {
            Err(PatchError::Range(end)) if end > 0 => set_header(patch, Some(end), &[]),
            Err(PatchError::Truncated(_)) => patch.extend(noise.bytes(64)),
            Err(PatchError::Trailing) => patch.truncate(used(old, patch, feed)),
            _ => break,
        }
        set_header(patch, None, &[]);
        decoded = decode(old, patch, feed);
    }
    decoded
}

/// The most bytes of a patch that are not too many.
fn used(old: &[u8], patch: &[u8], feed: &Feed) -> usize {
    let (mut fits, mut too_long) = (HEADER_LEN, patch.len());
    while fits + 1 < too_long {
        let half = (fits + too_long) / 2;
        let mut shorter = patch[..half].to_vec();
        set_header(&mut shorter, None, &[]);
        if decode(old, &shorter, feed) == Err(PatchError::Trailing) { too_long = half } else { fits = half }
    }
    fits
}

/// Makes a header right again: sizes, the digest of the new image, CRC.
fn set_header(patch: &mut [u8], new_size: Option<u32>, new: &[u8]) {
    let size = patch.len() as u32;
    patch[6..10].copy_from_slice(&size.to_le_bytes());
    if let Some(size) = new_size {
        patch[14..18].copy_from_slice(&size.to_le_bytes());
    }
    patch[26..34].copy_from_slice(&Sha256::digest(new)[..8]);
    let crc = patch[..34].iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    patch[34..36].copy_from_slice(&crc.to_le_bytes());
}
