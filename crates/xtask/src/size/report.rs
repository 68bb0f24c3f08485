//! What people and programs read.

use super::measure::{Measured, by_heading};
use super::plan::{Plan, Profile, Recorded};
use super::whole::{self, Whole};
use crate::markdown::aligned;
use serde_json::{Value, json};
use std::fmt::Write;

/// One line of the table.
pub(crate) struct Row<'p> {
    pub(crate) profile: &'p Profile,
    pub(crate) target: String,
    pub(crate) measured: Measured,
    /// Of the last time.
    pub(crate) recorded: Option<Recorded>,
    /// It did not link without the panic handler, which is what its profile asks for.
    pub(crate) unlinked: bool,
}

/// The target that budgets are stated for.
pub(crate) const BUDGETED: &str = "thumbv7em-none-eabi";
/// Another compiler than the recorded one may make slightly different code: 3 %.
const OTHER_COMPILER: u32 = 33;
/// Symbols named when something is too large.
const NAMED: usize = 12;

impl Row<'_> {
    fn ram(&self) -> u32 {
        self.measured.fixed + self.measured.stack
    }

    /// What is wrong, in sentences.
    pub(crate) fn faults(&self, same_compiler: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let m = &self.measured;
        let slack = |max: u32| if same_compiler { max } else { max + max / OTHER_COMPILER };
        if let Some(recorded) = &self.recorded {
            for (what, now, max) in [("ROM", m.rom, recorded.rom_max), ("RAM", self.ram(), recorded.ram_max)] {
                if now > slack(max) {
                    faults.push(format!("{what} is {now} bytes, {} over the ceiling of {max}", now - max));
                }
            }
        }
        let unbounded = |name: &&String| !self.profile.recursion.contains(&last_words(name));
        let recursive: Vec<String> = m.recursive.iter().filter(unbounded).cloned().collect();
        let mut linked = |what: &str, names: &[String]| {
            if !names.is_empty() {
                faults.push(format!("{what}:\n      {}", names.join("\n      ")));
            }
        };
        linked("text formatting (core::fmt) is linked", &m.fmt);
        linked("a heap is linked", &m.heap);
        linked("functions call themselves, the stack has no bound", &recursive);
        if self.unlinked {
            let from = if m.panics.is_empty() { "a function that was not found" } else { &m.panics.join("\n      ") };
            faults.push(format!("a panic path is linked; panics come from:\n      {from}"));
        }
        if faults.is_empty() {
            return faults;
        }
        faults.push(self.largest());
        faults.into_iter().map(|fault| format!("{} on {}: {fault}", self.profile.name, self.target)).collect()
    }

    /// Nothing is recorded, so it could grow without end.
    pub(crate) fn unlimited(&self) -> Option<String> {
        let sentence = "no ceiling is recorded; `cargo xtask size --update` records one";
        self.recorded.is_none().then(|| format!("{} on {}: {sentence}", self.profile.name, self.target))
    }

    fn largest(&self) -> String {
        let mut text = "the largest symbols are".to_owned();
        for item in self.measured.items.iter().filter(|item| item.counted).take(NAMED) {
            let _ = write!(text, "\n      {:>6}  {}", item.size, shortened(&item.name));
        }
        text
    }

    fn growth(&self) -> Option<[i64; 3]> {
        let r = self.recorded?;
        let m = &self.measured;
        let by = |now: u32, then: u32| i64::from(now) - i64::from(then);
        Some([by(m.rom, r.rom), by(m.fixed, r.fixed), by(m.stack, r.stack)])
    }

    fn json(&self) -> Value {
        let m = &self.measured;
        let items = |items: &[super::measure::Item]| -> Vec<Value> {
            items
                .iter()
                .map(|i| json!({"name": i.name, "crate": i.heading, "bytes": i.size, "counted": i.counted}))
                .collect()
        };
        let parts = by_heading(&m.items);
        json!({
            "profile": self.profile.name,
            "target": self.target,
            "rom": m.rom, "rom_with_board_and_clients": m.rom_whole,
            "static": m.fixed, "stack": m.stack, "ram": self.ram(),
            "budget": {"rom": self.profile.budget.rom, "ram": self.profile.budget.ram, "target": BUDGETED},
            "ceiling": self.recorded.map(|r| json!({"rom": r.rom_max, "ram": r.ram_max, "why": self.profile.why})),
            "grown": self.growth().map(|[rom, fixed, stack]| json!({"rom": rom, "static": fixed, "stack": stack})),
            "crates": parts.iter().map(|(name, size, counted)| json!({"name": name, "bytes": size, "counted": counted})).collect::<Vec<_>>(),
            "deepest": m.path.iter().map(|(name, frame)| json!({"function": name, "frame": frame})).collect::<Vec<_>>(),
            "indirect_calls": {"in": m.indirect, "may_reach": m.taken},
            "panics_from": m.panics, "fmt": m.fmt, "heap": m.heap, "recursive": m.recursive,
            "statics": items(&m.statics), "symbols": items(&m.items),
        })
    }
}

/// Everything, for programs.
pub(crate) fn json(rows: &[Row<'_>], firmware: &[Whole], compiler: &str, faults: &[String]) -> String {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    format!(
        "{:#}",
        json!({"compiler": compiler, "profiles": rows, "firmware": whole::json(firmware), "faults": faults})
    )
}

/// The table, as Markdown that reads well in a terminal too.
pub(crate) fn table(rows: &[Row<'_>]) -> String {
    let head =
        ["profile", "target", "ROM", "budget", "ceiling", "static", "stack", "RAM", "budget", "ceiling", "panics"];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let m = &row.measured;
        let [rom, fixed, stack] = row.growth().unwrap_or_default();
        let budget = |now: u32, budget: u32| {
            let sign = if row.target != BUDGETED {
                ""
            } else if now <= budget {
                " ✓"
            } else {
                " ✗"
            };
            format!("{budget}{sign}")
        };
        let ceiling = |max: fn(&Recorded) -> u32| row.recorded.as_ref().map_or("-".into(), |r| max(r).to_string());
        lines.push([
            row.profile.name.clone(),
            short_target(&row.target).to_owned(),
            format!("{}{}", m.rom, grown(rom)),
            budget(m.rom, row.profile.budget.rom),
            ceiling(|r| r.rom_max),
            m.fixed.to_string(),
            m.stack.to_string(),
            format!("{}{}", row.ram(), grown(fixed + stack)),
            budget(row.ram(), row.profile.budget.ram),
            ceiling(|r| r.ram_max),
            if m.panics.is_empty() { "none".into() } else { format!("in {} functions", m.panics.len()) },
        ]);
    }
    aligned(&lines, 2)
}

/// ROM by crate of each profile, on the target that budgets are stated for.
pub(crate) fn breakdown(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    let first = rows.iter().map(|row| row.target.as_str()).find(|target| *target == BUDGETED);
    let shown = first.or(rows.first().map(|row| row.target.as_str())).unwrap_or_default();
    for row in rows.iter().filter(|row| row.target == shown) {
        let m = &row.measured;
        let list = |items: &[super::measure::Item], counted: bool| {
            let parts = by_heading(items).into_iter().filter(|(_, _, is)| *is == counted);
            parts.map(|(name, size, _)| format!("{name} {size}")).collect::<Vec<_>>().join(", ")
        };
        let statics = m.statics.iter().filter(|i| i.counted);
        let statics = statics.map(|i| format!("{} {}", i.name.rsplit("::").next().unwrap_or_default(), i.size));
        let path = m.path.iter().filter(|(_, frame)| *frame > 0);
        let path = path.map(|(name, frame)| format!("{} {frame}", last_words(name)));
        let _ = writeln!(text, "\n{} ({shown}): {}.", row.profile.name, row.profile.what);
        let _ = writeln!(text, "- ROM by crate: {}", list(&m.items, true));
        let _ = writeln!(text, "- not counted: {}", list(&m.items, false));
        let _ = writeln!(text, "- static RAM: {}", or_none(&statics.collect::<Vec<_>>().join(", ")));
        let _ = writeln!(text, "- deepest stack: {}", path.collect::<Vec<_>>().join(" > "));
        let calls = m.indirect.iter().map(|name| last_words(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "- calls through registers (each may reach {} functions): {}", m.taken, or_none(&calls));
        let panics = m.panics.iter().map(|name| last_words(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "- panic paths in: {}", or_none(&panics));
        let _ = writeln!(text, "- for comparison: {}", row.profile.compare);
    }
    text
}

/// Which ceilings are above the budget, and why.
pub(crate) fn over_budget(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| row.target == BUDGETED) {
        let (rom, ram) = (row.measured.rom, row.ram());
        let budget = row.profile.budget;
        let over = |what, now: u32, max: u32| (now > max).then(|| format!("{what} by {}", now - max));
        let over: Vec<String> =
            [over("ROM", rom, budget.rom), over("RAM", ram, budget.ram)].into_iter().flatten().collect();
        if !over.is_empty() {
            let _ = writeln!(text, "over budget: {}: {}. {}.", row.profile.name, over.join(", "), row.profile.why);
        }
    }
    text
}

/// What the figures mean, for the block in the documentation.
pub(crate) fn note(plan: &Plan) -> String {
    let compiler = plan.compiler.as_ref().map_or("unknown", |compiler| &compiler.version);
    format!(
        "Bytes, rustc {compiler}, `opt-level = \"s\"`, fat LTO, over an empty program. RAM is static RAM plus deepest stack.\n\
         Budgets are stated for thumbv7em; ceilings are what `cargo xtask size` enforces (`size.toml`)."
    )
}

/// What was added since the recorded figures.
pub(crate) fn grown(by: i64) -> String {
    if by == 0 { String::new() } else { format!(" ({by:+})") }
}

pub(crate) fn short_target(target: &str) -> &str {
    target.split('-').next().unwrap_or(target)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// A name without the arguments of its types.
fn plain(name: &str) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    let name = name.strip_prefix('<').map_or(name.to_owned(), |rest| rest.replacen(">::", "::", 0));
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out.replace("::::", "::")
}

/// Type and function, or module and function.
fn last_words(name: &str) -> String {
    let plain = plain(name);
    let mut words: Vec<&str> = plain.split("::").filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    let from = words.len().saturating_sub(2);
    words.drain(..from);
    words.join("::")
}

fn shortened(name: &str) -> String {
    let plain = plain(name);
    if plain.len() < 100 { plain } else { plain.chars().take(100).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_short() {
        assert_eq!(last_words("<ota_boot::loader::Images<A<B>, C>>::verify_once"), "Images::verify_once");
        assert_eq!(last_words("ota_service::run::drive::<X, Y>::{closure#0}"), "run::drive");
        assert_eq!(last_words("_start"), "_start");
    }
}
