//! The dependency rule of `docs/ARCHITECTURE.md`, where a machine can see it.

use crate::run::{cargo, output, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Crates that a device links, and the workspace crates each may use. Dev-dependencies are free.
pub(crate) const DEVICE: &[(&str, &[&str])] = &[
    ("ota-hal", &[]),
    ("ota-verify", &["ota-hal"]),
    ("ota-boot", &["ota-hal", "ota-verify"]),
    ("ota-diff", &[]),
    ("ota-coap", &["ota-hal"]),
    ("ota-download", &["ota-hal", "ota-coap"]),
    ("ota-transport", &["ota-hal", "ota-coap"]),
    ("ota-service", &["ota-hal", "ota-verify", "ota-boot", "ota-download", "ota-transport", "ota-diff"]),
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

/// Every crate under `crates/` takes the workspace lints, and those forbid unsafe code. A package inside a crate would
/// escape the lints, so the sources are searched as well. Packages inside a crate would
/// escape the lints, so the sources are searched as well.
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
    for source in sources(&root().join("crates"))? {
        let text = std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        faults.extend(unsafe_lines(&text).map(|line| format!("{}:{line}: unsafe code", source.display())));
    }
    Ok(faults)
}

/// Every Rust file below `dir`.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The numbers of the lines where unsafe code begins; comments and lint names do not count.
fn unsafe_lines(text: &str) -> impl Iterator<Item = usize> + '_ {
    const AFTER: [&str; 5] = ["{", "fn ", "impl", "extern", "("];
    let begins = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let mut rest = code.split("unsafe").skip(1);
        rest.any(|rest| AFTER.iter().any(|after| rest.trim_start().starts_with(after)))
    };
    text.lines().enumerate().filter(move |(_, line)| begins(line)).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::unsafe_lines;

    #[test]
    fn unsafe_code_is_found_and_talk_about_it_is_not() {
        let word = "unsafe";
        let code = [
            format!("// an {word} {{ }} in a comment"),
            format!("let x = {word} {{ y }};"),
            format!("#![forbid({word}_code)]"),
            format!("{word} impl T for U {{}}"),
            format!("#[{word}(no_mangle)]"),
            format!("let s = \"no {word}\";"),
            format!("pub {word} fn f() {{}}"),
        ];
        assert_eq!(unsafe_lines(&code.join("\n")).collect::<Vec<_>>(), [2, 4, 5, 7]);
    }
}
