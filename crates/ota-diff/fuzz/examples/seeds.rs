//! Writes what the fuzz targets begin with, made from the golden vectors: `cargo run --example seeds`.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/golden.rs"]
mod golden;

use golden::GOLDEN;
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
            let (first, name) = (number << 1 | profile, format!("{number}-{profile}"));
            let halfway = &common::states(golden.old, patch, 2)[1];
            seed("state", format!("any-{name}"), &[&[0x80 | first], halfway])?;
            for which in [0, 20, 63] {
                seed("state", format!("edited-{name}-{which}"), &[&[first, which, 12, number * 8, 0, 2, which]])?;
            }
            let choice = profile | number << 1 | 7 << 3;
            let pair = [&[choice, 40], &golden.old[..640], &golden.new[..700]];
            seed("pair", format!("golden-{number}-{profile}"), &pair)?;
        }
    }
    println!("the targets' first inputs are in {}", corpus.display());
    Ok(())
}
