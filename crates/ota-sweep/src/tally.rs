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
    /// Of these, with something else between two cuts.
    pub mixed: u64,
    /// Cuts that left a state that another cut had left before: not run again.
    pub repeats: u64,
    /// How many ended badly.
    pub failures: u64,
    /// The first of these in the order of the plan.
    pub shown: Vec<Failure>,
    /// The worst after one cut that left firm cells.
    pub firm: Worst,
    /// The worst after two cuts, or one that left unstable cells.
    pub cut: Worst,
    /// The worst with something else than a cut.
    pub troubled: Worst,
    /// Time was up before all was tried.
    pub cut_short: bool,
}

/// The worst of some scenarios that ended well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worst {
    /// Most writes and erases from the last cut to the end of the story.
    pub slowest: u64,
    /// Most writes and erases beyond those that were still to come without the cut.
    pub extra: u64,
    /// Most erases of one sector in a scenario.
    pub erases: u32,
}

/// So many failures are shown.
pub const SHOWN: usize = 20;

impl Worst {
    /// One scenario; `left` operations were still to come when it was cut.
    pub fn add(&mut self, cost: Cost, left: usize) {
        let extra = cost.operations.saturating_sub(left as u64);
        self.merge(Self { slowest: cost.operations, extra, erases: cost.erases });
    }
    fn merge(&mut self, other: Self) {
        self.slowest = self.slowest.max(other.slowest);
        self.extra = self.extra.max(other.extra);
        self.erases = self.erases.max(other.erases);
    }
}

impl Tally {
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
        self.mixed += other.mixed;
        self.repeats += other.repeats;
        self.failures += other.failures;
        self.shown.extend(other.shown);
        self.shown.truncate(SHOWN);
        self.firm.merge(other.firm);
        self.cut.merge(other.cut);
        self.troubled.merge(other.troubled);
        self.cut_short |= other.cut_short;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_and_the_sums_are_kept() {
        let mut tally = Tally { scenarios: 2, ..Tally::default() };
        tally.cut.add(Cost { operations: 50, erases: 3 }, 45);
        let mut other = Tally { scenarios: 3, pairs: 1, ..Tally::default() };
        other.cut.add(Cost { operations: 20, erases: 4 }, 30);
        let line: Line = "w8/gate/3/1:bits:1".parse().unwrap();
        (0..SHOWN + 5).for_each(|_| other.fail(line.clone(), "x".into()));
        tally.merge(other);
        assert_eq!((tally.scenarios, tally.pairs, tally.failures, tally.shown.len()), (5, 1, 25, SHOWN));
        assert_eq!(tally.cut, Worst { slowest: 50, extra: 5, erases: 4 });
        assert_eq!(tally.firm, Worst::default());
    }
}
