//! Full images, compressed.

use super::figures::geomean;
use super::ours::{self, Ours, Profile};
use super::pairs::{File, Pair};
use super::run::{Outcome, Runner};
use super::tools::COMPRESSED;
use crate::world::Programs;
use anyhow::Result;
use std::path::Path;

/// One image.
pub(super) struct Image {
    pub(super) file: File,
    /// Profiles M and S.
    pub(super) ours: [Result<Ours, String>; 2],
    pub(super) others: Vec<(&'static str, Outcome)>,
}

impl Image {
    /// The smallest by those others whose name begins with `begin`.
    pub(super) fn best(&self, begin: &str) -> Option<u64> {
        let ours = self.others.iter().filter(|(name, _)| name.starts_with(begin));
        ours.filter_map(|(_, outcome)| Some(outcome.as_ref().ok()?.bytes)).min()
    }

    pub(super) fn our(&self, profile: Profile) -> Option<u64> {
        Some(self.ours[profile as usize].as_ref().ok()?.made.bytes)
    }
}

/// Each image of the pairs once.
pub(super) fn measure(programs: &Programs, pairs: &[Pair], runner: &mut Runner<'_>, dir: &Path) -> Result<Vec<Image>> {
    let path = dir.join("empty");
    std::fs::write(&path, [])?;
    let empty = File { path, len: 0, digest: "empty".into() };
    let mut images: Vec<Image> = Vec::new();
    for (pair, file) in pairs.iter().flat_map(|pair| [(pair, &pair.old), (pair, &pair.new)]) {
        if images.iter().any(|image| image.file.digest == file.digest) {
            continue;
        }
        eprintln!("full image {}", file.name());
        let our = |profile| ours::compress(programs, profile, file, dir).map_err(|error| format!("{error:#}"));
        let others = COMPRESSED
            .iter()
            .filter_map(|setting| Some((setting.name, runner.compress(setting, &pair.isa, &empty, file)?)));
        images.push(Image { file: file.clone(), others: others.collect(), ours: Profile::BOTH.map(our) });
    }
    Ok(images)
}

/// The geometric mean of a figure ÷ the image's length.
pub(super) fn mean(images: &[Image], figure: impl Fn(&Image) -> Option<u64>) -> Option<f64> {
    geomean(images.iter().map(|image| Some(figure(image)? as f64 / image.file.len as f64)))
}

/// Images of ours that did not come back.
pub(super) fn faults(images: &[Image]) -> Vec<String> {
    let fault = |image: &Image, profile: Profile| {
        let why = image.ours[profile as usize].as_ref().err()?;
        Some(format!("{}, profile {}: {why}", image.file.name(), profile.name()))
    };
    images.iter().flat_map(|image| Profile::BOTH.map(|profile| fault(image, profile))).flatten().collect()
}
