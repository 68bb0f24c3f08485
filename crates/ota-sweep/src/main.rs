//! `cargo xtask sweep` runs this.

mod parts;
mod report;
mod sweep;

use anyhow::{Result, bail};
use clap::Parser;
use ota_sweep::Signatures;
use ota_sweep::geometry::GEOMETRIES;
use ota_sweep::line::{Line, TEARS};
use ota_sweep::story::{Materials, Story};
use ota_testkit::Tear;

/// Cuts the power of a whole device everywhere, and looks at what becomes of it.
///
/// The real agent and the real loader run on simulated flash, with a fake clock and a scripted cloud. A run without a cut
/// keeps the device as it is before each write and each erase; a scenario tears that operation, switches the device on
/// again, and lives on until the update is through, refused or rolled back. See docs/reliability.md.
#[derive(Parser)]
#[command(name = "cargo xtask sweep")]
struct Options {
    /// Stop after so many seconds
    #[arg(long, default_value_t = 300)]
    budget: u64,
    /// Run exactly so many units instead, however long it takes: the same scenarios on every machine
    #[arg(long)]
    units: Option<usize>,
    /// What all random tears follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this geometry; the numbers of the units stay
    #[arg(long)]
    geometry: Option<String>,
    /// Threads; the scenarios do not depend on it
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    /// Verify every signature anew, also those over bytes that were verified before
    #[arg(long)]
    no_memory: bool,
    /// Run one scenario, as a failure names it: GEOMETRY/STORY/PAST/OP:TEAR:SEED...
    #[arg(long)]
    replay: Option<Line>,
    /// Print figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the figures into docs/reliability.md
    #[arg(long)]
    update: bool,
    /// List geometries, stories and tears
    #[arg(long)]
    list: bool,
}

impl Options {
    const fn keys(&self) -> Signatures {
        if self.no_memory { Signatures::always_verified() } else { Signatures::remembered() }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.list {
        list();
        return Ok(());
    }
    if let Some(line) = &options.replay {
        let materials = Materials::new(line.part(), line.story);
        (parts::code(line.part()).replay)(line.part(), &materials, line);
        println!("survived");
        return Ok(());
    }
    let swept = sweep::sweep(&options);
    let report = report::Report::new(&options, &swept);
    println!("{}", if options.json { report.json() } else { report.text() });
    if options.update {
        report.store()?;
    }
    match report.failures() {
        0 => Ok(()),
        failures => bail!("{failures} scenarios ended badly; each line above replays one"),
    }
}

fn list() {
    let names = GEOMETRIES.iter().map(|geometry| geometry.name).collect::<Vec<_>>();
    println!("geometries: {}", names.join(" "));
    println!("stories: {}", Story::ALL.map(Story::name).join(" "));
    println!("tears: {}", TEARS.map(Tear::name).join(" "));
    println!("troubles: {}", ota_sweep::trouble::names().collect::<Vec<_>>().join(" "));
}
