//! Writes what the fuzz targets begin with, made from the golden vectors: `cargo run --example seeds`.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/golden.rs"]
mod golden;

use golden::GOLDEN;
use ota_diff::{Decoder, Every, HEADER_LEN, Header, M, Profile, ProfileId, S};
use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["patch", "state", "pair"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    let seed = |target: &str, name: String, parts: &[&[u8]]| fs::write(corpus.join(target).join(name), parts.concat());
    for (number, golden) in (0_u8..).zip(&GOLDEN) {
        for (profile, patch) in (0_u8..).zip(golden.patches) {
            seed("patch", format!("golden-{number}-{profile}"), &[&[number], patch])?;
            seed("state", format!("golden-{number}-{profile}"), &[&[number << 1 | profile], &state(golden.old, patch)])?;
            let choice = profile | number << 1 | 7 << 3;
            let pair = [&[choice, 40], &golden.old[..640], &golden.new[..700]];
            seed("pair", format!("golden-{number}-{profile}"), &pair)?;
        }
    }
    println!("the targets' first inputs are in {}", corpus.display());
    Ok(())
}

/// What the decoder saves halfway.
fn state(old: &[u8], patch: &[u8]) -> Vec<u8> {
    let header = Header::parse(patch).expect("golden");
    match header.profile() {
        ProfileId::S => state_of::<S>(old, patch, &header),
        ProfileId::M => state_of::<M>(old, patch, &header),
    }
}

fn state_of<P: Profile>(old: &[u8], patch: &[u8], header: &Header) -> Vec<u8> {
    let mut decoder = Decoder::<P, Every>::start(header).expect("golden");
    let mut images = common::Memory { old, new: Vec::new(), size: header.new_size() as usize };
    decoder.push(&patch[HEADER_LEN..], header.new_size() / 2, &mut images).expect("golden");
    let mut saved = vec![0; Decoder::<P, Every>::SAVED_LEN];
    decoder.save(&mut saved);
    saved
}
