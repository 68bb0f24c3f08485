//! Chores of this repository; `cargo xtask --help` lists them.

mod layers;
mod nostd;
mod run;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks that crates depend only downwards, and that device crates are no_std without unsafe code
    Layers,
    /// Builds the device crates for Cortex-M0, Cortex-M4 and RISC-V
    Nostd,
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Layers => layers::check(),
        Command::Nostd => nostd::build_all(),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    std::process::ExitCode::SUCCESS
}
