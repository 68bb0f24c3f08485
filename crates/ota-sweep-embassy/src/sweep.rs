//! Every operation of every life, cut in every way.

use crate::life::{Ending, Fate, Outcome, live};
use crate::part::{Op, image};
use crate::subject::Device;
use ota_testkit::{Tear, WriteRule};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Random patterns per tear of an operation on STATE, unless told otherwise. The copying of pages, which is many times
/// the same, gets an eighth of them.
pub(crate) const PATTERNS: u64 = 64;

/// The write sizes that are swept.
pub(crate) const WRITES: [usize; 3] = [1, 4, 8];
/// The write rules that are swept, by name.
pub(crate) const RULES: [(&str, WriteRule); 2] = [("forgiving", WriteRule::Forgiving), ("once", WriteRule::Once)];
const FATES: [(&str, Fate); 2] = [("confirm", Fate::Confirm), ("rollback", Fate::Rollback)];

/// One device and one life: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Series {
    /// Bytes that are written at once.
    pub(crate) write: usize,
    /// How often they may be.
    pub(crate) rule: WriteRule,
    /// What the new image thinks of itself.
    pub(crate) fate: Fate,
}

/// One cut in one life: what a printed line replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// The device and the life.
    pub(crate) series: Series,
    /// The operation that is cut.
    pub(crate) op: u64,
    /// How far it gets.
    pub(crate) tear: Tear,
    /// The seed of a random tear.
    pub(crate) seed: u64,
}

/// What came of one series.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Operations of the life without a cut.
    pub(crate) ops: usize,
    /// Scenarios run.
    pub(crate) scenarios: u64,
    /// How many ended how.
    pub(crate) endings: BTreeMap<Ending, u64>,
    /// In how many the new image was told that it is the old one.
    pub(crate) misreported: u64,
    /// By operation and tear: patterns tried and mixed images started.
    pub(crate) mixed: BTreeMap<(Op, String), (u64, u64)>,
    /// The first scenario of each ending.
    pub(crate) first: BTreeMap<Ending, Scenario>,
}

impl Series {
    /// All, in the order of the table.
    pub(crate) fn all() -> Vec<Self> {
        let rules = RULES.iter().flat_map(|(_, rule)| WRITES.map(|write| (*rule, write)));
        rules.flat_map(|(rule, write)| FATES.map(|(_, fate)| Self { write, rule, fate })).collect()
    }

    /// Cuts every operation in every way.
    pub(crate) fn sweep(self, patterns: u64) -> Tally {
        match self.write {
            1 => sweep::<1>(self, patterns),
            4 => sweep::<4>(self, patterns),
            _ => sweep::<8>(self, patterns),
        }
    }
}

fn sweep<const W: usize>(series: Series, patterns: u64) -> Tally {
    let factory = Device::<W>::factory(series.rule, image(1));
    let ops = uncut(&factory, series.fate);
    let mut tally = Tally { ops: ops.len(), ..Tally::default() };
    for (index, op) in ops.iter().enumerate() {
        for tear in Tear::ALL {
            for seed in 0..seeds(*op, tear, patterns) {
                let scenario = Scenario { series, op: index as u64, tear, seed };
                let outcome = live(&factory.armed(Some((scenario.op, tear)), seed), series.fate, None);
                tally.count(&scenario, *op, &outcome);
            }
        }
    }
    tally
}

/// The operations of the life when nothing is cut, without those of the further update.
fn uncut<const W: usize>(factory: &Device<W>, fate: Fate) -> Vec<Op> {
    let device = factory.armed(None, 0);
    crate::life::first(&device, fate);
    device.with(|part| std::mem::take(&mut part.ops))
}

/// How many seeds a tear is tried with: one when it is not random.
fn seeds(op: Op, tear: Tear, patterns: u64) -> u64 {
    match tear {
        _ if !tear.is_random() => 1,
        _ if op.partition == "STATE" => patterns,
        _ => patterns.div_ceil(8),
    }
}

impl Tally {
    fn count(&mut self, scenario: &Scenario, op: Op, outcome: &Outcome) {
        self.scenarios += 1;
        self.misreported += u64::from(outcome.misreported);
        *self.endings.entry(outcome.ending).or_default() += 1;
        self.first.entry(outcome.ending).or_insert(*scenario);
        let (patterns, mixed) = self.mixed.entry((op, scenario.tear.name().to_owned())).or_default();
        *patterns += 1;
        *mixed += u64::from(outcome.ending == Ending::Mixed);
    }
    /// How many ended like this.
    pub(crate) fn ended(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }
}

impl Scenario {
    /// Runs it once more and says what happens.
    pub(crate) fn replay(&self) -> (Vec<String>, Outcome) {
        match self.series.write {
            1 => self.replayed::<1>(),
            4 => self.replayed::<4>(),
            _ => self.replayed::<8>(),
        }
    }

    fn replayed<const W: usize>(&self) -> (Vec<String>, Outcome) {
        let factory = Device::<W>::factory(self.series.rule, image(1));
        let mut story = Vec::new();
        if let Some(op) = uncut(&factory, self.series.fate).get(self.op as usize) {
            story.push(format!("cut at operation {} ({op}), tear {:?}", self.op, self.tear));
        }
        let outcome = live(&factory.armed(Some((self.op, self.tear)), self.seed), self.series.fate, Some(&mut story));
        (story, outcome)
    }
}

/// As it is written in a replay line.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Series { write, rule, fate } = self.series;
        let (rule, fate) = (named(&RULES, &rule), named(&FATES, &fate));
        write!(f, "{write}/{rule}/{fate}/{}/{}/{}", self.op, self.tear.name(), self.seed)
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a scenario: copy the line that a finding printed");
        let parts: Vec<&str> = text.split('/').collect();
        let [write, rule, fate, op, tear, seed] = parts[..] else { return Err(wrong()) };
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let write = WRITES.into_iter().find(|size| size.to_string() == write).ok_or_else(wrong)?;
        let tear = Tear::ALL.into_iter().find(|known| known.name() == tear).ok_or_else(wrong)?;
        let (rule, fate) = (value(&RULES, rule).ok_or_else(wrong)?, value(&FATES, fate).ok_or_else(wrong)?);
        Ok(Self { series: Series { write, rule, fate }, op: number(op)?, tear, seed: number(seed)? })
    }
}

/// The name of a value.
pub(crate) fn named<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("?", |(name, _)| name)
}
fn value<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIRM: Series = Series { write: 4, rule: WriteRule::Forgiving, fate: Fate::Confirm };

    #[test]
    fn without_a_cut_every_life_ends_as_it_should() {
        for series in Series::all() {
            let (story, outcome) = Scenario { series, op: 100_000, tear: Tear::After, seed: 0 }.replay();
            let ending = if series.fate == Fate::Confirm { Ending::New } else { Ending::Old };
            assert_eq!(outcome, Outcome { ending, misreported: false }, "{series:?}: {story:#?}");
        }
    }

    #[test]
    fn the_known_hole_is_found_and_only_torn_operations_show_it() {
        let tally = CONFIRM.sweep(8);
        let found: Vec<_> = tally.mixed.iter().filter(|(_, (_, mixed))| *mixed > 0).map(|(at, _)| at).collect();
        let hole = Op { call: "mark_booted", kind: "erase", partition: "STATE" };
        assert_eq!(found, [&(hole, "units".to_owned())]);
        assert_eq!(tally.ended(Ending::Mixed) + tally.ended(Ending::New), tally.scenarios);
    }

    #[test]
    fn a_printed_line_replays_what_was_found() {
        let first = CONFIRM.sweep(8).first[&Ending::Mixed];
        let again: Scenario = first.to_string().parse().unwrap();
        assert_eq!(again, first);
        let (story, outcome) = again.replay();
        assert_eq!((outcome.ending, again.replay()), (Ending::Mixed, (story, outcome)));
        for wrong in ["", "4/forgiving/confirm/1/units", "5/once/confirm/1/units/1", "4/once/confirm/x/units/1"] {
            assert!(wrong.parse::<Scenario>().unwrap_err().contains("copy the line"), "{wrong}");
        }
    }
}
