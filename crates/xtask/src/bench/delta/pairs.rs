//! The images that are compared: `pairs.tsv` of a folder.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const HEAD: &str = "id\tisa\told\tnew";

/// Two images that follow each other.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) id: String,
    /// `thumb`, `riscv32`, `xtensa`, or another word for one that nobody here knows.
    pub(super) isa: String,
    pub(super) old: File,
    pub(super) new: File,
}

impl Pair {
    /// Whether it is a patch release: its name says so.
    pub(super) fn is_small(&self) -> bool {
        self.id.ends_with("-p")
    }
}

/// An image.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) len: u64,
    /// SHA-256 in hex.
    pub(super) digest: String,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(!bytes.is_empty(), "{} is empty", path.display());
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.to_owned(), len: bytes.len() as u64, digest })
    }

    /// The file's name.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The pairs of `dir`, or those of them that `only` names.
pub(super) fn read(dir: &Path, only: &[String]) -> Result<Vec<Pair>> {
    let list = dir.join("pairs.tsv");
    let text = std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let lines = parse(&text).with_context(|| list.display().to_string())?;
    for id in only {
        ensure!(lines.iter().any(|line| line[0] == id), "{} has no pair {id}", list.display());
    }
    let wanted = lines.iter().filter(|line| only.is_empty() || only.iter().any(|id| id == line[0]));
    wanted
        .map(|[id, isa, old, new]| {
            let file = |name: &str| File::open(&dir.join(name)).with_context(|| format!("pair {id}"));
            Ok(Pair { id: (*id).to_owned(), isa: (*isa).to_owned(), old: file(old)?, new: file(new)? })
        })
        .collect()
}

/// Each line's four fields.
fn parse(text: &str) -> Result<Vec<[&str; 4]>> {
    let mut lines = text.lines();
    ensure!(lines.next().map(str::trim_end) == Some(HEAD), "the first line is not {HEAD:?}");
    let mut found: Vec<[&str; 4]> = Vec::new();
    for (n, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let Ok(fields) = <[&str; 4]>::try_from(fields) else { bail!("line {}: not four fields", n + 2) };
        ensure!(fields.iter().all(|field| !field.is_empty()), "line {}: a field is empty", n + 2);
        ensure!(found.iter().all(|known| known[0] != fields[0]), "line {}: {} was there before", n + 2, fields[0]);
        found.push(fields);
    }
    ensure!(!found.is_empty(), "there is no pair in it");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_four_fields_with_a_name_of_their_own() {
        let good = "id\tisa\told\tnew\na-p\tthumb\ta1\ta2\n\nb-f\tavr\tb1\tb2\r\n";
        assert_eq!(parse(good).unwrap(), [["a-p", "thumb", "a1", "a2"], ["b-f", "avr", "b1", "b2"]]);
        let bad = |text: &str| parse(text).unwrap_err().to_string();
        assert!(bad("").contains("first line"));
        assert!(bad("id\tisa\told\tnew\n").contains("no pair"));
        assert!(bad("id\tisa\told\tnew\na\tthumb\tx\n").contains("line 2: not four"));
        assert!(bad("id\tisa\told\tnew\na\t\tx\ty\n").contains("line 2: a field is empty"));
        assert!(bad("id\tisa\told\tnew\na\tb\tx\ty\na\tb\tx\ty\n").contains("line 3: a was there before"));
    }
}
