//! Chores of this repository; `cargo xtask --help` lists them.

mod bench;
mod block;
mod building;
mod demo;
mod device;
mod interop;
mod layers;
mod markdown;
mod mutants;
mod nostd;
mod proc;
mod run;
mod serial;
mod serve;
mod size;
mod skip;
mod suite;
mod sweep;
mod table;
mod vendor;
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
    /// One real update, end to end, with power cuts, bad images and hostile ones
    Demo(demo::Options),
    /// Checks that crates depend only downwards, and that device crates are no_std without unsafe code
    Layers,
    /// Builds the device crates for Cortex-M0, Cortex-M4 and RISC-V
    Nostd,
    /// Checks format and lints of the emulated board's firmware, and runs its library's tests on this machine
    Board,
    /// Everything CI runs: format, lints, docs, tests, no_std builds, interop with real peers, the demos
    Test,
    /// Cuts the power of a whole device everywhere: real agent, real loader, simulated flash
    Sweep(sweep::Options),
    /// Measures ROM, static RAM and deepest stack of each profile against `size.toml`
    Size(size::Options),
    /// Leaves out single instructions of the loader in the emulator: no bad image may start
    Skip(skip::Options),
    /// Measures what starts, signatures, the journal and patches cost
    #[command(subcommand)]
    Bench(bench::What),
    /// A part of `bench delta`: runs a command and notes what it took
    #[command(hide = true)]
    Measured(bench::delta::measured::Args),
    /// A part of `bench delta`: qbsdiff as a program
    #[command(hide = true)]
    Qbsdiff(bench::delta::kit::Qbsdiff),
    /// Runs the real peers: brokers, file servers, signing tools, clouds written by others
    Interop {
        /// Only this one
        #[arg(value_parser = interop::names())]
        peer: Option<String>,
    },
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Layers => layers::check(),
        Command::Nostd => nostd::build_all(),
        Command::Board => device::check(),
        Command::Test => suite::run(),
        Command::Sweep(options) => sweep::run_sweep(&options),
        Command::Size(options) => size::run(&options),
        Command::Skip(options) => skip::run(&options),
        Command::Bench(what) => bench::run(&what),
        Command::Measured(args) => bench::delta::measured::run(&args),
        Command::Qbsdiff(args) => bench::delta::kit::qbsdiff(&args),
        Command::Interop { peer } => interop::run(peer.as_deref()),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    std::process::ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_exist_is_refused_with_those_that_do() {
        let error = Cli::try_parse_from(["xtask", "interop", "typo"]).err().unwrap().to_string();
        for name in interop::names() {
            assert!(error.contains(name), "{name} is not offered: {error}");
            assert!(Cli::try_parse_from(["xtask", "interop", name]).is_ok(), "{name}");
        }
    }
}
