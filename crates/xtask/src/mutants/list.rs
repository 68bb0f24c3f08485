//! The list of planted bugs.

use super::detector::Detector;
use crate::run::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::PathBuf;

/// A planted bug. The name of its patch begins with its place in the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    /// Its name, and that of its patch.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) breaks: String,
    /// The crate it is in.
    pub(crate) package: String,
    /// The test that finds it: crate, `lib` or the name of a test program, path of the test.
    test: Option<[String; 3]>,
    /// Whether the power sweep's own test must find it too.
    #[serde(default)]
    swept: bool,
    /// The compiler's error that finds it, for bugs that types are there to prevent.
    pub(crate) error: Option<String>,
}

impl Mutant {
    /// The tests that each find it.
    pub(crate) fn detectors(&self) -> Vec<Detector> {
        let sweep = SWEEP.map(str::to_owned);
        let tests = self.test.clone().into_iter().chain(self.swept.then_some(sweep));
        tests.map(|[package, program, test]| Detector { package, program, test }).collect()
    }
    /// Where its patch is.
    pub(crate) fn patch(&self) -> PathBuf {
        directory().join(format!("{}.patch", self.name))
    }
    /// Who finds it, for people.
    pub(crate) fn found_by(&self) -> String {
        match &self.error {
            Some(error) => format!("does not compile: {error}"),
            None => self.detectors().iter().map(Detector::name).collect::<Vec<_>>().join("; "),
        }
    }
}

/// What the power sweep does with each cut, on one geometry.
const SWEEP: [&str; 3] = ["ota-sweep", "lib", "scenario::tests::every_story_survives_a_cut_at_every_operation"];

#[derive(Deserialize)]
struct Listed {
    mutant: Vec<Mutant>,
}

fn directory() -> PathBuf {
    root().join("crates/xtask/mutants")
}

/// Reads the list, and makes sure that it and the patches belong together.
pub(crate) fn read() -> Result<Vec<Mutant>> {
    let path = directory().join("mutants.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Listed { mutant: mutants } = toml::from_str(&text).context("mutants.toml is not as it should be")?;
    for mutant in &mutants {
        if mutant.detectors().is_empty() == mutant.error.is_none() {
            bail!("{}: give it either a test or an error of the compiler", mutant.name);
        }
        if !mutant.patch().is_file() {
            bail!("{} is missing: {} is listed", mutant.patch().display(), mutant.name);
        }
    }
    for file in std::fs::read_dir(directory())? {
        let path = file?.path();
        let named = |mutant: &Mutant| mutant.patch() == path;
        if path.extension().is_some_and(|kind| kind == "patch") && !mutants.iter().any(named) {
            bail!("{} is not listed in mutants.toml: list it or remove it", path.display());
        }
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_enough_and_each_has_its_own_name() {
        let all = read().unwrap();
        let names: BTreeSet<_> = all.iter().map(|mutant| &mutant.name).collect();
        assert!(all.len() >= 20 && names.len() == all.len(), "{} planted bugs, {} names", all.len(), names.len());
        assert!(all.iter().filter(|mutant| mutant.swept).count() >= 10, "the sweep is hardly proven");
    }
}
