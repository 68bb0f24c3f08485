//! The dependency rule of `docs/ARCHITECTURE.md`, where a machine can see it.

use crate::run::{cargo, output, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Crates that a device links, and the workspace crates each may use. Dev-dependencies are free.
const DEVICE: &[(&str, &[&str])] = &[
    ("ota-hal", &[]),
    ("ota-verify", &["ota-hal"]),
    ("ota-boot", &["ota-hal", "ota-verify"]),
    ("ota-download", &["ota-hal"]),
    ("ota-transport", &["ota-hal"]),
    ("ota-service", &["ota-hal", "ota-verify", "ota-boot", "ota-download", "ota-transport"]),
];

/// Fails when an edge, an attribute or a lint is not as the architecture says.
pub(crate) fn check() -> Result<()> {
    let metadata = output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut faults = Vec::new();
    for (name, allowed) in DEVICE {
        let package = packages.iter().find(|p| p["name"] == *name);
        let package = package.with_context(|| format!("there is no crate {name} in the workspace"))?;
        faults.extend(wrong_edges(package, name, allowed));
        faults.extend(wrong_sources(name)?);
    }
    faults.extend(unsafe_under_crates()?);
    if faults.is_empty() {
        println!("layers: {} device crates, all edges point down, no std, no unsafe", DEVICE.len());
        return Ok(());
    }
    bail!("the dependency rule is broken:\n  {}", faults.join("\n  "))
}

fn wrong_edges(package: &Value, name: &str, allowed: &[&str]) -> Vec<String> {
    let edges = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    edges
        .iter()
        .filter(|edge| edge["kind"].is_null())
        .filter_map(|edge| edge["name"].as_str())
        .filter(|to| to.starts_with("ota") && !allowed.contains(to))
        .map(|to| format!("{name} must not know {to}"))
        .collect()
}

fn wrong_sources(name: &str) -> Result<Vec<String>> {
    let path = root().join("crates").join(name);
    let lib = std::fs::read_to_string(path.join("src/lib.rs")).with_context(|| format!("{name} has no src/lib.rs"))?;
    let mut faults = Vec::new();
    if !lib.contains("#![no_std]") {
        faults.push(format!("{name}: src/lib.rs lacks #![no_std]"));
    }
    for (what, file) in [("README", "README.md"), ("example", "examples")] {
        if !path.join(file).exists() {
            faults.push(format!("{name} has no {what}: {file} is missing"));
        }
    }
    Ok(faults)
}

/// Every crate under `crates/` takes the workspace lints, and those forbid unsafe code.
fn unsafe_under_crates() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let workspace = std::fs::read_to_string(root().join("Cargo.toml"))?;
    if !workspace.contains("unsafe_code = \"forbid\"") {
        faults.push("Cargo.toml no longer forbids unsafe code".into());
    }
    for entry in std::fs::read_dir(root().join("crates"))? {
        let manifest = entry?.path().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{} does not take the workspace lints", manifest.display()));
        }
    }
    Ok(faults)
}
