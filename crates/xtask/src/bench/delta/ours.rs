//! Our own patches, made and applied by the command line as its users do.

use super::measured::{Cost, measure};
use super::pairs::File;
use super::run::Made;
use crate::world::Programs;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often a patch is applied; the fastest time counts.
const ROUNDS: usize = 5;

/// How much the decoder remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    M,
    S,
}

impl Profile {
    pub(super) const BOTH: [Self; 2] = [Self::M, Self::S];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::M => "M",
            Self::S => "S",
        }
    }
}

/// A patch of ours.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    pub(super) made: Made,
    /// What `--arch auto` chose.
    pub(super) arch: String,
    /// Decoded on this machine, MB of the new image per second.
    pub(super) mb_per_s: f64,
}

/// Makes the patch, applies it, compares. It stays in `kept` for the device.
pub(super) fn patch(programs: &Programs, profile: Profile, pair: [&File; 2], kept: &Path, dir: &Path) -> Result<Ours> {
    let [old, new] = pair;
    let out = dir.join("out");
    let (cost, said) = ota(programs, &diff(Some(&old.path), &new.path, kept, profile), dir)?;
    let base: OsString = old.path.clone().into();
    let mut seconds = f64::INFINITY;
    for _ in 0..ROUNDS {
        let apply = ["patch".into(), base.clone(), kept.into(), "-o".into(), out.clone().into(), "--force".into()];
        let (_, said) = ota(programs, &apply, dir)?;
        seconds = seconds.min(said["seconds"].as_f64().context("`ota patch` names no time")?);
    }
    ours(&said, cost, kept, [&out, &new.path], new.len as f64 / 1e6 / seconds)
}

/// The same for a full image.
pub(super) fn compress(programs: &Programs, profile: Profile, image: &File, dir: &Path) -> Result<Ours> {
    let (kept, out) = (dir.join("compressed"), dir.join("out"));
    let (cost, said) = ota(programs, &diff(None, &image.path, &kept, profile), dir)?;
    let apply = ["patch".into(), kept.clone().into(), "-o".into(), out.clone().into(), "--force".into()];
    let (_, applied) = ota(programs, &apply, dir)?;
    let seconds = applied["seconds"].as_f64().context("`ota patch` names no time")?;
    ours(&said, cost, &kept, [&out, &image.path], image.len as f64 / 1e6 / seconds)
}

/// What it costs to make a patch, without applying it.
pub(super) fn cost(programs: &Programs, old: &Path, new: &Path, dir: &Path) -> Result<Made> {
    let kept = dir.join("patch");
    let (cost, _) = ota(programs, &diff(Some(old), new, &kept, Profile::M), dir)?;
    Ok(Made { bytes: std::fs::metadata(&kept)?.len(), cost })
}

fn diff(old: Option<&Path>, new: &Path, to: &Path, profile: Profile) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["diff".into()];
    args.push(old.map_or_else(|| "--no-base".into(), Into::into));
    args.extend([new.into(), "-o".into(), to.into(), "--force".into()]);
    args.extend(["--profile".into(), profile.name().to_lowercase().into()]);
    args
}

fn ours(said: &Value, cost: Cost, patch: &Path, images: [&PathBuf; 2], mb_per_s: f64) -> Result<Ours> {
    let [out, new] = images.map(std::fs::read);
    ensure!(out? == new?, "our patch gives another image");
    let bytes = std::fs::metadata(patch)?.len();
    let arch = said["arch"].as_str().context("`ota diff` names no instruction set")?.to_owned();
    Ok(Ours { made: Made { bytes, cost }, arch, mb_per_s })
}

fn ota(programs: &Programs, args: &[OsString], dir: &Path) -> Result<(Cost, Value)> {
    let program: Command = programs.ota();
    let command = [&[program.get_program().into(), "--json".into()], args].concat();
    let stdout = dir.join("stdout");
    let cost = measure(&command, &stdout, dir)?;
    let said = std::fs::read_to_string(&stdout)?;
    Ok((cost, serde_json::from_str(&said).with_context(|| format!("`ota` printed no JSON: {said}"))?))
}
