//! The command line: what can be asked, and who does it.

use crate::cmd::{complete, diff, keygen, pack, patch, push, sign, verify};
use crate::output::Output;
use crate::{inspect, serve};
use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Signs, packs, inspects and delivers firmware updates.
#[derive(Debug, Parser)]
#[command(name = "ota", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Prints results as JSON, and errors as `{"error": ...}`
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a signing key: private PEM, public PEM, and the blob that devices hold
    Keygen(keygen::Args),
    /// Turns a payload into a signed image
    Sign(sign::Args),
    /// Verifies an image or a package as a device would
    Verify(verify::Args),
    /// Shows what is in an image, package, patch, dump, journal or key, and which rule it breaks
    Inspect(inspect::Args),
    /// Puts signed images into a signed package
    Pack(pack::Args),
    /// Makes a patch that turns one file into another, or compresses one
    Diff(diff::Args),
    /// Applies a patch
    Patch(patch::Args),
    /// Runs a local cloud: MQTT broker, file server, and a page that offers updates
    Serve(serve::Args),
    /// Offers an update to devices through any MQTT broker
    Push(push::Args),
    /// Prints a completion script for a shell
    Completions(complete::CompletionArgs),
    /// Prints the manual page, or writes all of them into a directory
    Man(complete::ManArgs),
}

/// Parses the command line and does what it says. With `--json`, what is not understood is told as JSON too.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(e) if e.use_stderr() && asks_for_json(std::env::args_os()) => {
            Output::new(true).error(&anyhow!("{}", in_one_line(&e)));
            ExitCode::from(2)
        }
        Err(e) => e.exit(),
    }
}

/// The parser failed, so this looks by itself. What follows `--` is no option.
fn asks_for_json(args: impl Iterator<Item = OsString>) -> bool {
    args.take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// What the parser says, without the usage and the hint to `--help`.
fn in_one_line(e: &clap::Error) -> String {
    let text = e.render().to_string();
    let said = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let said: Vec<&str> = said.map(str::trim).filter(|line| !line.is_empty()).collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

impl Cli {
    /// Does what was asked. Exit code 0: done; 1: refused or failed; 2 (by the parser): not understood.
    pub fn run(self) -> ExitCode {
        let output = Output::new(self.json);
        match dispatch(self.command, output) {
            Ok(code) => code,
            Err(e) => {
                output.error(&e);
                ExitCode::FAILURE
            }
        }
    }
}

fn dispatch(command: Command, output: Output) -> Result<ExitCode> {
    match command {
        Command::Keygen(args) => keygen::run(&args, output)?,
        Command::Sign(args) => sign::run(&args, output)?,
        Command::Verify(args) => verify::run(&args, output)?,
        Command::Inspect(args) => return inspect::run(&args, output),
        Command::Pack(args) => pack::run(&args, output)?,
        Command::Diff(args) => diff::run(&args, output)?,
        Command::Patch(args) => patch::run(&args, output)?,
        Command::Serve(args) => serve::run(args, output)?,
        Command::Push(args) => return push::run(args, output),
        Command::Completions(args) => complete::completions(&args),
        Command::Man(args) => complete::man(&args, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
