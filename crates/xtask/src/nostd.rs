//! Builds the device crates for real targets: with rustup's when installed, else with Debian's compiler and
//! library source.

use crate::run::{cargo, has, need_debian, output, root, run};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Smallest part, usual part, and another instruction set.
pub(crate) const TARGETS: [&str; 3] = ["thumbv6m-none-eabi", "thumbv7em-none-eabi", "riscv32imac-unknown-none-elf"];

/// What is built, with every feature a device may turn on.
const CRATES: [(&str, &str); 6] = [
    ("ota-hal", ""),
    ("ota-verify", "p256,ed25519,md5"),
    ("ota-boot", ""),
    ("ota-download", ""),
    ("ota-transport", "minimq"),
    ("ota-service", "md5"),
];

/// Builds every device crate for every target.
pub(crate) fn build_all() -> Result<()> {
    for target in TARGETS {
        let mut build = cargo_for("build", target)?;
        build.args(["--quiet", "--release", "--locked"]);
        for (name, features) in CRATES {
            build.args(["--package", name]);
            for feature in features.split(',').filter(|f| !f.is_empty()) {
                build.arg("--features").arg(format!("{name}/{feature}"));
            }
        }
        run(&mut build)?;
        println!("nostd: {target}: {} crates built", CRATES.len());
    }
    Ok(())
}

/// The cargo subcommand `verb`, set up for `target`.
pub(crate) fn cargo_for(verb: &str, target: &str) -> Result<Command> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let sysroot = Path::new(sysroot.trim());
    if sysroot.join("lib/rustlib").join(target).join("lib").is_dir() {
        let mut cargo = cargo();
        cargo.args([verb, "--target", target]);
        return Ok(cargo);
    }
    with_debian(verb, target, sysroot)
}

/// Debian's compiler can build `core` from source; the linker comes from the stable toolchain.
fn with_debian(verb: &str, target: &str, sysroot: &Path) -> Result<Command> {
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core");
    if !Path::new("/usr/bin/rustc").is_file() || !source.exists() || !has("rustc") {
        let why = format!("building for {target} (or: rustup target add {target})");
        need_debian(&["rustc-web", "rust-web-src"], &why)?;
    }
    let host = host_triple()?;
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    let mut cargo = cargo();
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", "/usr/bin/rustc")
        .env_remove("RUSTFLAGS")
        .env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_")), linker)
        .env("CARGO_TARGET_DIR", root().join("target/device"))
        .args([verb, "-Zbuild-std=core", "--target", target]);
    Ok(cargo)
}

fn host_triple() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}
