//! Links the device crates for real targets: with rustup's when installed, else with Debian's compiler and library
//! source.

use crate::run::{cargo, has, need_debian, output, root, run, target_dir};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Smallest part, usual part, and another instruction set.
pub(crate) const TARGETS: [&str; 3] = ["thumbv6m-none-eabi", "thumbv7em-none-eabi", "riscv32imac-unknown-none-elf"];

/// The package that depends on every device crate, with every feature a device may turn on, and brings no heap.
const EVERYTHING: &str = "no-heap";

/// Links every device crate for every target, as a library without an allocator: the compiler refuses that when a crate
/// among them, ours or another's, links `std` or `alloc`.
pub(crate) fn build_all() -> Result<()> {
    let manifest = root().join("probes/Cargo.toml");
    let out = target_dir()?.join("device");
    for target in TARGETS {
        let mut build = cargo_for("build", target)?;
        build.env("CARGO_TARGET_DIR", &out).args(["--quiet", "--release", "--locked", "--package", EVERYTHING]);
        run(build.arg("--manifest-path").arg(&manifest))?;
        println!("nostd: {target}: every device crate linked, without std and without a heap");
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
    if !debian_compiler_fits() {
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
        .args([verb, "-Zbuild-std=core", "--target", target]);
    Ok(cargo)
}

/// Whether Debian's compiler is there with its library's source, and new enough for this workspace.
fn debian_compiler_fits() -> bool {
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core");
    let version = output(Command::new("/usr/bin/rustc").arg("--version")).unwrap_or_default();
    source.exists() && has("rustc") && minor(&version) >= minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))
}

/// The second number of `rustc 1.96.0 (...)`.
fn minor(version: &str) -> Option<u32> {
    version.split(['.', ' ']).nth(2)?.parse().ok()
}

fn host_triple() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::DEVICE;

    #[test]
    fn an_old_compiler_is_told_from_a_new_one() {
        assert_eq!(minor("rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)"), Some(85));
        assert_eq!(minor("rustc 1.88"), Some(88));
        assert!(minor("") < Some(88));
    }

    #[test]
    fn what_is_linked_without_a_heap_is_every_device_crate() {
        let manifest = std::fs::read_to_string(root().join("probes").join(EVERYTHING).join("Cargo.toml")).unwrap();
        let source = std::fs::read_to_string(root().join("probes").join(EVERYTHING).join("src/lib.rs")).unwrap();
        for name in DEVICE.iter().map(|(name, _)| *name).chain(["otaapp"]) {
            assert!(manifest.lines().any(|line| line.starts_with(name)), "{name} is not among the dependencies");
            let used = format!("use {} as _;", name.replace('-', "_"));
            assert!(source.contains(&used), "{name} is not linked: {used}");
        }
    }
}
