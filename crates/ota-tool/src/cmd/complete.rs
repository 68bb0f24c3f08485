//! `ota completions` and `ota man`.

use crate::cli::Cli;
use crate::output::Output;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

/// For which shell.
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_enum)]
    shell: Shell,
}

/// Where to.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Directory for all pages (ota.1, ota-keygen.1, ...); without it, the main page is printed
    dir: Option<PathBuf>,
}

/// Prints the script.
pub fn completions(args: &CompletionArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "ota", &mut std::io::stdout());
}

/// Prints or writes the pages.
///
/// # Errors
/// When the directory cannot be written to.
pub fn man(args: &ManArgs, output: Output) -> Result<()> {
    let Some(dir) = &args.dir else {
        return Ok(clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(|| format!("cannot write to {}", dir.display()))?;
    output.result(&json!({ "directory": dir.display().to_string() }));
    Ok(())
}
