//! The table of planted bugs.

use super::Row;
use super::detector::Verdict;
use anyhow::Result;
use serde_json::json;
use std::fmt::Write;

/// For people and for the documentation.
pub(crate) fn table(rows: &[Row]) -> String {
    super::progress("");
    let mut text = "| planted bug | crate | found by | seconds |\n|---|---|---|---|\n".to_owned();
    for Row { mutant, verdict, took } in rows {
        let found = match verdict {
            Verdict::Found => mutant.found_by(),
            Verdict::Survived => format!("**nobody**; {} passes", mutant.found_by()),
            Verdict::Otherwise(how) => format!("**not as expected**: {}", how.lines().last().unwrap_or_default()),
        };
        let (name, package, seconds) = (&mutant.name, &mutant.package, took.as_secs_f32());
        let _ = writeln!(text, "| {name}: {} | {package} | {found} | {seconds:.0} |", mutant.breaks);
    }
    let found = rows.iter().filter(|row| row.verdict == Verdict::Found).count();
    let seconds: f32 = rows.iter().map(|row| row.took.as_secs_f32()).sum();
    let _ = writeln!(text, "\n{found} of {} planted bugs found in {seconds:.0} s.", rows.len());
    text
}

/// For programs.
pub(crate) fn json(rows: &[Row]) -> Result<String> {
    let row = |row: &Row| {
        json!({
            "name": row.mutant.name,
            "breaks": row.mutant.breaks,
            "crate": row.mutant.package,
            "found_by": row.mutant.found_by(),
            "verdict": match &row.verdict {
                Verdict::Found => "found",
                Verdict::Survived => "survived",
                Verdict::Otherwise(_) => "otherwise",
            },
            "seconds": row.took.as_secs_f32(),
        })
    };
    Ok(serde_json::to_string_pretty(&rows.iter().map(row).collect::<Vec<_>>())?)
}
