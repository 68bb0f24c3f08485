//! Golden vectors: patches that every later decoder must turn into the same images. Made by this encoder from made-up
//! programs; `OTA_BLESS=1 cargo test -p ota-diff --features std --test vectors` writes them anew, with a new format.

mod common;

use common::{Feed, Noise, Program, decode};
use ota_diff::{Arch, ArchChoice, Options, ProfileId, encode, patch};
use std::fs;
use std::path::Path;

const ARCHS: [(Arch, &str); 4] =
    [(Arch::None, "none"), (Arch::Thumb, "thumb"), (Arch::RiscV, "riscv"), (Arch::Xtensa, "xtensa")];
const PROFILES: [(ProfileId, &str); 2] = [(ProfileId::S, "s"), (ProfileId::M, "m")];

#[test]
fn golden_patches_give_their_images() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    if std::env::var_os("OTA_BLESS").is_some() {
        bless(&folder);
    }
    for (_, arch) in ARCHS {
        let read = |name: &str| fs::read(folder.join(format!("{arch}-{name}"))).unwrap();
        let (old, new) = (read("old.bin"), read("new.bin"));
        for (_, profile) in PROFILES {
            let made = read(&format!("{profile}.patch"));
            assert!(patch(&old, &made).as_ref() == Ok(&new), "{arch} {profile}");
            assert!(decode(&old, &made, &Feed { piece: 3, sector: 100 }) == Ok(new.clone()), "{arch} {profile}");
        }
    }
}

fn bless(folder: &Path) {
    for (arch, name) in ARCHS {
        let mut noise = Noise(2026 + arch as u32);
        let mut program = Program::new(&mut noise, 60);
        let old = program.link(arch);
        (0..3).for_each(|_| program.edit(&mut noise));
        let mut new = program.link(arch);
        new.extend(noise.bytes(40));
        fs::write(folder.join(format!("{name}-old.bin")), &old).unwrap();
        fs::write(folder.join(format!("{name}-new.bin")), &new).unwrap();
        for (profile, letter) in PROFILES {
            let options = &mut Options { profile, arch: ArchChoice::Fixed(arch), progress: None };
            fs::write(folder.join(format!("{name}-{letter}.patch")), encode(&old, &new, options).unwrap()).unwrap();
        }
    }
}
