//! What a sweep found, added up.

use crate::life::Cost;
use crate::line::Line;

/// A scenario that ended badly.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What replays it.
    pub line: Line,
    /// What was wrong.
    pub why: String,
}

/// Added up over scenarios; the order does not matter.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Scenarios run: states after a cut, no two alike.
    pub scenarios: u64,
    /// Of these, after a second cut.
    pub pairs: u64,
    /// Of these, with something else than a cut.
    pub troubles: u64,
    /// Cuts that left a state that another cut had left before: not run again.
    pub repeats: u64,
    /// How many ended badly.
    pub failures: u64,
    /// The first of these in the order of the plan.
    pub shown: Vec<Failure>,
    /// Most writes and erases from the last cut to the end of the story.
    pub slowest: u64,
    /// Most writes and erases beyond those that were still to come without the cut.
    pub extra: u64,
    /// Most erases of one sector in a scenario.
    pub erases: u32,
}

/// So many failures are shown.
pub const SHOWN: usize = 20;

impl Tally {
    /// One scenario that ended well; `left` operations were still to come when it was cut.
    pub fn add(&mut self, cost: Cost, left: usize) {
        self.slowest = self.slowest.max(cost.operations);
        self.extra = self.extra.max(cost.operations.saturating_sub(left as u64));
        self.erases = self.erases.max(cost.erases);
    }
    /// One that did not.
    pub fn fail(&mut self, line: Line, why: String) {
        self.failures += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(Failure { line, why });
        }
    }
    /// Adds another tally.
    pub fn merge(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.pairs += other.pairs;
        self.troubles += other.troubles;
        self.repeats += other.repeats;
        self.failures += other.failures;
        self.shown.extend(other.shown);
        self.shown.truncate(SHOWN);
        self.slowest = self.slowest.max(other.slowest);
        self.extra = self.extra.max(other.extra);
        self.erases = self.erases.max(other.erases);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_and_the_sums_are_kept() {
        let mut tally = Tally { scenarios: 2, ..Tally::default() };
        tally.add(Cost { operations: 50, erases: 3 }, 45);
        let mut other = Tally { scenarios: 3, pairs: 1, ..Tally::default() };
        other.add(Cost { operations: 20, erases: 4 }, 30);
        let line: Line = "w8/gate/3/1:bits:1".parse().unwrap();
        (0..SHOWN + 5).for_each(|_| other.fail(line.clone(), "x".into()));
        tally.merge(other);
        assert_eq!((tally.scenarios, tally.pairs, tally.failures, tally.shown.len()), (5, 1, 25, SHOWN));
        assert_eq!((tally.slowest, tally.extra, tally.erases), (50, 5, 4));
    }
}
