//! What people and programs read.

use crate::device::emulator::TARGET;
use crate::markdown::{aligned, grouped};
use crate::run::output;
use crate::size::build::compiler;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::Command;

/// Instructions that one thing takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    name: &'static str,
    what: &'static str,
    instructions: u64,
}

impl Figure {
    pub(super) const fn new(name: &'static str, what: &'static str, instructions: u64) -> Self {
        Self { name, what, instructions }
    }
}

/// The table, as Markdown that reads well in a terminal too.
pub(super) fn table(figures: &[Figure]) -> String {
    let head = ["what".to_owned(), "instructions".to_owned()];
    let rows = figures.iter().map(|figure| [figure.what.to_owned(), grouped(figure.instructions)]);
    aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), 1)
}

/// The deepest stack of the loader, found in RAM after the start that was counted.
pub(super) fn stack(bytes: u64) -> String {
    format!("\nThe loader's deepest stack in that start, found in RAM afterwards: {} bytes.\n", grouped(bytes))
}

/// What the figures were made with, for the documentation.
pub(super) fn note(name: &str) -> Result<String> {
    let (emulator, rustc) = made_with()?;
    Ok(format!("`cargo xtask bench {name}`, {emulator}, rustc {rustc}, `opt-level = \"s\"`, fat LTO."))
}

/// Everything, for programs.
pub(super) fn json(name: &str, figures: &[Figure], stack: Option<u64>) -> Result<Value> {
    let (emulator, rustc) = made_with()?;
    let counts = figures.iter().map(|figure| (figure.name.to_owned(), json!(figure.instructions)));
    let counts: serde_json::Map<String, Value> = counts.collect();
    let unit = "instructions";
    let mut all = json!({ "bench": name, "target": TARGET, "emulator": emulator, "rustc": rustc, "unit": unit, "figures": counts });
    if let Some(bytes) = stack {
        all["loader_stack_bytes"] = bytes.into();
    }
    Ok(all)
}

/// Emulator and compiler.
pub(super) fn made_with() -> Result<(String, String)> {
    let said = output(Command::new("qemu-system-arm").arg("--version"))?;
    let words: Vec<&str> = said.split_whitespace().take(4).collect();
    Ok((words.join(" ").replace(" version", ""), compiler(TARGET)?))
}
