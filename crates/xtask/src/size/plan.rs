//! `size.toml`: what is measured, what it may cost, and what it cost last time.

use crate::run::root;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<String>,
    #[serde(rename = "profile")]
    pub(crate) profiles: Vec<Profile>,
    /// The compiler of the recorded figures.
    #[serde(default)]
    pub(crate) compiler: Option<Compiler>,
    /// By profile, then by target.
    #[serde(default)]
    pub(crate) recorded: BTreeMap<String, BTreeMap<String, Recorded>>,
    /// Whole programs of the boards, by board and program.
    #[serde(default)]
    pub(crate) firmware: BTreeMap<String, Weight>,
}

/// A whole program, with everything that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weight {
    pub(crate) flash: u32,
    /// Static.
    pub(crate) ram: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compiler {
    pub(crate) version: String,
}

/// One composition of crates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) what: String,
    /// Whether a panic path may be linked.
    pub(crate) panics: bool,
    #[serde(default)]
    pub(crate) apart: Vec<String>,
    #[serde(default)]
    pub(crate) apart_statics: Vec<String>,
    /// Functions that may call themselves once. The second turn's frames are added to the stack.
    #[serde(default)]
    pub(crate) recursion: Vec<String>,
    pub(crate) budget: Budget,
    pub(crate) compare: String,
    /// Why the ceilings are not the budget.
    pub(crate) why: String,
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    pub(crate) rom: u32,
    pub(crate) ram: u32,
}

/// The figures of one profile on one target, and their ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    pub(crate) rom: u32,
    #[serde(rename = "static")]
    pub(crate) fixed: u32,
    pub(crate) stack: u32,
    pub(crate) rom_max: u32,
    pub(crate) ram_max: u32,
}

impl Recorded {
    /// These figures with ceilings a little above them, and never above the `old` ones.
    pub(crate) fn ratchet(rom: u32, fixed: u32, stack: u32, old: Option<&Self>) -> Self {
        let room = |bytes: u32| (bytes + ROOM).next_multiple_of(ROOM);
        let (rom_max, ram_max) = (room(rom), room(fixed + stack));
        Self {
            rom,
            fixed,
            stack,
            rom_max: old.map_or(rom_max, |old| old.rom_max.min(rom_max)),
            ram_max: old.map_or(ram_max, |old| old.ram_max.min(ram_max)),
        }
    }
}

/// What a change may add before somebody has to say why.
const ROOM: u32 = 64;

const MARK: &str = "# Written by `cargo xtask size --update` from here on.";

fn path() -> PathBuf {
    root().join("size.toml")
}

impl Plan {
    /// Reads the file.
    pub(crate) fn load() -> Result<Self> {
        let text = std::fs::read_to_string(path()).context("cannot read size.toml")?;
        let plan: Self = toml::from_str(&text).context("size.toml")?;
        for name in plan.recorded.keys() {
            ensure!(
                plan.profiles.iter().any(|profile| profile.name == *name),
                "size.toml records {name}, which is no profile"
            );
        }
        Ok(plan)
    }

    /// Refuses a profile or a target that is not here, and names those that are.
    pub(crate) fn knows(&self, profile: Option<&str>, target: Option<&str>) -> Result<()> {
        let profiles: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        for (what, asked, known) in [("profile", profile, profiles), ("target", target, targets)] {
            let there = asked.is_none_or(|name| known.contains(&name));
            ensure!(there, "{} is no {what} of size.toml; it has {}", asked.unwrap_or_default(), known.join(", "));
        }
        Ok(())
    }

    /// What is recorded of a profile on a target.
    pub(crate) fn recorded(&self, profile: &str, target: &str) -> Option<&Recorded> {
        self.recorded.get(profile)?.get(target)
    }

    /// Writes the recorded figures back; all before them stays as people wrote it.
    pub(crate) fn save(&self) -> Result<()> {
        let text = std::fs::read_to_string(path())?;
        let (head, _) = text.split_once(MARK).context("size.toml lacks the line after which figures are recorded")?;
        let mut out = format!("{head}{MARK}\n");
        if let Some(compiler) = &self.compiler {
            writeln!(out, "[compiler]\nversion = \"{}\"", compiler.version)?;
        }
        for profile in &self.profiles {
            let Some(targets) = self.recorded.get(&profile.name) else { continue };
            writeln!(out, "\n[recorded.{}]", profile.name)?;
            for (target, r) in targets {
                let Recorded { rom, fixed, stack, rom_max, ram_max } = r;
                writeln!(
                    out,
                    "{target} = {{ rom = {rom}, static = {fixed}, stack = {stack}, rom_max = {rom_max}, ram_max = {ram_max} }}"
                )?;
            }
        }
        if !self.firmware.is_empty() {
            out.push_str("\n[firmware]\n");
        }
        for (name, Weight { flash, ram }) in &self.firmware {
            writeln!(out, "\"{name}\" = {{ flash = {flash}, ram = {ram} }}")?;
        }
        std::fs::write(path(), out).context("cannot write size.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_only_come_down() {
        let first = Recorded::ratchet(1000, 100, 200, None);
        assert_eq!((first.rom_max, first.ram_max), (1088, 384));
        let smaller = Recorded::ratchet(500, 100, 200, Some(&first));
        assert_eq!((smaller.rom_max, smaller.ram_max), (576, 384));
        let larger = Recorded::ratchet(5000, 100, 200, Some(&smaller));
        assert_eq!((larger.rom, larger.rom_max), (5000, 576));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let plan = Plan::load().expect("size.toml can be read");
        assert!(plan.knows(None, None).is_ok());
        assert!(plan.knows(Some("loader"), Some("thumbv7em-none-eabi")).is_ok());
        let said = |profile, target| plan.knows(profile, target).unwrap_err().to_string();
        assert!(said(Some("loder"), None).contains("agent-core"));
        assert!(said(None, Some("thumbv7em")).contains("thumbv7em-none-eabi"));
    }

    #[test]
    fn the_repository_has_a_plan() {
        let plan = Plan::load().expect("size.toml can be read");
        assert!(plan.profiles.iter().any(|profile| profile.name == "loader" && !profile.panics));
    }
}
