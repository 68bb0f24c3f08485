//! `cargo xtask test`: everything CI runs, in the order in which mistakes are found fastest.

use crate::run::{cargo, has, need_debian, output, target_dir};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// One step: its name and the arguments for cargo.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
}

const fn step(name: &'static str, args: &'static [&'static str]) -> Step {
    Step { name, args }
}

const STEPS: [Step; 17] = [
    step("format", &["fmt", "--all", "--check"]),
    step("layers", &["xtask", "layers"]),
    step("lints", &LINTS),
    step("docs", &["doc", "--workspace", "--no-deps", "--locked"]),
    step("tests", &["test", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"]),
    step("planted bugs", &["xtask", "sweep", "--mutants", "--quick"]),
    step("no_std builds", &["xtask", "nostd"]),
    step("size", &["xtask", "size", "--target", "thumbv7em-none-eabi"]),
    step("board", &["xtask", "board"]),
    step("power sweep", &["xtask", "sweep", "--budget", "40"]),
    step("skip", &["xtask", "skip", "--short"]),
    step("interop", &["xtask", "interop"]),
    step("demo", &["xtask", "demo"]),
    step("coap demo", &["xtask", "demo", "--link", "coap", "--short"]),
    step("board demo", &["xtask", "demo", "--board", "mps2-an386", "--short"]),
    step("board coap", &["xtask", "demo", "--board", "mps2-an386", "--link", "coap", "--short", "--cuts", "0"]),
    step("serial demo", &["xtask", "demo", "--board", "microbit", "--short"]),
];

/// The sweep's program, too, which the workspace leaves out.
const LINTS: [&str; 8] =
    ["clippy", "--workspace", "--all-targets", "--features=ota-sweep/cli", "--locked", "--", "--deny", "warnings"];

/// The sweeps among the tests: what is swept, and the words after a count in what they print.
const SWEEPS: [(&str, &str); 6] = [
    ("journal: cuts of an operation", " cuts: "),
    ("journal: pairs of cuts", " pairs of cuts: "),
    ("loader: life cycles with cuts", " runs"),
    ("agent: transitions explored", " transitions"),
    ("boot: steps explored", " steps of loader"),
    ("decoders, loader, agent: mutated inputs", " fuzz inputs"),
];

/// Tests of programs that want a feature: they run only as long as another member of the workspace switches it on.
const FEATURED: [(&str, &str); 2] = [
    ("ota-transport with minimq (tests/mqtt.rs)", "send_returns_when_acknowledged_and_can_be_dropped"),
    ("ota-transport with coap (tests/coap)", "reports_go_where_they_belong_and_are_answered"),
];

/// Runs every step, stops at the first that fails and shows its log.
pub(crate) fn run() -> Result<()> {
    let logs = target_dir()?.join("xtask/logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    if !has("python3") {
        need_debian(&["python3"], "the second decoder of ota-diff's tests")?;
    }
    let started = Instant::now();
    for (done, step) in STEPS.iter().enumerate() {
        print!("{:<14} ", step.name);
        std::io::stdout().flush()?;
        let log = logs.join(format!("{}.log", step.name.replace(' ', "-")));
        let (passed, seconds) = run_step(step, &log)?;
        println!("{} {seconds:>6.1} s  {}", if passed { "pass" } else { "FAIL" }, summary(&log)?);
        if !passed {
            println!("{}", tail(&log)?);
            println!("{done} passed, 1 failed");
            bail!("step {} failed; the whole log is {}", step.name, log.display());
        }
    }
    let log = std::fs::read_to_string(logs.join("tests.log"))?;
    featured(&log)?;
    for line in sweeps(&log)? {
        println!("{line}");
    }
    println!("all steps in {:.0} s", started.elapsed().as_secs_f32());
    println!("{} passed, 0 failed", STEPS.len());
    Ok(())
}

fn run_step(step: &Step, log: &PathBuf) -> Result<(bool, f32)> {
    let started = Instant::now();
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = cargo();
    command.args(step.args).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    if step.name == "docs" {
        command.env("RUSTDOCFLAGS", "--deny warnings");
    }
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    Ok((status.success(), started.elapsed().as_secs_f32()))
}

/// What the log says in one line: the counts of a test run, or its last line.
fn summary(log: &PathBuf) -> Result<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let counts = text.lines().filter_map(|line| line.strip_prefix("test result: "));
    let passed = counts.filter_map(|line| line.split_once(". ")?.1.split(' ').next()?.parse::<u32>().ok());
    let passed: Vec<u32> = passed.collect();
    if !passed.is_empty() {
        return Ok(format!("{} tests in {} programs", passed.iter().sum::<u32>(), passed.len()));
    }
    Ok(text.lines().last().unwrap_or_default().trim().chars().take(90).collect())
}

/// How much each sweep did. A sweep that is not there, or did nothing, is an error: it was renamed, or left out.
fn sweeps(log: &str) -> Result<Vec<String>> {
    let count = |line: &str, unit: &str| {
        let before = line.split_once(unit)?.0;
        before.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let total = |(what, unit): (&str, &str)| {
        let sum: u64 = log.lines().filter_map(|line| count(line, unit)).sum();
        anyhow::ensure!(sum > 0, "no test says that it swept {what}");
        Ok(format!("  {what}: {sum}"))
    };
    SWEEPS.into_iter().map(total).collect()
}

/// Whether the programs ran that cargo leaves out without a word when their feature is off.
fn featured(log: &str) -> Result<()> {
    for (program, test) in FEATURED {
        let ran = format!("test {test} ... ok");
        anyhow::ensure!(log.lines().any(|line| line == ran), "{program} did not run: nothing switches its feature on");
    }
    Ok(())
}

fn tail(log: &PathBuf) -> Result<String> {
    output(Command::new("tail").args(["-n", "60"]).arg(log))
}

#[cfg(test)]
mod tests {
    use super::{featured, sweeps};

    #[test]
    fn a_program_left_out_for_want_of_its_feature_is_an_error() {
        let log = "running 1 test\ntest send_returns_when_acknowledged_and_can_be_dropped ... ok\n";
        assert!(featured(log).unwrap_err().to_string().contains("coap"));
        let log = format!("{log}test reports_go_where_they_belong_and_are_answered ... ok\n");
        assert!(featured(&log).is_ok());
        assert!(featured("running 0 tests\n").unwrap_err().to_string().contains("minimq"));
    }

    #[test]
    fn the_counts_of_all_sweeps_are_summed_and_a_missing_one_is_an_error() {
        let log = "---- x stdout ----\n20 operations, 160 cuts: Case { seed: 1 }\n3 operations, 40 cuts: Case\n\
                   55 pairs of cuts: Case { }\n7 runs\n8 runs\n195 states, 11066 transitions\n\
                   9 states, 33 steps of loader\nimage: 2 seeds, 44 fuzz inputs\n";
        let lines = sweeps(log).unwrap();
        assert!(
            ["200", "55", "15", "11066", "33", "44"].iter().zip(&lines).all(|(n, line)| line.ends_with(n)),
            "{lines:?}"
        );
        assert!(sweeps(&log.replace(" runs", "")).unwrap_err().to_string().contains("loader"));
    }
}
