//! One run of a program, with what it took. The program is a child of a small process of its own, because the kernel
//! tells the peak memory only of all children together, and counts the parent's at the moment of the fork.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Processor time, user and system.
    pub(super) seconds: f64,
    /// Peak resident memory.
    pub(super) kib: u64,
}

/// Arguments of the small process.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where standard output goes
    #[arg(long)]
    stdout: PathBuf,
    /// Where standard error goes
    #[arg(long)]
    stderr: PathBuf,
    /// Where what it took is written
    #[arg(long)]
    cost: PathBuf,
    /// What to run
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// The small process: runs the command and notes what it took.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (program, rest) = args.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null());
    command.stdout(File::create(&args.stdout)?).stderr(File::create(&args.stderr)?);
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let times = [usage.user_time(), usage.system_time()];
    let seconds = times.iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum();
    let cost = Cost { seconds, kib: u64::try_from(usage.max_rss()).unwrap_or(0) };
    std::fs::write(&args.cost, serde_json::to_string(&cost)?)?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    Ok(())
}

/// Runs `command` in a small process; its standard output goes into the file `stdout`.
pub(super) fn measure(command: &[OsString], stdout: &Path, dir: &Path) -> Result<Cost> {
    let (stderr, cost) = (dir.join("stderr"), dir.join("cost"));
    let _ = std::fs::remove_file(&cost);
    let mut small = Command::new(std::env::current_exe()?);
    small.arg("measured").arg("--stdout").arg(stdout).arg("--stderr").arg(&stderr).arg("--cost").arg(&cost);
    let out = small.arg("--").args(command).output().context("cannot start the measuring process")?;
    if !out.status.success() {
        let said = std::fs::read(&stderr).unwrap_or_default();
        let said = [said, std::fs::read(stdout).unwrap_or_default(), out.stderr].concat();
        bail!("{}", last_words(&String::from_utf8_lossy(&said)));
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(&cost)?)?)
}

/// The last line that says something: where programs put what went wrong.
fn last_words(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut lines: Vec<&str> = lines.collect();
    let own = lines.pop().unwrap_or("no reason given");
    lines.pop().map_or_else(|| own.to_owned(), |theirs| format!("{theirs} ({own})"))
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn the_programs_last_line_comes_with_how_it_ended() {
        assert_eq!(last_words("usage\n\nbad header\nerror: x ended with 1\n"), "bad header (error: x ended with 1)");
        assert_eq!(last_words("error: cannot start x\n"), "error: cannot start x");
        assert_eq!(last_words(""), "no reason given");
    }
}
