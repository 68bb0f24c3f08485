//! What a sweep found, for people, for machines and for the page.

use crate::sweep::Swept;
use crate::{Options, parts};
use anyhow::{Context, Result};
use ota_sweep::geometry::GEOMETRIES;
use ota_sweep::plan;
use ota_sweep::story::{Materials, Story};
use ota_sweep::tally::{Tally, Worst};
use ota_sweep::unit::{Amplification, Kind, Unit};
use std::fmt::Write as _;

fn worst(of: &Worst) -> serde_json::Value {
    serde_json::json!({ "operations": of.slowest, "extra_operations": of.extra, "erases_per_sector_max": of.erases })
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reliability.md");
const BEGIN: &str = "<!-- sweep:begin -->\n";
const END: &str = "<!-- sweep:end -->";
/// An image as large as those of real products, for the amplification.
const LARGE: usize = 256 * 1024;

pub(crate) struct Report {
    total: Tally,
    units: usize,
    seconds: f64,
    threads: usize,
    seed: u64,
    geometries: usize,
    /// Stories gone through completely, each geometry counting anew; pairs and troubles of the first geometry alone.
    complete: [(usize, usize); 3],
    small: Amplification,
    large: Amplification,
}

impl Report {
    pub(crate) fn new(options: &Options, swept: &Swept) -> Self {
        let mut total = Tally::default();
        swept.units.values().for_each(|tally| total.merge(tally.clone()));
        let whole = swept.units.iter().filter(|(_, tally)| !tally.cut_short);
        let units: Vec<Unit> = whole.map(|(n, _)| plan::unit(*n, options.seed)).collect();
        let first: Vec<Unit> = units.iter().filter(|unit| unit.geometry == 0).copied().collect();
        let stories = Story::ALL.len();
        let complete = [
            (plan::complete(&units, Kind::Cuts), GEOMETRIES.len() * stories),
            (plan::complete(&first, Kind::Pairs), stories),
            (plan::complete(&first, Kind::Troubles), stories),
        ];
        let mut geometries: Vec<usize> = units.iter().map(|unit| unit.geometry).collect();
        geometries.sort_unstable();
        geometries.dedup();
        let part = GEOMETRIES.iter().find(|geometry| geometry.name == "w8-4k").unwrap_or(&GEOMETRIES[0]);
        let measure = |part, materials| (parts::code(part).amplification)(part, &materials);
        let small = measure(&GEOMETRIES[0], Materials::new(&GEOMETRIES[0], Story::Update));
        let large = measure(part, Materials::of_size(part, LARGE));
        let (units, seconds, threads, seed) = (swept.units.len(), swept.seconds, swept.threads, options.seed);
        Self { total, units, seconds, threads, seed, geometries: geometries.len(), complete, small, large }
    }

    pub(crate) const fn failures(&self) -> u64 {
        self.total.failures
    }

    fn rate(&self) -> f64 {
        self.total.scenarios as f64 / self.seconds.max(0.001)
    }

    /// Name and value of each figure.
    fn figures(&self) -> Vec<(&'static str, String)> {
        let Tally { scenarios, pairs, troubles, mixed, repeats, failures, firm, cut, troubled, .. } = &self.total;
        let [singles, doubles, others] = self.complete.map(|(done, all)| format!("{done} of {all}"));
        let three = |of: fn(&Worst) -> u64| format!("{} / {} / {}", of(firm), of(cut), of(troubled));
        let times = |a: &Amplification, bytes: u64| format!("{:.3}", bytes as f64 / a.image as f64);
        let both = |a: &Amplification| {
            format!("{} slot, {} journal ({} bytes)", times(a, a.slot), times(a, a.journal), a.image)
        };
        vec![
            ("scenarios, no two alike", scenarios.to_string()),
            ("of these after two cuts", pairs.to_string()),
            ("of these with another fault than a cut", troubles.to_string()),
            ("of these with failing flash between two cuts", mixed.to_string()),
            ("cuts that left a state seen before (not run again)", repeats.to_string()),
            ("failures", failures.to_string()),
            ("geometries", self.geometries.to_string()),
            ("stories", Story::ALL.len().to_string()),
            ("geometry with story: every operation cut in every way", singles),
            ("first geometry, stories: all pairs of cuts", doubles),
            ("first geometry, stories: every other fault", others),
            ("slowest recovery: one firm cut / other cuts / other faults *", three(|worst| worst.slowest)),
            ("most beyond what was still to come, likewise *", three(|worst| worst.extra)),
            ("most erases of one sector in one scenario, likewise", three(|worst| worst.erases.into())),
            ("bytes programmed per byte of image, real size", both(&self.large)),
            ("bytes programmed per byte of image, size swept", both(&self.small)),
            ("seconds", format!("{:.0}", self.seconds)),
            ("scenarios a second, all threads", format!("{:.0}", self.rate())),
            ("threads", self.threads.to_string()),
            ("units, seed", format!("{}, {}", self.units, self.seed)),
        ]
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for failure in &self.total.shown {
            let _ = writeln!(text, "FAILED cargo xtask sweep --replay {}\n       {}", failure.line, failure.why);
        }
        let more = self.total.failures.saturating_sub(self.total.shown.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "and {more} more");
        }
        for (name, value) in self.figures() {
            let _ = writeln!(text, "{name:<62} {value}");
        }
        let Tally { scenarios, failures, .. } = &self.total;
        let _ = write!(text, "{scenarios} scenarios on {} geometries, {failures} failures", self.geometries);
        text
    }

    pub(crate) fn json(&self) -> String {
        let failures: Vec<_> = self
            .total
            .shown
            .iter()
            .map(|failure| serde_json::json!({ "replay": failure.line.to_string(), "why": failure.why }))
            .collect();
        serde_json::json!({
            "scenarios": self.total.scenarios,
            "pairs": self.total.pairs,
            "troubles": self.total.troubles,
            "mixed": self.total.mixed,
            "repeats": self.total.repeats,
            "failures": self.total.failures,
            "shown": failures,
            "geometries": self.geometries,
            "stories": Story::ALL.len(),
            "complete": self.complete,
            "worst_firm_cut": worst(&self.total.firm),
            "worst_other_cuts": worst(&self.total.cut),
            "worst_other_faults": worst(&self.total.troubled),
            "amplification_slot": self.large.slot as f64 / self.large.image as f64,
            "amplification_journal": self.large.journal as f64 / self.large.image as f64,
            "seconds": self.seconds,
            "scenarios_per_second": self.rate(),
            "threads": self.threads,
            "units": self.units,
            "seed": self.seed,
        })
        .to_string()
    }

    /// Replaces the figures on the page.
    pub(crate) fn store(&self) -> Result<()> {
        let page = std::fs::read_to_string(PAGE).context("docs/reliability.md cannot be read")?;
        let (before, rest) = page.split_once(BEGIN).context("docs/reliability.md has no sweep:begin")?;
        let (_, after) = rest.split_once(END).context("docs/reliability.md has no sweep:end")?;
        let mut table = String::from("| figure | value |\n|---|---|\n");
        for (name, value) in self.figures() {
            let _ = writeln!(table, "| {name} | {value} |");
        }
        std::fs::write(PAGE, format!("{before}{BEGIN}{table}{END}{after}"))
            .context("docs/reliability.md cannot be written")
    }
}
