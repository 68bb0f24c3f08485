//! What the loader executes when nothing disturbs it, and how to come back to any moment of it.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A run that does not end has another fault than those looked for.
const LONGEST: usize = 50_000_000;
/// So many stops on the way to a moment are few enough.
const FEW: usize = 24;

/// Addresses of instructions in the order in which they were executed.
#[derive(Debug)]
pub(super) struct Trace {
    /// When each address came up.
    at: BTreeMap<u32, Vec<u32>>,
    /// How many instructions were executed.
    pub(super) len: usize,
    /// The first address of `ends` that came up.
    pub(super) end: u32,
}

/// A stop on the way: the `hits`-th time, from the stop before on, that `at` is about to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) at: u32,
    pub(super) hits: usize,
}

impl Trace {
    /// Runs `emulator` with a log of each instruction, until one of `ends` comes up.
    pub(super) fn take(emulator: &mut Command, ends: &[u32]) -> Result<Self> {
        emulator.args(["-singlestep", "-d", "exec,nochain"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = emulator.stderr(Stdio::piped()).spawn().context("cannot start the emulator")?;
        let log = BufReader::with_capacity(1 << 20, child.stderr.take().context("the emulator has no log")?);
        let trace = Self::read(log, ends);
        // It may have ended by itself.
        let _ = child.kill();
        child.wait()?;
        trace
    }

    fn read(mut log: impl BufRead, ends: &[u32]) -> Result<Self> {
        let mut trace = Self { at: BTreeMap::new(), len: 0, end: 0 };
        let (mut line, mut last) = (Vec::new(), None);
        while trace.len < LONGEST {
            line.clear();
            if log.read_until(b'\n', &mut line)? == 0 {
                bail!("the emulator ended after {} instructions", trace.len);
            }
            let Some(pc) = pc_of(&line) else { continue };
            // Counting instructions, the emulator begins those again that touch a peripheral. None jumps to itself.
            if last.replace(pc) == Some(pc) {
                continue;
            }
            if ends.contains(&pc) && trace.len > 0 {
                trace.end = pc;
                return Ok(trace);
            }
            trace.at.entry(pc).or_default().push(trace.len as u32);
            trace.len += 1;
        }
        bail!("the loader comes to no end")
    }

    /// Every address, and how often it was executed.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        self.at.iter().map(|(at, when)| (*at, when.len()))
    }

    /// How to come to the moment when `at` is to be executed for the `nth` time, counted from 0.
    pub(super) fn way(&self, at: u32, nth: usize) -> Vec<Leg> {
        let Some(&goal) = self.at.get(&at).and_then(|when| when.get(nth)) else { return Vec::new() };
        // Moments before `from` are passed. The start of the run is no stop.
        let (mut from, mut way) = (0, Vec::new());
        loop {
            let left = self.between(at, from, goal) + 1;
            let better = if left > FEW { self.landmark(at, from, goal, left) } else { None };
            let Some((leg, when)) = better else {
                way.push(Leg { at, hits: left });
                return way;
            };
            way.push(leg);
            from = when + 1;
        }
    }

    /// An address that comes up seldom before `goal`, and for the last time shortly before it.
    fn landmark(&self, at: u32, from: u32, goal: u32, left: usize) -> Option<(Leg, u32)> {
        let marks = self.at.iter().filter_map(|(mark, when)| {
            let (first, past) = (when.partition_point(|w| *w < from), when.partition_point(|w| *w < goal));
            let last = *when.get(past.checked_sub(1)?)?;
            let hits = past.checked_sub(first).filter(|hits| *hits > 0)?;
            // What is to be counted twice: up to the mark, and from there on.
            (hits < left).then(|| (hits.max(self.between(at, last + 1, goal) + 1), hits, *mark, last))
        });
        let (cost, hits, mark, last) = marks.min()?;
        (cost < left).then_some((Leg { at: mark, hits }, last))
    }

    /// How often `at` comes up in these moments, without the last.
    fn between(&self, at: u32, from: u32, to: u32) -> usize {
        let Some(when) = self.at.get(&at) else { return 0 };
        when.partition_point(|w| *w < to) - when.partition_point(|w| *w < from).min(when.partition_point(|w| *w < to))
    }
}

/// The address in a line of the log: `Trace 0: 0x7f.. [base/ADDRESS/flags/flags] name`.
fn pc_of(line: &[u8]) -> Option<u32> {
    let fields = line.strip_prefix(b"Trace ")?;
    let mut fields = fields.split(|b| *b == b'/');
    fields.next()?;
    u32::from_str_radix(str::from_utf8(fields.next()?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a way through the moments of a run.
    fn walk(run: &[u32], way: &[Leg]) -> usize {
        let mut now = 0;
        for (n, leg) in way.iter().enumerate() {
            let mut left = leg.hits;
            loop {
                left -= usize::from(run[now] == leg.at);
                if left == 0 {
                    break;
                }
                now += 1;
            }
            now += usize::from(n + 1 < way.len());
        }
        now
    }

    #[test]
    fn every_moment_is_found_again_in_hundreds_of_stops_not_thousands() {
        // Three loops, one in the other.
        let mut run = vec![1];
        for _ in 0..20 {
            run.extend([2, 6]);
            for _ in 0..30 {
                run.push(3);
                run.extend((0..40).flat_map(|_| [4, 5]));
            }
        }
        let log: String = run.iter().map(|pc| format!("Trace 0: 0x7f [00800408/{pc:08x}/0/0] name\n")).collect();
        let trace =
            Trace::read(format!("x\nTrace 0: 0x7f [0/1/0/0]\n{log}Trace 0: 0x7f [0/ff/0/0]\n").as_bytes(), &[0xFF])
                .unwrap();
        assert_eq!((trace.len, trace.end), (run.len(), 0xFF));
        for (at, count) in trace.counts() {
            for nth in (0..count).step_by(977).chain([count - 1]) {
                let way = trace.way(at, nth);
                let moment = run.iter().enumerate().filter(|(_, pc)| **pc == at).nth(nth).unwrap().0;
                assert_eq!(walk(&run, &way), moment, "{at} {nth} {way:?}");
                assert!(way.iter().map(|leg| leg.hits).sum::<usize>() <= 700, "{at} {nth} {way:?}");
            }
        }
        assert!(Trace::read(log.as_bytes(), &[0xFF]).is_err());
    }
}
