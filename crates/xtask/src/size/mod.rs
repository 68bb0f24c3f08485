//! `cargo xtask size`: what each profile of `size.toml` costs, and whether it may.
//!
//! A probe (`probes`) is a program of one profile on a board that the compiler knows nothing about. ROM is
//! its code and constants less those of an empty probe; the board's and the client libraries' symbols are listed and not
//! counted. The stack is the deepest path through the call graph read from the instructions, with the frame sizes the
//! compiler wrote down. No tool beside the compiler is needed. The boards' whole programs are weighed beside the profiles.

pub(crate) mod build;
mod decode;
pub(crate) mod elf;
mod graph;
mod measure;
pub(crate) mod names;
mod plan;
mod report;
mod summary;
mod whole;

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
    /// Only the boards' whole programs
    #[arg(long, conflicts_with_all = ["target", "profile"])]
    firmware: bool,
    /// Records the figures in size.toml, lowers its ceilings, and rewrites the tables in README.md and docs/performance.md
    #[arg(long)]
    update: bool,
}

/// Measures, prints and judges.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut plan = Plan::load()?;
    plan.knows(options.profile.as_deref(), options.target.as_deref())?;
    let targets: Vec<String> = match &options.target {
        Some(target) => vec![target.clone()],
        None => plan.targets.clone(),
    };
    let compiler = build::compiler(targets.first().context("size.toml names no target")?)?;
    let mut rows = Vec::new();
    let wanted = |name: &String| !options.firmware && options.profile.as_ref().is_none_or(|profile| profile == name);
    let profiles = plan.profiles.clone();
    for profile in profiles.iter().filter(|profile| wanted(&profile.name)) {
        for target in &targets {
            eprintln!("size: {} for {target}", profile.name);
            rows.push(row(&plan, profile, target)?);
        }
    }
    let everything = options.target.is_none() && options.profile.is_none();
    let firmware = if everything { whole::weigh(&plan)? } else { Vec::new() };
    let same = plan.compiler.as_ref().is_none_or(|recorded| recorded.version == compiler);
    let mut faults: Vec<String> = rows.iter().flat_map(|row| row.faults(same)).collect();
    if !options.update {
        faults.extend(rows.iter().filter_map(Row::unlimited));
    }
    if options.json {
        println!("{}", report::json(&rows, &firmware, &compiler, &faults));
    } else {
        print(&rows, &firmware);
        if !same {
            println!(
                "rustc {compiler} is not the recorded compiler: ceilings have 3 % more room, growth may be its own."
            );
        }
    }
    ensure!(
        faults.is_empty(),
        "too large, without a ceiling, or linked what must not be:\n    {}",
        faults.join("\n    ")
    );
    if options.update {
        record(&mut plan, rows, firmware, compiler)?;
    }
    Ok(())
}

fn print(rows: &[Row<'_>], firmware: &[whole::Whole]) {
    if !rows.is_empty() {
        println!("{}{}\n{}", report::table(rows), report::breakdown(rows), report::over_budget(rows));
    }
    if !firmware.is_empty() {
        println!("{}", whole::table(firmware));
    }
}

/// Writes what was measured into `size.toml`, and the tables made of it.
fn record(plan: &mut Plan, mut rows: Vec<Row<'_>>, firmware: Vec<whole::Whole>, compiler: String) -> Result<()> {
    for row in &mut rows {
        let recorded = figures(row);
        row.recorded = Some(recorded);
        plan.recorded.entry(row.profile.name.clone()).or_default().insert(row.target.clone(), recorded);
    }
    let everything = !(rows.is_empty() || firmware.is_empty());
    plan.firmware.extend(firmware.into_iter().map(|whole| (whole.name, whole.weight)));
    if !rows.is_empty() {
        plan.compiler = Some(Compiler { version: compiler });
    }
    plan.save()?;
    let note = report::note(plan);
    block::write(&root().join("README.md"), "size", &format!("{}\n{note}\n", summary::summary(plan)))?;
    if everything {
        let (table, breakdown) = (report::table(&rows), report::breakdown(&rows));
        block::write(&root().join("docs/performance.md"), "size", &format!("{table}\n{note}\n{breakdown}"))?;
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
