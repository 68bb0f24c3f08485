//! The power-cut harness on [embassy-boot](https://crates.io/crates/embassy-boot), a bootloader that is not ours: a
//! harness that finds nothing in our code has to show elsewhere that it can find something.
//!
//! The subject is embassy-boot 0.7.0 with its default features, `BlockingFirmwareUpdater` and `BootLoader`, on the
//! simulated flash of `ota-testkit`: pages of 512 bytes, 8 for ACTIVE, 9 for DFU, 1 for STATE. Each scenario cuts the
//! power once, in one write or erase of one update, and then starts the device again and again, with an application that
//! does what embassy-boot's documentation asks for. What is started must be wholly the old or wholly the new image.
//!
//! Run it with `cargo xtask sweep --subject embassy-boot`. It ends well when the known hole **is** found: a partly erased
//! state page that keeps its magic and loses its progress makes the loader swap the pages a second time.

mod life;
mod part;
mod report;
mod subject;
mod sweep;

use clap::Parser;
use std::process::ExitCode;
use sweep::{PATTERNS, Scenario, Series};

#[derive(Parser)]
#[command(name = "ota-sweep-embassy", about = "Cuts the power under embassy-boot")]
struct Cli {
    /// Random patterns per tear of an operation on STATE (an eighth of them for the copying of pages)
    #[arg(long, default_value_t = PATTERNS)]
    patterns: u64,
    /// Runs the scenario of a printed line once more and tells what happens
    #[arg(long, value_name = "SCENARIO")]
    replay: Option<Scenario>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(scenario) = cli.replay {
        let (story, outcome) = scenario.replay();
        println!("{}\nending: {}", story.join("\n"), report::ending(outcome.ending));
        return ExitCode::SUCCESS;
    }
    let rows = std::thread::scope(|scope| {
        let all = Series::all().into_iter().map(|series| (series, scope.spawn(move || series.sweep(cli.patterns))));
        let running: Vec<_> = all.collect();
        running
            .into_iter()
            .map(|(series, thread)| (series, thread.join().expect("a sweep panicked")))
            .collect::<Vec<_>>()
    });
    if report::print(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
