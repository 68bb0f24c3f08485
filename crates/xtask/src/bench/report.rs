//! What people and programs read.

use crate::device::emulator::TARGET;
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
    let head = ("what", "instructions".to_owned());
    let rows = figures.iter().map(|figure| (figure.what, grouped(figure.instructions)));
    let rows: Vec<(&str, String)> = std::iter::once(head).chain(rows).collect();
    let left = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    let right = rows.iter().map(|(_, count)| count.len()).max().unwrap_or(0);
    let mut lines = rows.iter().map(|(what, count)| format!("| {what:left$} | {count:>right$} |\n"));
    let head = lines.next().unwrap_or_default();
    head + &format!("|{}|{}:|\n", "-".repeat(left + 2), "-".repeat(right + 1)) + &lines.collect::<String>()
}

/// What the figures were made with, for the documentation.
pub(super) fn note(name: &str) -> Result<String> {
    let (emulator, rustc) = made_with()?;
    Ok(format!("`cargo xtask bench {name}`, {emulator}, rustc {rustc}, `opt-level = \"s\"`, fat LTO."))
}

/// Everything, for programs.
pub(super) fn json(name: &str, figures: &[Figure]) -> Result<Value> {
    let (emulator, rustc) = made_with()?;
    let counts = figures.iter().map(|figure| (figure.name.to_owned(), json!(figure.instructions)));
    let counts: serde_json::Map<String, Value> = counts.collect();
    let unit = "instructions";
    Ok(
        json!({ "bench": name, "target": TARGET, "emulator": emulator, "rustc": rustc, "unit": unit, "figures": counts }),
    )
}

/// Emulator and compiler.
fn made_with() -> Result<(String, String)> {
    let said = output(Command::new("qemu-system-arm").arg("--version"))?;
    let words: Vec<&str> = said.split_whitespace().take(4).collect();
    Ok((words.join(" ").replace(" version", ""), compiler(TARGET)?))
}

/// With a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_markdown_with_grouped_digits() {
        let text = table(&[Figure::new("a", "a long name", 1_234_567), Figure::new("b", "b", 12)]);
        let lines = ["| what        | instructions |", "|-------------|-------------:|"];
        let rows = ["| a long name |    1,234,567 |", "| b           |           12 |"];
        assert_eq!(text, format!("{}\n", [lines, rows].concat().join("\n")));
        assert_eq!([grouped(0), grouped(999), grouped(1000)], ["0", "999", "1,000"]);
    }
}
