//! Runs one setting on one pair: makes the patch, applies it, compares. What others make does not change between runs,
//! so it is kept, by program, version, command and content of the files.

use super::kit::Kit;
use super::measured::{Cost, measure};
use super::pairs::{File, Pair};
use super::tools::Setting;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A patch that was made, applied, and gave the new image.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) bytes: u64,
    pub(super) cost: Cost,
}

/// A patch, or why there is none.
pub(super) type Outcome = Result<Made, String>;

/// Runs settings.
pub(super) struct Runner<'k> {
    kit: &'k Kit,
    dir: &'k Path,
    kept: BTreeMap<String, Made>,
    file: PathBuf,
    /// How many figures were made now, and how many were there.
    pub(super) counts: [usize; 2],
}

impl<'k> Runner<'k> {
    /// With the figures that `file` holds; none of them when all are to be made `again`.
    pub(super) fn new(kit: &'k Kit, dir: &'k Path, file: PathBuf, again: bool) -> Self {
        let kept = if again { None } else { std::fs::read_to_string(&file).ok() };
        // A file that is none any more costs time only.
        let kept = kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { kit, dir, kept, file, counts: [0; 2] }
    }

    /// `None` when the setting is not for this instruction set, or its tool is not here.
    pub(super) fn patch(&mut self, setting: &Setting, pair: &Pair) -> Option<Outcome> {
        self.run(setting, &pair.isa, &pair.old, &pair.new)
    }

    /// The same for a full image.
    pub(super) fn compress(&mut self, setting: &Setting, isa: &str, empty: &File, image: &File) -> Option<Outcome> {
        self.run(setting, isa, empty, image)
    }

    fn run(&mut self, setting: &Setting, isa: &str, old: &File, new: &File) -> Option<Outcome> {
        let version = self.kit.version_of(setting.tool)?;
        if setting.isa.is_some_and(|only| only != isa) {
            return None;
        }
        let key = format!("{version} {} {} {}", setting.make, old.digest, new.digest);
        if let Some(made) = self.kept.get(&key) {
            self.counts[1] += 1;
            return Some(Ok(*made));
        }
        let outcome = self.make(setting, &old.path, &new.path).map_err(|error| format!("{error:#}"));
        if let Ok(made) = &outcome {
            self.counts[0] += 1;
            self.kept.insert(key, *made);
        }
        Some(outcome)
    }

    fn make(&self, setting: &Setting, old: &Path, new: &Path) -> Result<Made> {
        let (patch, out) = (self.dir.join("patch"), self.dir.join("out"));
        for file in [&patch, &out] {
            let _ = std::fs::remove_file(file);
        }
        let files = [("old", old), ("new", new), ("patch", &patch), ("out", &out)];
        let run = |template| {
            let (command, stdout) = self.kit.command(template, &files)?;
            measure(&command, &stdout.unwrap_or_else(|| self.dir.join("stdout")), self.dir)
        };
        let cost = run(setting.make)?;
        let bytes = std::fs::metadata(&patch).context("no patch was written")?.len();
        run(setting.apply).context("its patch is not applied")?;
        let out = std::fs::read(&out).context("applying its patch wrote nothing")?;
        ensure!(out == std::fs::read(new)?, "its patch gives another image");
        Ok(Made { bytes, cost })
    }
}

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        // Not kept means made again.
        let _ = serde_json::to_string(&self.kept).map(|text| std::fs::write(&self.file, text));
    }
}
