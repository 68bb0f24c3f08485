//! Chores of this repository; `cargo xtask --help` lists them.

mod interop;
mod layers;
mod nostd;
mod proc;
mod run;
mod size;
mod world;

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
    /// Measures ROM, static RAM and deepest stack of each profile against `size.toml`
    Size(size::Options),
    /// Runs the real peers: brokers, file servers, signing tools, clouds written by others
    Interop {
        /// Only this one
        peer: Option<String>,
    },
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Layers => layers::check(),
        Command::Nostd => nostd::build_all(),
        Command::Size(options) => size::run(&options),
        Command::Interop { peer } => interop::run(peer.as_deref()),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    std::process::ExitCode::SUCCESS
}
