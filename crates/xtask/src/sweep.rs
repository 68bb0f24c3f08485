//! `cargo xtask sweep`: builds what cuts the power with optimisation, and hands it the arguments; or plants bugs.

use crate::building::build;
use crate::run::{cargo, output, root, run, target_dir};
use crate::{block, mutants};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::process::Command;

/// What is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Our agent and our loader
    Ota,
    /// embassy-boot from crates.io, to show that a hole is found where there is one
    EmbassyBoot,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Whose power is cut
    #[arg(long, value_enum, default_value_t = Subject::Ota)]
    subject: Subject,
    /// Plants bugs, one at a time, and expects each to be found
    #[arg(long)]
    mutants: bool,
    #[command(flatten)]
    planted: mutants::Planted,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
    /// Rewrites the table in docs/reliability.md
    #[arg(long)]
    update: bool,
    /// What the sweep is told; `cargo xtask sweep -- --help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run_sweep(options: &Options) -> Result<()> {
    if options.mutants {
        if !options.args.is_empty() || options.subject != Subject::Ota {
            bail!("--mutants takes --only NAME, --quick, --json and --update, and nothing of a sweep");
        }
        return mutants::run(&options.planted, options.json, options.update);
    }
    let (name, features) = match options.subject {
        Subject::Ota => ("ota-sweep", "cli"),
        Subject::EmbassyBoot => ("ota-sweep-embassy", ""),
    };
    let how = ["build", "--locked", "--profile", "demo", "--features", features, "--package", name];
    build("the sweep", cargo().args(how))?;
    let mut sweep = Command::new(target_dir()?.join("demo").join(name));
    sweep.args(&options.args);
    if options.subject == Subject::EmbassyBoot && options.update {
        let text = output(&mut sweep)?;
        print!("{text}");
        return block::write(&root().join("docs/reliability.md"), "embassy-boot", &text);
    }
    for (wanted, flag) in [(options.json, "--json"), (options.update, "--update")] {
        sweep.args(wanted.then_some(flag));
    }
    run(&mut sweep)
}
