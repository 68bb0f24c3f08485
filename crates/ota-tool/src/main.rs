//! The `ota` command: parses the command line, everything else is in the library.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    ota_tool::cli::Cli::parse().run()
}
