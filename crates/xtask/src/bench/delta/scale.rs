//! How the encoder's time and memory grow with the image.

use super::ours;
use super::run::Made;
use super::synth::{noise, releases};
use crate::markdown::aligned;
use crate::world::Programs;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

const MIB: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Two files of random bytes: nothing matches, nothing can be compressed.
const NOISE_MIB: [usize; 2] = [2, 8];
const SEED: u64 = 2026;
/// What is promised for any 2 MiB, on one core.
const SECONDS: f64 = 30.0;
const MEMORY_MIB: f64 = 1024.0;
/// Time per byte may grow with the logarithm of the size: from 1 to 32 MiB by 25/20 for a sort, and by caches that miss.
const GROWTH: f64 = 2.5;

/// One size.
pub(super) struct Step {
    mib: usize,
    is_noise: bool,
    image: u64,
    made: Made,
}

impl Step {
    fn name(&self) -> String {
        format!("{}{} MiB", if self.is_noise { "random, " } else { "" }, self.mib)
    }
    fn memory_mib(&self) -> f64 {
        self.made.cost.kib as f64 / 1024.0
    }
    fn bytes_per_second(&self) -> f64 {
        self.image as f64 / self.made.cost.seconds
    }
}

/// Encodes synthetic releases of each size, and random bytes.
pub(super) fn measure(programs: &Programs, dir: &Path) -> Result<Vec<Step>> {
    let (old, new) = (dir.join("old"), dir.join("new"));
    let step = |(mib, is_noise): (usize, bool)| {
        let [first, second] =
            if is_noise { [SEED, SEED + 1].map(|seed| noise(mib << 20, seed)) } else { releases(mib << 20, SEED) };
        std::fs::write(&old, first)?;
        std::fs::write(&new, &second)?;
        let made = ours::cost(programs, &old, &new, dir).with_context(|| format!("{mib} MiB"))?;
        let step = Step { mib, is_noise, image: second.len() as u64, made };
        eprintln!("{}: {:.1} s, {:.0} MiB", step.name(), made.cost.seconds, step.memory_mib());
        Ok(step)
    };
    let releases = MIB.into_iter().map(|mib| (mib, false));
    releases.chain(NOISE_MIB.into_iter().map(|mib| (mib, true))).map(step).collect()
}

/// The table.
pub(super) fn table(steps: &[Step]) -> String {
    let head = ["image", "patch bytes", "encode s", "peak MiB", "KB/s", "peak ÷ image"].map(str::to_owned);
    let line = |step: &Step| {
        [
            step.name(),
            step.made.bytes.to_string(),
            format!("{:.1}", step.made.cost.seconds),
            format!("{:.0}", step.memory_mib()),
            format!("{:.0}", step.bytes_per_second() / 1e3),
            format!("{:.1}", step.memory_mib() / step.mib as f64),
        ]
    };
    aligned(&std::iter::once(head).chain(steps.iter().map(line)).collect::<Vec<_>>(), 0)
}

/// The same for programs.
pub(super) fn json(steps: &[Step]) -> Value {
    let step = |step: &Step| {
        json!({
            "mib": step.mib, "random": step.is_noise, "image_bytes": step.image, "patch_bytes": step.made.bytes,
            "seconds": step.made.cost.seconds, "peak_kib": step.made.cost.kib,
        })
    };
    steps.iter().map(step).collect()
}

/// What is not as it was promised.
pub(super) fn faults(steps: &[Step]) -> Vec<String> {
    let mut faults = Vec::new();
    for step in steps.iter().filter(|step| step.mib == 2) {
        let (seconds, memory) = (step.made.cost.seconds, step.memory_mib());
        if seconds > SECONDS {
            faults.push(format!("{} take {seconds:.1} s, more than {SECONDS}", step.name()));
        }
        if memory > MEMORY_MIB {
            faults.push(format!("{} take {memory:.0} MiB of memory, more than {MEMORY_MIB}", step.name()));
        }
    }
    let mut releases = steps.iter().filter(|step| !step.is_noise);
    if let (Some(first), Some(last)) = (releases.next(), releases.next_back()) {
        let growth = first.bytes_per_second() / last.bytes_per_second();
        if growth > GROWTH {
            faults
                .push(format!("a byte of {} MiB takes {growth:.1} times what it takes of {} MiB", last.mib, first.mib));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::measured::Cost;
    use super::*;

    fn step(mib: usize, seconds: f64, memory_mib: u64) -> Step {
        let cost = Cost { seconds, kib: memory_mib << 10 };
        Step { mib, is_noise: false, image: (mib << 20) as u64, made: Made { bytes: 1, cost } }
    }

    #[test]
    fn growth_beyond_linear_and_the_limits_of_2_mib_are_told() {
        assert_eq!(faults(&[step(1, 1.0, 30), step(2, 3.0, 60), step(32, 79.0, 900)]), Vec::<String>::new());
        assert_eq!(faults(&[step(1, 1.0, 30), step(2, 31.0, 1025), step(32, 79.0, 900)]).len(), 2);
        let slow_noise = Step { is_noise: true, ..step(2, 31.0, 60) };
        let told = faults(&[step(1, 1.0, 30), step(32, 60.0, 900), slow_noise]);
        assert_eq!(told, ["random, 2 MiB take 31.0 s, more than 30"]);
        let quadratic = faults(&[step(1, 1.0, 30), step(2, 4.0, 60), step(32, 1024.0, 900)]);
        assert_eq!(quadratic, ["a byte of 32 MiB takes 32.0 times what it takes of 1 MiB"]);
    }
}
