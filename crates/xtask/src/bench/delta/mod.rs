//! `cargo xtask bench delta`: our patches against everybody else's, and what they cost.

mod device;
mod figures;
mod full;
pub(crate) mod kit;
pub(crate) mod measured;
mod ours;
mod pairs;
mod report;
mod run;
mod scale;
mod synth;
mod tools;

use super::report::made_with;
use crate::run::{root, target_dir};
use crate::world::{Programs, Scratch};
use anyhow::{Context, Result, bail};
use clap::Args;
use device::Device;
use figures::Row;
use kit::Kit;
use ours::Profile;
use pairs::{File, Pair};
use run::Runner;
use std::path::{Path, PathBuf};
use tools::PATCHES;

/// What is compared, and how it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Folder with `pairs.tsv` (id, isa, old, new) and the images it names; without it, one synthetic pair
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Only these pairs
    #[arg(long, value_name = "ID", value_delimiter = ',', requires = "pairs")]
    only: Vec<String>,
    /// Installs tools that are missing, from Debian and PyPI
    #[arg(long)]
    install: bool,
    /// Runs the others' tools again instead of taking their figures of an earlier run of the same versions and files
    #[arg(long)]
    again: bool,
    /// Without the emulated device
    #[arg(long)]
    no_device: bool,
    /// Without the full images
    #[arg(long)]
    no_full: bool,
    /// Instead: how time and memory of the encoder grow, on synthetic images of 1 to 32 MiB
    #[arg(long, conflicts_with_all = ["pairs", "install", "again", "no_device", "no_full"])]
    scale: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Rewrites the tables in docs/delta.md
    #[arg(long, conflicts_with = "only")]
    update: bool,
}

/// Measures and prints; an error when a limit is broken.
pub(crate) fn run(options: &Options) -> Result<()> {
    let scratch = Scratch::new("delta", false)?;
    let programs = Programs::build()?;
    if options.scale { grow(options, &programs, scratch.path()) } else { compare(options, &programs, scratch.path()) }
}

fn grow(options: &Options, programs: &Programs, dir: &Path) -> Result<()> {
    let steps = scale::measure(programs, dir)?;
    let table = scale::table(&steps);
    let faults = scale::faults(&steps);
    if options.json {
        println!("{:#}", scale::json(&steps));
    } else {
        print!("{table}");
    }
    if options.update {
        write("scale", &table, "`cargo xtask bench delta --scale`; processor time on one core.")?;
    }
    judge(&faults)
}

fn compare(options: &Options, programs: &Programs, dir: &Path) -> Result<()> {
    let kit = kit(options)?;
    let pairs = match &options.pairs {
        Some(folder) => pairs::read(folder, &options.only)?,
        None => vec![synthetic(dir)?],
    };
    let device = if options.no_device { None } else { Some(Device::new(programs, dir)?) };
    let kept = target_dir()?.join("xtask/delta-others.json");
    let mut runner = Runner::new(&kit, dir, kept, options.again);
    let rows = pairs.iter().map(|pair| row(programs, pair, device.as_ref(), &mut runner, dir));
    let rows = rows.collect::<Result<Vec<Row>>>()?;
    let images = if options.no_full { Vec::new() } else { full::measure(programs, &pairs, &mut runner, dir)? };
    let whole = options.only.is_empty() && options.pairs.is_some();
    let faults = [figures::faults(&rows, whole), full::faults(&images)].concat();
    let tools: Vec<String> = kit.present().collect();
    if options.json {
        println!("{:#}", report::json(&rows, &images, &tools, &faults));
    } else {
        show(&rows, &images, &tools, runner.counts);
    }
    if options.update {
        update(&rows, &images, &tools)?;
    }
    judge(&faults)
}

fn kit(options: &Options) -> Result<Kit> {
    let kit = Kit::look()?;
    let kit = if options.install { kit.install()? } else { kit };
    let missing: Vec<String> = kit.missing().collect();
    if !missing.is_empty() {
        eprintln!("not installed, so not compared (--install brings them):\n  {}", missing.join("\n  "));
    }
    Ok(kit)
}

/// A patch release of a firmware that never was.
fn synthetic(dir: &Path) -> Result<Pair> {
    const LEN: usize = 256 << 10;
    let file = |name: &str, bytes: Vec<u8>| {
        let path = dir.join(name);
        std::fs::write(&path, bytes)?;
        File::open(&path)
    };
    let [old, new] = synth::releases(LEN, 1);
    Ok(Pair { id: "synthetic-p".into(), isa: "thumb".into(), old: file("old.bin", old)?, new: file("new.bin", new)? })
}

fn row(programs: &Programs, pair: &Pair, device: Option<&Device>, runner: &mut Runner<'_>, dir: &Path) -> Result<Row> {
    eprintln!("pair {}", pair.id);
    let patches = Profile::BOTH.map(|profile| dir.join(format!("{}-{}.odp", pair.id, profile.name())));
    let our = |profile: Profile| {
        let kept = &patches[profile as usize];
        ours::patch(programs, profile, [&pair.old, &pair.new], kept, dir).map_err(|error| format!("{error:#}"))
    };
    let ours = Profile::BOTH.map(our);
    let others = PATCHES.iter().filter_map(|setting| Some((setting.name, runner.patch(setting, pair)?))).collect();
    let decoded = match device.filter(|_| ours.iter().all(Result::is_ok)) {
        Some(device) => {
            let both = device.decode(pair, [&patches[0], &patches[1]]);
            both.with_context(|| format!("pair {}", pair.id))?.map(Some)
        }
        None => [None, None],
    };
    Ok(Row { pair: pair.clone(), ours, others, device: decoded })
}

fn show(rows: &[Row], images: &[full::Image], tools: &[String], [now, kept]: [usize; 2]) {
    println!("Patches, bytes, headers included\n\n{}", report::against_others(rows));
    println!("What ours cost\n\n{}", report::costs(rows));
    println!("Every setting\n\n{}", report::settings(rows));
    if !images.is_empty() {
        println!("Full images, compressed\n\n{}", report::full(images));
    }
    println!("{}\nothers' figures: {now} made now, {kept} of an earlier run", tools.join(", "));
    let failures = report::failures(rows, images);
    if !failures.is_empty() {
        println!("not managed by others:\n  {}", failures.join("\n  "));
    }
}

fn update(rows: &[Row], images: &[full::Image], tools: &[String]) -> Result<()> {
    let command = "`cargo xtask bench delta --pairs DIR`";
    let made = format!("{command}: {}.", tools.join(", "));
    write("others", &report::against_others(rows), &format!("{command}; bytes, headers included."))?;
    let (emulator, rustc) = made_with()?;
    let on = format!("{command}; {emulator}, rustc {rustc}, `opt-level = \"s\"`, fat LTO.");
    write("costs", &report::costs(rows), &format!("{}\n\n{on}", state(rows)))?;
    let failures = report::failures(rows, images);
    let failed = if failures.is_empty() { String::new() } else { format!("\n\nFAIL: {}.", failures.join("; ")) };
    write("settings", &report::settings(rows), &format!("{made}{failed}"))?;
    if !images.is_empty() {
        write("full", &report::full(images), &format!("{command}; bytes, headers included."))?;
    }
    Ok(())
}

/// What the decoder remembers on the device: the same for each pair.
fn state(rows: &[Row]) -> String {
    let sizes = Profile::BOTH.map(|profile| {
        let size = rows.iter().find_map(|row| row.device[profile as usize]).map(|decoded| decoded.state);
        format!("profile {}: {}", profile.name(), size.map_or("not measured".into(), |size| format!("{size} bytes")))
    });
    format!("Decoder state on the device: {}.", sizes.join(", "))
}

fn write(name: &str, table: &str, note: &str) -> Result<()> {
    crate::block::write(&root().join("docs/delta.md"), &format!("bench-delta-{name}"), &format!("{table}\n{note}\n"))
}

fn judge(faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("not as promised:\n  {}", faults.join("\n  "))
}
