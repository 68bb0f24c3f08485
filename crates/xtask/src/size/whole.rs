//! What the boards' whole programs take: driver, console, network stack and all.

use super::elf::Elf;
use super::plan::{Plan, Weight};
use crate::device::firmware::{Firmware, MICROBIT, MPS2, any_key};
use crate::vendor::Slot;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// A program of a board.
pub(crate) struct Whole {
    /// Board and program.
    pub(crate) name: String,
    pub(crate) weight: Weight,
    grown: Option<[i64; 2]>,
}

/// Builds loader and application of each board, and weighs them.
pub(crate) fn weigh(plan: &Plan) -> Result<Vec<Whole>> {
    let key = any_key()?;
    let mut all = Vec::new();
    for port in [MPS2, MICROBIT] {
        let firmware = Firmware::new(port, &key)?;
        let programs: [(&str, &dyn Fn() -> Result<_>); 2] =
            [("loader", &|| firmware.loader()), ("application", &|| firmware.application("1.0.0", "none", Slot::A))];
        for (program, build) in programs {
            let name = format!("{} {program}", port.name);
            eprintln!("size: {name}");
            let weight = of(&build()?)?;
            let by = |now: u32, then: u32| i64::from(now) - i64::from(then);
            let then = plan.firmware.get(&name);
            let grown = then.map(|then| [by(weight.flash, then.flash), by(weight.ram, then.ram)]);
            all.push(Whole { name, weight, grown });
        }
    }
    Ok(all)
}

fn of(program: &Path) -> Result<Weight> {
    let file = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let elf = Elf::parse(&file).with_context(|| program.display().to_string())?;
    let sum = |names: &[&str]| names.iter().map(|name| elf.size_of(name)).sum();
    Ok(Weight { flash: sum(&[".vector_table", ".text", ".rodata", ".data"]), ram: sum(&[".data", ".bss", ".uninit"]) })
}

/// For people; growth since the recorded figures in brackets.
pub(crate) fn table(all: &[Whole]) -> String {
    let mut text = String::from("| whole firmware | flash | static RAM |\n|---|--:|--:|\n");
    for Whole { name, weight, grown } in all {
        let [flash, ram] = grown.unwrap_or_default().map(super::report::grown);
        let _ = writeln!(text, "| {name} | {}{flash} | {}{ram} |", weight.flash, weight.ram);
    }
    text
}

/// For programs.
pub(crate) fn json(all: &[Whole]) -> Value {
    let one = |whole: &Whole| {
        let grown = whole.grown.map(|[flash, ram]| json!({"flash": flash, "static": ram}));
        json!({"program": whole.name, "flash": whole.weight.flash, "static": whole.weight.ram, "grown": grown})
    };
    all.iter().map(one).collect()
}
