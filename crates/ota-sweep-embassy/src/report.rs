//! The tables that the sweep prints.

use crate::life::Ending;
use crate::sweep::{RULES, Series, Tally, named};
use ota_testkit::WriteRule;
use std::collections::BTreeMap;

/// What an ending is called.
pub(crate) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Old => "the old image, whole, and a further update works",
        Ending::New => "the new image, whole, and a further update works",
        Ending::Mixed => "a mixed image is started",
        Ending::NoBoot => "the loader fails at every start",
        Ending::NoUpdate => "a whole image runs, but no further update can be brought about",
        Ending::Kept => "the image that failed its self-test is kept",
    }
}

/// Prints what was found. Returns whether the known hole is among it.
pub(crate) fn print(rows: &[(Series, Tally)]) -> bool {
    totals(rows);
    mixed(rows);
    replays(rows);
    let found = rows.iter().any(|(series, tally)| is_known_hole(*series, tally));
    if found {
        println!("\nThe known hole of embassy-boot 0.7.0 is found: the harness can find one.");
    } else {
        println!("\nThe known hole is NOT found: the harness lost its teeth, or the pattern count is too small.");
    }
    found
}

/// A state page whose erase was cut makes the loader start a mix, even on a part that forgives all else.
fn is_known_hole(series: Series, tally: &Tally) -> bool {
    let erase = |op: &crate::part::Op| op.kind == "erase" && op.partition == "STATE";
    series.rule == WriteRule::Forgiving && tally.mixed.iter().any(|((op, _), (_, mixed))| erase(op) && *mixed > 0)
}

fn totals(rows: &[(Series, Tally)]) {
    println!(
        "| write size, rule | fate | operations | scenarios | old | new | mixed | no boot | no update | kept | misreported |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (series, tally) in rows {
        let rule = named(&RULES, &series.rule);
        let fate = format!("{:?}", series.fate).to_lowercase();
        print!("| {}, {rule} | {fate} | {} | {} |", series.write, tally.ops, tally.scenarios);
        for ending in [Ending::Old, Ending::New, Ending::Mixed, Ending::NoBoot, Ending::NoUpdate, Ending::Kept] {
            print!(" {} |", tally.ended(ending));
        }
        println!(" {} |", tally.misreported);
    }
    let scenarios: u64 = rows.iter().map(|(_, tally)| tally.scenarios).sum();
    println!("\n{scenarios} scenarios");
}

/// Where a mixed image came from, over the write sizes of the part that forgives.
fn mixed(rows: &[(Series, Tally)]) {
    println!("\n| cut in (rule forgiving) | write size | tear | patterns | mixed |\n|---|---|---|---|---|");
    for (series, tally) in rows.iter().filter(|(series, _)| series.rule == WriteRule::Forgiving) {
        for ((op, tear), (patterns, mixed)) in tally.mixed.iter().filter(|(_, (_, mixed))| *mixed > 0) {
            println!("| {op} | {} | {tear} | {patterns} | {mixed} |", series.write);
        }
    }
}

/// One line to replay the first finding of each kind.
fn replays(rows: &[(Series, Tally)]) {
    let mut first = BTreeMap::new();
    for (kind, scenario) in rows.iter().flat_map(|(_, tally)| &tally.first) {
        first.entry(*kind).or_insert(*scenario);
    }
    println!();
    for (kind, scenario) in first.iter().filter(|(kind, _)| !matches!(kind, Ending::Old | Ending::New)) {
        println!("{}: cargo xtask sweep --subject embassy-boot --replay {scenario}", ending(*kind));
    }
}
