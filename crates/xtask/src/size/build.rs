//! Builds a probe.

use crate::nostd::cargo_for;
use crate::run::{root, target_dir};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// A probe that was built, or why it was not.
pub(crate) enum Built {
    Program(PathBuf),
    /// The program has a panic path, and was linked without the handler.
    Panics,
}

/// The undefined function of the probes' panic handler.
const PANIC: &str = "a_panic_path_is_linked";
/// An address that is in reach of a call, and holds no function.
const NOWHERE: &str = "0xF00";

/// Builds `package`; `panics` gives the panic handler something to call.
pub(crate) fn build(package: &str, target: &str, panics: bool) -> Result<Built> {
    let probes = root().join("probes");
    let script = probes.join("link.x");
    // For every crate; `-Z` flags are for measuring only.
    let flags = ["-Zemit-stack-sizes", "-Csymbol-mangling-version=v0"];
    let out = target_dir()?.join("size");
    let mut cargo = cargo_for("rustc", target)?;
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &out).env_remove("RUSTFLAGS");
    cargo.args(["--release", "--locked", "--package", package, "--manifest-path"]).arg(probes.join("Cargo.toml"));
    // Added to the flags of .cargo/config.toml, not instead of them.
    cargo.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
    // What the outliner cuts out of functions belongs to none of them, and returns by a jump that looks like a call.
    cargo.args(["--", "-Cllvm-args=-enable-machine-outliner=never"]);
    cargo.arg(format!("-Clink-arg=-T{}", script.display()));
    if panics {
        cargo.arg(format!("-Clink-arg=--defsym={PANIC}={NOWHERE}"));
    }
    let done = cargo.output().context("cannot start cargo")?;
    if done.status.success() {
        return Ok(Built::Program(out.join(target).join("release").join(package)));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    if !panics && said.contains(&format!("undefined symbol: {PANIC}")) {
        return Ok(Built::Panics);
    }
    bail!("the probe {package} does not build for {target}:\n{said}")
}

/// The version of the compiler that builds for `target`.
pub(crate) fn compiler(target: &str) -> Result<String> {
    let cargo = cargo_for("build", target)?;
    let rustc = cargo.get_envs().find(|(key, _)| *key == "RUSTC").and_then(|(_, value)| value);
    let mut rustc = Command::new(rustc.unwrap_or("rustc".as_ref()));
    let version = crate::run::output(rustc.arg("--version"))?;
    Ok(version.split_whitespace().nth(1).unwrap_or("unknown").to_owned())
}
