//! What finds a planted bug: one test, or the compiler.

use super::list::Mutant;
use super::tree::Tree;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest run of a detector, compiling included: a bug may make it go on for ever.
const PATIENCE: Duration = Duration::from_secs(900);

/// Its programs want a feature each.
const FEATURED: &str = "ota-transport";

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Detector {
    /// Its crate.
    pub(crate) package: String,
    /// `lib`, or the program under `tests/`.
    pub(crate) program: String,
    /// Its path.
    pub(crate) test: String,
}

/// What came of a planted bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was found by what should find it.
    Found,
    /// Nothing noticed it.
    Survived,
    /// Something failed, but not what should have; how it ended.
    Otherwise(String),
}

/// How a command ended, and what it printed.
struct Ran {
    good: bool,
    text: String,
}

/// The tests of one program that are to find something.
pub(crate) struct Program {
    package: String,
    program: String,
    tests: Vec<String>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} tests", self.package, self.program, self.tests.len())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found => write!(f, "found"),
            Self::Survived => write!(f, "NOT FOUND"),
            Self::Otherwise(how) => write!(f, "not found as it should be:\n{how}"),
        }
    }
}

impl Detector {
    /// For people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}: {}", self.package, self.program, self.test)
    }
}

impl Program {
    /// The programs of these tests.
    pub(crate) fn all(detectors: impl Iterator<Item = Detector>) -> Vec<Self> {
        let mut all = BTreeMap::<_, BTreeSet<_>>::new();
        for Detector { package, program, test } in detectors {
            all.entry((package, program)).or_default().insert(test);
        }
        let program = |((package, program), tests): (_, BTreeSet<_>)| Self {
            package,
            program,
            tests: tests.into_iter().collect(),
        };
        all.into_iter().map(program).collect()
    }

    /// Runs it where nothing is planted; what is wrong with it.
    pub(crate) fn must_pass(&self, tree: &Tree) -> Result<Vec<String>> {
        let ran = run(&mut self.command(tree))?;
        let passed = |test: &&String| ran.text.contains(&format!("test {test} ... ok"));
        let faults = self.tests.iter().filter(|test| !passed(test));
        let faults: Vec<_> =
            faults.map(|test| format!("{} {}: {test} fails, or is not there", self.package, self.program)).collect();
        if !ran.good && faults.len() == self.tests.len() {
            bail!("{self}: cannot be run:\n{}", last_lines(&ran.text));
        }
        Ok(faults)
    }

    fn command(&self, tree: &Tree) -> Command {
        let mut cargo = tree.cargo();
        cargo.args(["test", "--locked", "--package", &self.package]);
        if self.package == FEATURED {
            cargo.arg("--all-features");
        }
        match &*self.program {
            "lib" => cargo.arg("--lib"),
            program => cargo.args(["--test", program]),
        };
        cargo.args(["--", "--exact"]).args(&self.tests);
        cargo
    }
}

/// Looks whether the bug that is planted in `tree` is found by everything that is to find it.
pub(crate) fn look(mutant: &Mutant, tree: &Tree) -> Result<Verdict> {
    if let Some(error) = &mutant.error {
        let mut check = tree.cargo();
        return judge(check.args(["check", "--locked", "--package", &mutant.package]), &format!("error[{error}]"));
    }
    for Detector { package, program, test } in mutant.detectors() {
        let mark = format!("test {test} ... FAILED");
        let verdict = judge(&mut Program { package, program, tests: vec![test] }.command(tree), &mark)?;
        if verdict != Verdict::Found {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Found)
}

/// What the end of `command` says, which is to print `mark` when it finds something.
fn judge(command: &mut Command, mark: &str) -> Result<Verdict> {
    let ran = run(command)?;
    let other = |line: &&str| line.starts_with("error[") && !line.starts_with(mark);
    Ok(match (ran.good, ran.text.contains(mark), ran.text.lines().find(other)) {
        (true, ..) => Verdict::Survived,
        (false, true, None) => Verdict::Found,
        (false, _, Some(error)) => Verdict::Otherwise(error.to_owned()),
        (false, false, None) => Verdict::Otherwise(last_lines(&ran.text)),
    })
}

/// Runs `command` in a process group of its own, and ends all of it when it takes too long.
fn run(command: &mut Command) -> Result<Ran> {
    let mut file = tempfile()?;
    command.stdout(file.try_clone()?).stderr(file.try_clone()?).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > PATIENCE {
            killpg(Pid::from_raw(child.id().try_into()?), Signal::SIGKILL)?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    if status.is_none() {
        text += "\nended after 15 minutes";
    }
    Ok(Ran { good: status.is_some_and(|status| status.success()), text })
}

/// A file without a name.
fn tempfile() -> Result<std::fs::File> {
    let path = crate::run::target_dir()?.join(format!("mutants/output-{}", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
