//! What came of the skips of one case.

use super::program::Program;
use serde_json::{Value, json};
use std::fmt::Write;

/// An instruction, the `nth` time of `count` that it is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) at: u32,
    pub(super) nth: usize,
    pub(super) count: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The good image started.
    Good,
    /// Nothing started.
    Refused,
    /// A fault, the watchdog or the loader reset the processor before anything started.
    Reset,
    /// The processor locked up: a part resets.
    LockedUp,
    /// The loader feeds the watchdog and comes to no end.
    Hung,
    /// The bad image started.
    Bad,
    /// The bad image started at the start after this one, undisturbed.
    BadNext,
    /// The instruction did not come up as often as in the undisturbed run: a wait for the console.
    Missed,
}

/// In the order of the table.
const ALL: [(Outcome, &str); 8] = [
    (Outcome::Good, "good image"),
    (Outcome::Refused, "refused"),
    (Outcome::Reset, "reset"),
    (Outcome::LockedUp, "locked up"),
    (Outcome::Hung, "hung"),
    (Outcome::Bad, "bad image"),
    (Outcome::BadNext, "bad image at the next start"),
    (Outcome::Missed, "not reached"),
];

/// A case, and the outcome of each skip.
pub(super) struct Tally {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Different instructions that an undisturbed start executes.
    pub(super) addresses: usize,
    /// How many it executes.
    pub(super) executed: usize,
    /// How many skips there are to try.
    pub(super) all: usize,
    pub(super) skips: Vec<(Skip, Outcome)>,
    pub(super) seconds: u64,
}

impl Tally {
    /// Skips that start what must not start.
    pub(super) fn bad(&self) -> impl Iterator<Item = &(Skip, Outcome)> {
        self.skips.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Bad | Outcome::BadNext))
    }

    fn count(&self, wanted: Outcome) -> usize {
        self.skips.iter().filter(|(_, outcome)| *outcome == wanted).count()
    }

    /// For people.
    pub(super) fn text(&self, program: &Program) -> String {
        let mut text = format!(
            "{}: {}\n  {} instructions, {} executed; {} of {} skips in {} s:",
            self.name,
            self.what,
            self.addresses,
            self.executed,
            self.skips.len(),
            self.all,
            self.seconds
        );
        for (outcome, name) in ALL {
            let count = self.count(outcome);
            if count > 0 {
                let _ = write!(text, " {name} {count},");
            }
        }
        text.truncate(text.trim_end_matches(',').len());
        text.push('\n');
        let missed = self.skips.iter().filter(|(_, outcome)| *outcome == Outcome::Missed);
        for (skip, outcome) in self.bad().chain(missed) {
            let _ = writeln!(text, "  {outcome:?}: {}", described(skip, program));
        }
        text
    }
}

fn described(skip: &Skip, program: &Program) -> String {
    let Skip { at, nth, count } = *skip;
    format!("{at:#06x} in {}, execution {} of {count}", program.function(at), nth + 1)
}

/// The table of the documentation.
pub(super) fn table(tallies: &[Tally], program: &Program) -> String {
    let mut text = String::from("| image | instructions | executed | skips |");
    ALL.iter().for_each(|(_, name)| text.extend([" ", name, " |"]));
    text.push_str("\n|---|");
    text.push_str(&"--:|".repeat(3 + ALL.len()));
    text.push('\n');
    for tally in tallies {
        let _ = write!(text, "| {} | {} | {} | {} |", tally.what, tally.addresses, tally.executed, tally.skips.len());
        for (outcome, _) in ALL {
            let _ = write!(text, " {} |", tally.count(outcome));
        }
        text.push('\n');
    }
    for tally in tallies {
        for (skip, outcome) in tally.bad() {
            let _ = writeln!(text, "\n- {}: {outcome:?}: {}", tally.name, described(skip, program));
        }
    }
    let seconds: u64 = tallies.iter().map(|tally| tally.seconds).sum();
    let _ = writeln!(text, "\n`cargo xtask skip`, {seconds} s.");
    text
}

/// For machines.
pub(super) fn json(tallies: &[Tally], program: &Program) -> Value {
    let case = |tally: &Tally| {
        let outcomes: serde_json::Map<String, Value> =
            ALL.iter().map(|(outcome, name)| ((*name).to_owned(), tally.count(*outcome).into())).collect();
        let bad: Vec<String> = tally.bad().map(|(skip, _)| described(skip, program)).collect();
        json!({
            "case": tally.name, "what": tally.what, "instructions": tally.addresses, "executed": tally.executed,
            "skips": tally.skips.len(), "of": tally.all, "seconds": tally.seconds, "outcomes": outcomes, "bad": bad,
        })
    };
    tallies.iter().map(case).collect()
}
