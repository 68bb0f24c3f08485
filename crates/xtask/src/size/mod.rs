//! `cargo xtask size`: what each profile of `size.toml` costs, and whether it may.
//!
//! A probe (`probes`) is a program of one profile on a board that the compiler knows nothing about. ROM is
//! its code and constants less those of an empty probe; the board's and the client libraries' symbols are listed and not
//! counted. The stack is the deepest path through the call graph read from the instructions, with the frame sizes the
//! compiler wrote down. No tool beside the compiler is needed.

pub(crate) mod build;
mod decode;
pub(crate) mod elf;
mod graph;
mod measure;
mod names;
mod plan;
mod report;

use crate::block;
use crate::run::root;
use anyhow::{Context, Result, bail, ensure};
use build::Built;
use elf::Elf;
use plan::{Compiler, Plan, Profile, Recorded};
use report::Row;
use std::path::Path;

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Prints everything as JSON: symbols, crates, deepest path, checks
    #[arg(long)]
    json: bool,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// Only this profile
    #[arg(long)]
    profile: Option<String>,
    /// Records the figures in size.toml, lowers its ceilings, and rewrites the tables in README.md and docs/performance.md
    #[arg(long)]
    update: bool,
}

/// Measures, prints and judges.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut plan = Plan::load()?;
    let targets: Vec<String> = match &options.target {
        Some(target) => vec![target.clone()],
        None => plan.targets.clone(),
    };
    let compiler = build::compiler(targets.first().context("size.toml names no target")?)?;
    let mut rows = Vec::new();
    let wanted = |name: &String| options.profile.as_ref().is_none_or(|profile| profile == name);
    for profile in plan.profiles.iter().filter(|profile| wanted(&profile.name)) {
        for target in &targets {
            eprintln!("size: {} for {target}", profile.name);
            rows.push(row(&plan, profile, target)?);
        }
    }
    let same = plan.compiler.as_ref().is_none_or(|recorded| recorded.version == compiler);
    let faults: Vec<String> = rows.iter().flat_map(|row| row.faults(same)).collect();
    if options.json {
        println!("{}", report::json(&rows, &compiler, &faults));
    } else {
        print!("{}{}\n{}", report::table(&rows), report::breakdown(&rows), report::over_budget(&rows));
        if !same {
            println!(
                "rustc {compiler} is not the recorded compiler: ceilings have 3 % more room, growth may be its own."
            );
        }
    }
    ensure!(faults.is_empty(), "too large, or linked what must not be:\n    {}", faults.join("\n    "));
    if options.update {
        for row in &mut rows {
            row.recorded = Some(figures(row));
        }
        let everything = options.target.is_none() && options.profile.is_none();
        let tables = everything.then(|| (report::table(&rows), report::breakdown(&rows)));
        let figures: Vec<_> =
            rows.iter().filter_map(|row| Some((row.profile.name.clone(), row.target.clone(), row.recorded?))).collect();
        for (profile, target, recorded) in figures {
            plan.recorded.entry(profile).or_default().insert(target, recorded);
        }
        plan.compiler = Some(Compiler { version: compiler });
        plan.save()?;
        if let Some((table, breakdown)) = tables {
            let note = report::note(&plan);
            block::write(&root().join("README.md"), "size", &format!("{table}\n{note}\n"))?;
            block::write(&root().join("docs/performance.md"), "size", &format!("{table}\n{note}\n{breakdown}"))?;
        }
    }
    Ok(())
}

fn row<'p>(plan: &Plan, profile: &'p Profile, target: &str) -> Result<Row<'p>> {
    let (program, unlinked) = match build::build(&profile.package, target, profile.panics)? {
        Built::Program(program) => (program, false),
        // Linked once more, to say where the panic comes from.
        Built::Panics => match build::build(&profile.package, target, true)? {
            Built::Program(program) => (program, true),
            Built::Panics => bail!("{} cannot be linked", profile.name),
        },
    };
    let elf = read(&program)?;
    let Built::Program(empty) = build::build("empty", target, false)? else {
        bail!("the empty probe panics");
    };
    let measured = measure::measure(&elf, &read(&empty)?, profile)?;
    let recorded = plan.recorded(&profile.name, target).copied();
    Ok(Row { profile, target: target.to_owned(), measured, recorded, unlinked })
}

fn read(path: &Path) -> Result<Elf> {
    let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Elf::parse(&file).with_context(|| path.display().to_string())
}

fn figures(row: &Row<'_>) -> Recorded {
    let m = &row.measured;
    Recorded::ratchet(m.rom, m.fixed, m.stack, row.recorded.as_ref())
}
