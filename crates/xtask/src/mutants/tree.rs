//! The copy of the working tree in which bugs are planted.

use super::list::Mutant;
use crate::run::{output, root, target_dir};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The copy.
pub(crate) struct Tree {
    root: PathBuf,
    /// Where it is built: beside the tree's own builds, so that what others wrote is not compiled twice. See [`Tree::cargo`].
    target: PathBuf,
}

impl Tree {
    /// Copies what git knows of the working tree, changes included. Files that are the same already keep their time, so
    /// that a second run compiles little.
    pub(crate) fn copy() -> Result<Self> {
        let target = target_dir()?;
        let tree = Self { root: target.join("mutants/tree"), target };
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let files = output(Command::new("git").current_dir(root()).args(list))?;
        let files: BTreeSet<_> = files.split_terminator('\0').filter(|file| root().join(file).is_file()).collect();
        for file in &files {
            tree.renew(file)?;
        }
        tree.forget(&tree.root, &files)?;
        Ok(tree)
    }

    /// Cargo, for the copy. Without debug information for the workspace's own crates: cargo would otherwise take what it
    /// built of the copy for builds of the tree, and pass over changes to the tree. Others' crates have none anyway.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo
    }

    /// Fails with the names of all patches that do not apply.
    pub(crate) fn check_all(&self, mutants: &[Mutant]) -> Result<()> {
        let stale = mutants.iter().filter_map(|mutant| self.git_apply(mutant, &["--check"]).err());
        let stale: Vec<_> = stale.map(|error| format!("{error:#}")).collect();
        if !stale.is_empty() {
            bail!("{} planted bugs do not apply any more; plant them anew:\n{}", stale.len(), stale.join("\n"));
        }
        Ok(())
    }

    /// Plants a bug.
    pub(crate) fn apply(&self, mutant: &Mutant) -> Result<()> {
        self.git_apply(mutant, &[])
    }

    /// Takes it out again.
    pub(crate) fn restore(&self, mutant: &Mutant) -> Result<()> {
        self.git_apply(mutant, &["--reverse"])
    }

    fn git_apply(&self, mutant: &Mutant, how: &[&str]) -> Result<()> {
        let mut git = Command::new("git");
        // The copy lies inside a repository that would take the paths for its own.
        git.current_dir(&self.root).env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root));
        output(git.args(["apply", "--whitespace=nowarn"]).args(how).arg(mutant.patch()))
            .with_context(|| format!("{} does not apply", mutant.patch().display()))?;
        Ok(())
    }

    fn renew(&self, file: &str) -> Result<()> {
        let (from, to) = (root().join(file), self.root.join(file));
        let bytes = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        fs::create_dir_all(to.parent().unwrap_or(&self.root))?;
        fs::write(&to, bytes).with_context(|| format!("cannot write {}", to.display()))
    }

    /// Removes what is in the copy only.
    fn forget(&self, directory: &Path, files: &BTreeSet<&str>) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.strip_prefix(&self.root)?.to_string_lossy().into_owned();
            if path.is_dir() {
                self.forget(&path, files)?;
            } else if !files.contains(&*name) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
