//! One real update, end to end: what the README promises, done for real and judged.

mod bench;
mod cloud;
mod dice;
mod steps;

use crate::proc;
use crate::table::Table;
use crate::world::Scratch;
use anyhow::{Result, ensure};
use bench::Bench;
use clap::Args;
use dice::Dice;

/// How the demo is run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// Keeps the directory with flash file, images and packages
    #[arg(long)]
    keep: bool,
    /// Shows what device and cloud print
    #[arg(long, short)]
    verbose: bool,
    /// Repeats the random choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

type Step = fn(&mut Bench<'_>) -> Result<String>;

/// In this order; each needs those before it.
const STEPS: [(&str, Step); 15] = [
    ("device fresh from the factory runs 1.0.0", steps::commission),
    ("1.1.0 offered over MQTT, download begins", steps::begin_update),
    ("device killed (SIGKILL) in mid-download", steps::kill_device),
    ("device killed a second time", steps::kill_device),
    ("server killed, started again", steps::kill_server),
    ("download complete, verified, trial boot", steps::trial),
    ("health gates pass, confirmed, reported", steps::confirmed),
    ("1.2.0 fails its health gate", steps::bad_gate),
    ("1.2.0 (another build) hangs", steps::bad_hang),
    ("tampered image", steps::tampered),
    ("image signed by a foreign key", steps::foreign_key),
    ("older security counter", steps::old_counter),
    ("image for another class of device", steps::wrong_class),
    ("power cycle: nothing refused became bootable", steps::power_cycle),
    ("the device can still be updated", steps::still_updatable),
];

/// Builds, runs all steps, prints the table; an error if one step went otherwise.
pub(crate) fn run(options: &Options) -> Result<()> {
    proc::show(options.verbose);
    let (dice, seed) = Dice::new(options.seed);
    println!("building: ota, ota-board-linux, otaapp 1.0.0, 1.1.0 and two bad 1.2.0 (seed {seed})");
    let scratch = Scratch::new("demo", options.keep)?;
    let programs = crate::world::Programs::build()?;
    let mut bench = Bench::new(&programs, scratch.path(), dice)?;
    println!("built; {}", bench.describe());
    let mut table = Table::new("What happened");
    for (name, step) in STEPS {
        // Later steps build on earlier ones: after a failure they would only fail too.
        if !table.step(name, || step(&mut bench)) {
            break;
        }
    }
    drop(bench);
    table.print();
    println!("  seed {seed}");
    ensure!(table.passed() == STEPS.len(), "{} of {} steps went as they should", table.passed(), STEPS.len());
    Ok(())
}
