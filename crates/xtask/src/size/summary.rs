//! The table of the README: what `size.toml` records, in short.

use super::plan::{Plan, Weight};
use super::report::{BUDGETED, short_target};
use crate::markdown::grouped;
use std::fmt::Write;

/// Profiles by target, then the boards' whole programs.
pub(crate) fn summary(plan: &Plan) -> String {
    let mut text = profiles(plan);
    if plan.firmware.is_empty() {
        return text;
    }
    text.push_str("\n| whole firmware | flash | static RAM |\n|---|--:|--:|\n");
    for (name, Weight { flash, ram }) in &plan.firmware {
        let _ = writeln!(text, "| {name} | {} | {} |", grouped(*flash), grouped(*ram));
    }
    text
}

fn profiles(plan: &Plan) -> String {
    let targets = plan.targets.iter().map(|target| short_target(target));
    let mut text = format!("| ROM / RAM, bytes | budget | {} |\n", targets.collect::<Vec<_>>().join(" | "));
    let _ = writeln!(text, "|---|--:|{}", "--:|".repeat(plan.targets.len()));
    for profile in &plan.profiles {
        let budget = profile.budget;
        let _ = write!(text, "| {} | {} / {} |", profile.name, grouped(budget.rom), grouped(budget.ram));
        for target in &plan.targets {
            let Some(now) = plan.recorded(&profile.name, target) else {
                text.push_str(" - |");
                continue;
            };
            let sign = |now: u32, budget: u32| match (target == BUDGETED, now <= budget) {
                (true, true) => " ✓",
                (true, false) => " ✗",
                (false, _) => "",
            };
            let (rom, ram) = (now.rom, now.fixed + now.stack);
            let (rom_sign, ram_sign) = (sign(rom, budget.rom), sign(ram, budget.ram));
            let _ = write!(text, " {}{rom_sign} / {}{ram_sign} |", grouped(rom), grouped(ram));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_what_is_recorded() {
        let plan = Plan::load().unwrap();
        let readme = std::fs::read_to_string(crate::run::root().join("README.md")).unwrap();
        let wanted = summary(&plan);
        assert!(readme.contains(&wanted), "not in README.md, run `cargo xtask size --update`:\n{wanted}");
    }
}
