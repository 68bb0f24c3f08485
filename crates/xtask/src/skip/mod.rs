//! `cargo xtask skip`: the emulated board's loader with one instruction left out, at each place where it matters.
//!
//! A flash holds an image that must not start. The loader is run once undisturbed, with a log of every instruction from
//! the reset vector to the end. Then, for each instruction of that run, it is run again up to there, the instruction is
//! replaced by one that does nothing, for this once, and the processor goes on: does the image start? Where a skip left
//! another journal than the undisturbed start, a second start without a fault is looked at as well.
//!
//! An instruction that was executed a few times is left out each time; one in a loop (digest, big numbers, CRC) the first
//! time and the last time.

mod cases;
mod gdb;
mod machine;
mod program;
mod tally;
mod trace;

use crate::block;
use crate::device::emulator;
use crate::device::firmware::{Firmware, MPS2, keep};
use crate::run::root;
use crate::world::{Programs, Scratch};
use anyhow::{Result, ensure};
use cases::{Case, Maker, NAMES};
use clap::builder::PossibleValuesParser;
use machine::{End, Machine, saved};
use program::Program;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tally::{Outcome, Skip, Tally};
use trace::Trace;

/// Instructions executed at most this often are left out each time.
const EACH: usize = 8;
/// The others this often at either end: digest, big numbers, CRC.
const EDGE: usize = 1;
/// A short run tries at most this many skips of a case, evenly spread.
const SHORT: usize = 150;
/// Between two lines of progress.
const TURN: Duration = Duration::from_secs(5);

/// What to try.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this case
    #[arg(long, value_parser = PossibleValuesParser::new(NAMES))]
    only: Option<String>,
    /// A sample: every so many skips of each case, for CI
    #[arg(long, conflicts_with = "update")]
    short: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the figures into docs/reliability.md
    #[arg(long, conflicts_with = "only")]
    update: bool,
    /// Keep the files
    #[arg(long)]
    keep: bool,
}

/// Tries; an error when an image started that must not.
pub(crate) fn run(options: &Options) -> Result<()> {
    MPS2.ready()?;
    let scratch = Scratch::new("skip", options.keep)?;
    let dir = scratch.path();
    let programs = Programs::build()?;
    let maker = Maker::new(&programs, dir)?;
    let loader = dir.join("loader.elf");
    keep(&Firmware::new(MPS2, &maker.key())?.loader()?, &loader)?;
    let program = Program::read(&loader)?;
    let mut tallies = Vec::new();
    for name in NAMES.into_iter().filter(|name| options.only.as_ref().is_none_or(|only| only == name)) {
        let tally = attempt(&maker.make(name)?, &program, dir, options.short)?;
        if !options.json {
            print!("{}", tally.text(&program));
        }
        tallies.push(tally);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&tally::json(&tallies, &program))?);
    }
    if options.update {
        block::write(&root().join("docs/reliability.md"), "skip", &tally::table(&tallies, &program))?;
    }
    let bad: usize = tallies.iter().map(|tally| tally.bad().count()).sum();
    ensure!(bad == 0, "{bad} skips start an image that must not start");
    let skips: usize = tallies.iter().map(|tally| tally.skips.len()).sum();
    println!("skip: {skips} instructions left out in {} cases, no bad image started", tallies.len());
    Ok(())
}

/// One case: the undisturbed run, then one run for each skip.
fn attempt(case: &Case, program: &Program, dir: &Path, short: bool) -> Result<Tally> {
    let began = Instant::now();
    let dir = dir.join(case.name);
    let ends = [program.wait, cases::rest(case.bad), cases::rest(case.bad.other())];
    let flash = saved(&case.flash, &dir)?;
    let trace = Trace::take(&mut emulator::counting(&program.file, &flash), &ends)?;
    let normal = undisturbed(case, program, &dir)?;
    let (all, plan) = plan(&trace, program, short);
    let run = Run { case, program, trace: &trace, plan: &plan, normal, next: AtomicUsize::new(0), began };
    let skips = plan.iter().copied().zip(run.on_all_cores(&dir)?).collect();
    let (addresses, executed) = (trace.counts().filter(|(at, _)| program.holds(*at)).count(), trace.len);
    Ok(Tally { name: case.name, what: case.what, addresses, executed, all, skips, seconds: began.elapsed().as_secs() })
}

/// How a start ends in which nothing is left out, and the journal after it.
fn undisturbed(case: &Case, program: &Program, dir: &Path) -> Result<(End, Vec<u8>)> {
    let mut machine = Machine::new(case, program, dir.join("0"))?;
    let normal = (machine.undisturbed()?, machine.journal()?);
    let wanted = if case.good { normal.0.is(case.bad.other()) } else { normal.0 == End::Refused };
    ensure!(wanted, "case {}: undisturbed, it ends with {:?}", case.name, normal.0);
    Ok(normal)
}

/// The skips of one case.
struct Run<'r> {
    case: &'r Case,
    program: &'r Program,
    trace: &'r Trace,
    plan: &'r [Skip],
    normal: (End, Vec<u8>),
    next: AtomicUsize,
    began: Instant,
}

impl Run<'_> {
    /// The outcome of each skip, in their order.
    fn on_all_cores(&self, dir: &Path) -> Result<Vec<Outcome>> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let done: Result<Vec<_>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|n| scope.spawn(move || self.work(n, dir))).collect();
            workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
        });
        let mut done: Vec<(usize, Outcome)> = done?.into_iter().flatten().collect();
        done.sort_unstable_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
    }

    fn work(&self, n: usize, dir: &Path) -> Result<Vec<(usize, Outcome)>> {
        let mut machine = Machine::new(self.case, self.program, dir.join(format!("{n}")))?;
        let mut results = Vec::new();
        let mut told = Instant::now();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(skip) = self.plan.get(at) else { return Ok(results) };
            let outcome = one(&mut machine, self.case, self.trace, *skip, &self.normal)?;
            if matches!(outcome, Outcome::Bad | Outcome::BadNext) {
                eprintln!("{}: a bad image starts: {skip:x?}", self.case.name);
            }
            results.push((at, outcome));
            if n == 0 && told.elapsed() > TURN {
                told = Instant::now();
                eprintln!(
                    "{}: {at} of {} skips, {} s",
                    self.case.name,
                    self.plan.len(),
                    self.began.elapsed().as_secs()
                );
            }
        }
    }
}

/// One skip, and the start after it when it changed what stays.
fn one(machine: &mut Machine<'_>, case: &Case, trace: &Trace, skip: Skip, normal: &(End, Vec<u8>)) -> Result<Outcome> {
    let way = trace.way(skip.at, skip.nth);
    let Some(end) = machine.without(&way)?.map_or_else(|| machine.without(&way), |end| Ok(Some(end)))? else {
        return Ok(Outcome::Missed);
    };
    if end.is(case.bad) {
        return Ok(Outcome::Bad);
    }
    if machine.journal()? != normal.1 && machine.again()?.is(case.bad) {
        return Ok(Outcome::BadNext);
    }
    Ok(match end {
        End::Started(_) => Outcome::Good,
        End::Refused => Outcome::Refused,
        End::Reset => Outcome::Reset,
        End::LockedUp => Outcome::LockedUp,
        End::Hung => Outcome::Hung,
    })
}

/// How many skips there are, and those to be tried.
fn plan(trace: &Trace, program: &Program, short: bool) -> (usize, Vec<Skip>) {
    let all: Vec<Skip> = trace
        .counts()
        .filter(|(at, _)| program.holds(*at))
        .flat_map(|(at, count)| {
            let edge = move |nth: &usize| count <= EACH || *nth < EDGE || *nth >= count - EDGE;
            (0..count).filter(edge).map(move |nth| Skip { at, nth, count })
        })
        .collect();
    let len = all.len();
    let every = if short { len.div_ceil(SHORT) } else { 1 };
    (len, all.into_iter().step_by(every.max(1)).collect())
}
