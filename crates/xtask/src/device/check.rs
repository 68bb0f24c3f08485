//! What of the emulated boards' firmware can be checked on this machine: format, lints, and the tests of its library.

use super::firmware::{MICROBIT, MPS2, any_key};
use crate::run::{cargo, output, root, target_dir};
use crate::world::{CLASS, VENDOR};
use anyhow::Result;
use std::path::Path;

/// Each board's folder, and the features with which all of its programs build.
const BOARDS: [(&str, &str); 2] = [(MPS2.name, "app,bench,delta"), (MICROBIT.name, "app")];
const TESTS: [&str; 4] = ["test", "--lib", "--features", "app"];

/// Checks; prints the counts of the tests.
pub(crate) fn check() -> Result<()> {
    // The firmware does not build without somebody to believe.
    let key = any_key()?;
    for (board, features) in BOARDS {
        let manifest = root().join("boards").join(board).join("Cargo.toml");
        output(cargo().args(["fmt", "--check", "--manifest-path"]).arg(&manifest))?;
        let lints = ["clippy", "--lib", "--tests", "--bins", "--features", features, "--", "--deny", "warnings"];
        firmware(&lints, &manifest, &key)?;
        println!("board {board}: its programs without a warning");
        print!("{}", firmware(&TESTS, &manifest, &key)?);
    }
    Ok(())
}

/// A cargo command over the board's package, for this machine.
fn firmware(args: &[&str], manifest: &Path, key: &Path) -> Result<String> {
    let (verb, rest) = args.split_at(1);
    let mut cargo = cargo();
    cargo.args(verb).args(["--quiet", "--locked", "--manifest-path"]).arg(manifest).args(rest);
    cargo.env("CARGO_TARGET_DIR", target_dir()?.join("device"));
    output(cargo.env("OTA_KEY", key).env("OTA_VENDOR", VENDOR).env("OTA_CLASS", CLASS))
}
