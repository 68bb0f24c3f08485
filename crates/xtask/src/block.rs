//! Tables in documentation that commands write.

use anyhow::{Context, Result};
use std::path::Path;

/// Replaces what stands between the marks of `name`. A file that is not there yet, or has no such marks, is left alone.
pub(crate) fn write(path: &Path, name: &str, block: &str) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let Some(new) = replaced(&text, name, block) else {
        eprintln!("{name}: {} has no marks {}; left alone", path.display(), mark(name, "begin"));
        return Ok(());
    };
    std::fs::write(path, new).with_context(|| format!("cannot write {}", path.display()))
}

fn mark(name: &str, end: &str) -> String {
    format!("<!-- {name}:{end} -->")
}

fn replaced(text: &str, name: &str, block: &str) -> Option<String> {
    let (begin, end) = (mark(name, "begin"), mark(name, "end"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{block}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_the_marked_block_changes() {
        let text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let new = replaced(text, "x", "new\n");
        assert_eq!(new.as_deref(), Some("a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n"));
        assert_eq!(replaced(text, "y", "new\n"), None);
    }
}
