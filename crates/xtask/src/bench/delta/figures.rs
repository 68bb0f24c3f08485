//! What was measured, put together, and judged by our limits.

use super::device::Decoded;
use super::ours::{Ours, Profile};
use super::pairs::Pair;
use super::run::{Made, Outcome};
use super::tools::LITE_4K;

/// Geometric mean of (our patch ÷ smallest patch of all others), profiles M and S.
const AGAINST_BEST: [f64; 2] = [0.50, 0.53];
/// The same of (our patch of profile M ÷ HPatchLite with a dictionary of 4 KiB).
const AGAINST_LITE: f64 = 0.38;
/// Instructions per byte of the new image on patch releases.
const INSTRUCTIONS: f64 = 250.0;
/// Bytes of stack on the device, without the decoder's state.
const STACK: u64 = 512;

/// All figures of one pair.
pub(super) struct Row {
    pub(super) pair: Pair,
    /// Profiles M and S.
    pub(super) ours: [Result<Ours, String>; 2],
    /// By name of the setting.
    pub(super) others: Vec<(&'static str, Outcome)>,
    /// What the emulated device took, profiles M and S.
    pub(super) device: [Option<Decoded>; 2],
}

impl Row {
    /// Our patch of a profile.
    pub(super) fn our(&self, profile: Profile) -> Option<&Ours> {
        self.ours[profile as usize].as_ref().ok()
    }

    /// The smallest patch of all others.
    pub(super) fn best(&self) -> Option<(&'static str, Made)> {
        let made = self.others.iter().filter_map(|(name, outcome)| Some((*name, *outcome.as_ref().ok()?)));
        made.min_by_key(|(_, made)| made.bytes)
    }

    /// The patch of one setting.
    pub(super) fn other(&self, name: &str) -> Option<Made> {
        self.others.iter().find(|(of, _)| *of == name)?.1.as_ref().ok().copied()
    }

    /// Our patch ÷ the best of the others.
    pub(super) fn against_best(&self, profile: Profile) -> Option<f64> {
        Some(self.our(profile)?.made.bytes as f64 / self.best()?.1.bytes as f64)
    }

    /// Our patch ÷ HPatchLite with a dictionary of 4 KiB.
    pub(super) fn against_lite(&self, profile: Profile) -> Option<f64> {
        Some(self.our(profile)?.made.bytes as f64 / self.other(LITE_4K)?.bytes as f64)
    }

    /// Instructions per byte on the emulated device.
    pub(super) fn instructions(&self, profile: Profile) -> Option<f64> {
        Some(self.device[profile as usize]?.instructions as f64 / self.pair.new.len as f64)
    }
}

/// The geometric mean; `None` of nothing, or when a figure is missing.
pub(super) fn geomean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let logs: Vec<f64> = figures.map(|figure| figure.map(f64::ln)).collect::<Option<_>>()?;
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

/// Everything that is not as it was promised. Means are judged only over the whole set.
pub(super) fn faults(rows: &[Row], whole: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows {
        let id = &row.pair.id;
        for profile in Profile::BOTH {
            if let Err(why) = &row.ours[profile as usize] {
                faults.push(format!("{id}, profile {}: {why}", profile.name()));
            }
            if let Some(ratio) = row.against_best(profile).filter(|ratio| *ratio > 1.0) {
                faults.push(format!("{id}, profile {}: {ratio:.3} of the best other patch, above 1.0", profile.name()));
            }
            let deep = row.device[profile as usize].map(|decoded| decoded.stack).filter(|bytes| *bytes > STACK);
            faults.extend(
                deep.map(|bytes| format!("{id}, profile {}: {bytes} bytes of stack, above {STACK}", profile.name())),
            );
            let slow = row.instructions(profile).filter(|count| row.pair.is_small() && *count > INSTRUCTIONS);
            faults.extend(slow.map(|count| {
                format!("{id}, profile {}: {count:.0} instructions per byte, above {INSTRUCTIONS}", profile.name())
            }));
        }
    }
    if whole {
        let means = Profile::BOTH.into_iter().zip(AGAINST_BEST).filter_map(|(profile, limit)| {
            let mean = geomean(rows.iter().map(|row| row.against_best(profile)))?;
            Some((format!("profile {} ÷ best of all others", profile.name()), mean, limit))
        });
        let lite = geomean(rows.iter().map(|row| row.against_lite(Profile::M)));
        let lite = lite.map(|mean| (format!("profile M ÷ {LITE_4K}"), mean, AGAINST_LITE));
        let broken = means.chain(lite).filter(|(_, mean, limit)| mean > limit);
        faults.extend(broken.map(|(what, mean, limit)| format!("{what}: {mean:.3} as geometric mean, above {limit}")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::measured::Cost;
    use super::super::pairs::File;
    use super::*;

    fn made(bytes: u64) -> Made {
        Made { bytes, cost: Cost::default() }
    }

    fn row(id: &str, ours: [u64; 2], others: &[(&'static str, Option<u64>)]) -> Row {
        let file = File { path: "f".into(), len: 1000, digest: String::new() };
        let our = |bytes| Ok(Ours { made: made(bytes), arch: "thumb".into(), mb_per_s: 1.0 });
        let other = |&(name, bytes): &(_, Option<u64>)| (name, bytes.map(made).ok_or_else(|| "broke".to_owned()));
        Row {
            pair: Pair { id: id.into(), isa: "thumb".into(), old: file.clone(), new: file },
            ours: ours.map(our),
            others: others.iter().map(other).collect(),
            device: [None, None],
        }
    }

    #[test]
    fn a_mean_is_geometric_and_of_all_or_nothing() {
        let mean = geomean([0.25, 1.0, 4.0].map(Some).into_iter()).unwrap();
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
        assert!((geomean([Some(2.0), Some(8.0)].into_iter()).unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(geomean([Some(1.0), None].into_iter()), None);
        assert_eq!(geomean(std::iter::empty()), None);
    }

    #[test]
    fn the_best_other_is_the_smallest_that_works() {
        let row = row("a-p", [40, 50], &[("x", Some(120)), (LITE_4K, Some(200)), ("y", Some(100)), ("z", None)]);
        assert_eq!(row.best().map(|(name, made)| (name, made.bytes)), Some(("y", 100)));
        assert_eq!(row.against_best(Profile::M), Some(0.4));
        assert_eq!(row.against_best(Profile::S), Some(0.5));
        assert_eq!(row.against_lite(Profile::M), Some(0.2));
    }

    #[test]
    fn each_limit_is_told_when_it_is_broken() {
        let others = [("x", Some(100)), (LITE_4K, Some(130))];
        assert_eq!(faults(&[row("a-p", [49, 52], &others)], true), Vec::<String>::new());
        let broken = faults(&[row("a-p", [51, 52], &others)], true);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].contains("profile M ÷ best of all others: 0.510"), "{broken:?}");
        assert!(broken[1].contains("÷ HPatchLite tuz 4k: 0.392"), "{broken:?}");
        assert!(faults(&[row("a-p", [49, 54], &others)], true)[0].contains("profile S ÷ best"));
        let broken = faults(&[row("a-p", [1, 101], &others)], false);
        assert_eq!(broken, ["a-p, profile S: 1.010 of the best other patch, above 1.0"]);
        let mut slow = row("a-p", [1, 1], &others);
        slow.device[0] = Some(Decoded { instructions: 250_001, stack: 0, state: 0 });
        assert_eq!(faults(&[slow], false).len(), 1);
        let mut deep = row("a-p", [1, 1], &others);
        deep.device = [512, 513].map(|stack| Some(Decoded { instructions: 0, stack, state: 0 }));
        assert_eq!(faults(&[deep], false), ["a-p, profile S: 513 bytes of stack, above 512"]);
        let mut failed = row("a-p", [1, 1], &others);
        failed.ours[1] = Err("gives another image".into());
        assert_eq!(faults(&[failed], false), ["a-p, profile S: gives another image"]);
    }
}
