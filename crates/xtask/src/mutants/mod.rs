//! `cargo xtask sweep --mutants`: plants bugs, one at a time, and expects each to be found.
//!
//! A bug is a patch in `crates/xtask/mutants`; `mutants.toml` beside it names what must find it. The tests run in a copy
//! of the working tree, so nothing of the tree itself is touched. A patch that no longer applies is an error: whoever
//! changes the code beneath it moves the bug along.

mod detector;
mod list;
mod report;
mod tree;

use crate::run::root;
use anyhow::{Result, bail};
use clap::Args;
use detector::{Program, Verdict};
use list::Mutant;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};
use tree::Tree;

/// Which bugs are planted.
#[derive(Debug, Clone, Args)]
pub(crate) struct Planted {
    /// Only the bugs whose name contains this
    #[arg(long, value_name = "NAME", requires = "mutants")]
    only: Option<String>,
    /// One bug of each crate that a test finds, after a look whether every patch applies: what CI runs
    #[arg(long, requires = "mutants", conflicts_with = "only")]
    quick: bool,
}

/// One line of the table.
struct Row {
    mutant: Mutant,
    verdict: Verdict,
    took: Duration,
}

/// Plants, looks, prints. Fails when a bug stays unseen, or when a patch or a detector is not what it was.
pub(crate) fn run(options: &Planted, json: bool, update: bool) -> Result<()> {
    if update && (options.quick || options.only.is_some()) {
        bail!("--update is for the whole list: leave --only and --quick out");
    }
    let all = list::read()?;
    let tree = Tree::copy()?;
    tree.check_all(&all)?;
    let chosen = choose(all, options)?;
    baseline(&tree, &chosen)?;
    let count = chosen.len();
    let rows = chosen.into_iter().enumerate().map(|(n, mutant)| plant(&tree, mutant, n + 1, count));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    if json {
        println!("{}", report::json(&rows)?);
    } else {
        print!("{}", report::table(&rows));
    }
    if update {
        crate::block::write(&root().join("docs/reliability.md"), "mutants", &report::table(&rows))?;
    }
    let unseen: Vec<_> = rows.iter().filter(|row| row.verdict != Verdict::Found).map(|row| &*row.mutant.name).collect();
    if !unseen.is_empty() {
        bail!("{} of {count} planted bugs are not found as they should be: {}", unseen.len(), unseen.join(", "));
    }
    Ok(())
}

fn choose(all: Vec<Mutant>, options: &Planted) -> Result<Vec<Mutant>> {
    let mut crates = BTreeSet::new();
    let wanted = |mutant: &Mutant| match &options.only {
        Some(part) => mutant.name.contains(part),
        None => !options.quick || (mutant.error.is_none() && crates.insert(mutant.package.clone())),
    };
    let names: Vec<_> = all.iter().map(|mutant| mutant.name.clone()).collect();
    let chosen: Vec<_> = all.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!("no planted bug is called like that; there are:\n  {}", names.join("\n  "));
    }
    Ok(chosen)
}

/// A detector that fails without a bug, or that is not there any more, finds nothing.
fn baseline(tree: &Tree, mutants: &[Mutant]) -> Result<()> {
    let programs = Program::all(mutants.iter().flat_map(Mutant::detectors));
    let mut faults = Vec::new();
    for (n, program) in programs.iter().enumerate() {
        progress(&format!("without a bug {}/{}: {program}", n + 1, programs.len()));
        faults.extend(program.must_pass(tree)?);
    }
    if !faults.is_empty() {
        bail!("these find nothing as they are:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn plant(tree: &Tree, mutant: Mutant, n: usize, count: usize) -> Result<Row> {
    progress(&format!("planted {n}/{count}: {}", mutant.name));
    let begin = Instant::now();
    tree.apply(&mutant)?;
    let verdict = detector::look(&mutant, tree);
    tree.restore(&mutant)?;
    let row = Row { verdict: verdict?, took: begin.elapsed(), mutant };
    if row.verdict != Verdict::Found {
        progress(&format!("{}: {}\n", row.mutant.name, row.verdict));
    }
    Ok(row)
}

/// Says what is being done, in one line that the next one replaces.
fn progress(line: &str) {
    eprint!("\r\x1b[2K{line}");
    let _ = std::io::stderr().flush();
    if line.is_empty() {
        eprintln!();
    }
}
