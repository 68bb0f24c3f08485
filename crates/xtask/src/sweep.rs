//! `cargo xtask sweep`: builds the sweep with optimisation and hands it the arguments.

use crate::building::build;
use crate::run::{cargo, run, target_dir};
use anyhow::Result;
use clap::Args;
use std::process::Command;

#[derive(Args)]
pub(crate) struct Options {
    /// What the sweep is told; `cargo xtask sweep -- --help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run_sweep(options: &Options) -> Result<()> {
    build("the sweep", cargo().args(["build", "--locked", "--profile", "demo", "--package", "ota-sweep"]))?;
    run(Command::new(target_dir()?.join("demo/ota-sweep")).args(&options.args))
}
