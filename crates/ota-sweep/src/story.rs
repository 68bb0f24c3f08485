//! What happens to a device in a scenario, when nothing is cut.

use crate::Geometry;
use crate::build::{Draft, IDENTITY, sha256, stranger};
use ota_diff::{Options, ProfileId, encode};
use ota_service::patch_target::{Decoder, S};
use ota_verify::manifest::Encoding;
use ota_verify::{Identity, Uuid};

/// What the cloud offers, and how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Story {
    /// A good image comes in full, passes its gate and is confirmed.
    Update,
    /// The same as a delta, with checkpoints of the decoder.
    Delta,
    /// The image fails its health gate and asks to go back.
    Gate,
    /// It hangs at each start, until the watchdog bites.
    Hang,
    /// It crashes at each start, after its first report.
    Crash,
    /// A byte of the payload was changed after signing.
    Tampered,
    /// The image is signed by a key the device does not hold, the package by one it does.
    Foreign,
    /// Image and package are signed by a key the device does not hold.
    Forged,
    /// The security counter is below the floor.
    Older,
    /// The image is for another class of device.
    WrongClass,
}

/// How a story ends for the image that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is confirmed.
    Confirmed,
    /// It was tried and given up.
    RolledBack,
    /// It was never tried.
    Refused,
}

impl Story {
    /// Every story.
    pub const ALL: [Self; 10] = [
        Self::Update,
        Self::Gate,
        Self::Hang,
        Self::Delta,
        Self::Tampered,
        Self::Foreign,
        Self::Crash,
        Self::Older,
        Self::Forged,
        Self::WrongClass,
    ];

    /// How it ends.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Update | Self::Delta => Outcome::Confirmed,
            Self::Gate | Self::Hang | Self::Crash => Outcome::RolledBack,
            _ => Outcome::Refused,
        }
    }

    /// What the cloud hears of the failure, or how that begins.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Update | Self::Delta => "",
            Self::Gate => "failed -1 rolled back: health gate sensor failed",
            Self::Hang | Self::Crash => USED_UP,
            Self::Tampered => "failed -3 refused: image digest differs from the manifest",
            Self::Foreign => "failed -3 refused: signed by an unknown key",
            Self::Forged => "failed -3 refused: signed by an unknown key",
            Self::Older => "failed -3 refused: security counter too low",
            Self::WrongClass => "failed -3 refused: ",
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The new image of the story, whether good or not.
    fn draft(self, sector: usize) -> Draft {
        let good = Draft { payload: 5 * sector - 100, ..Draft::new(NEW) };
        match self {
            Self::Delta => Draft { seed: OLD, payload: delta_payload(sector), ..good },
            Self::Foreign => Draft { signer: stranger(), ..good },
            Self::Forged => Draft { signer: stranger(), manifest_signer: stranger(), ..good },
            Self::Older => Draft { counter: 0, ..good },
            Self::WrongClass => Draft { identity: Identity { class: Uuid([0x23; 16]), ..IDENTITY }, ..good },
            _ => good,
        }
    }
}

/// What the loader says when a trial had all its starts.
pub const USED_UP: &str = "failed -1 rolled back: all trial starts used up";

/// The version that runs at first, the one that is offered, and the one that proves the device well afterwards.
pub const OLD: u8 = 1;
/// See [`OLD`].
pub const NEW: u8 = 2;
/// See [`OLD`].
pub const NEXT: u8 = 3;

/// A payload that is longer than the old one by two pieces of patch and a bit.
fn delta_payload(sector: usize) -> usize {
    old_payload(sector) + 2 * Decoder::<S>::SAVED_LEN.max(sector) + sector
}
const fn old_payload(sector: usize) -> usize {
    4 * sector + sector / 2
}

/// Images and packages of one story on one geometry.
#[derive(Debug)]
pub struct Materials {
    /// The story.
    pub story: Story,
    /// The images of [`OLD`], [`NEW`] and [`NEXT`], as they stand in a slot.
    pub images: [Vec<u8>; 3],
    /// What the server holds at first, and what it holds for [`NEXT`].
    pub objects: [Vec<u8>; 2],
    /// Length of a slot at least.
    pub room: u32,
}

impl Materials {
    /// Makes them.
    #[must_use]
    pub fn new(geometry: &Geometry, story: Story) -> Self {
        let sector = (geometry.sector_max() as usize).max(256);
        let old = Draft { payload: old_payload(sector), ..Draft::new(OLD) };
        let next = Draft { payload: 3 * sector + 7, ..Draft::new(NEXT) };
        let new = story.draft(sector);
        let images = [old.image(), new.image(), next.image()];
        let objects = [object(story, &new, &images), next.package_of(&images[2])];
        let longest = images.iter().map(Vec::len).max().unwrap_or(0);
        let shelf = if story == Story::Delta { 3 * Decoder::<S>::SAVED_LEN.max(sector) + 2 * sector } else { 0 };
        Self { story, images, objects, room: (longest.next_multiple_of(sector) + shelf) as u32 }
    }

    /// Of a good update to an image with a payload of `len` bytes.
    #[must_use]
    pub fn of_size(geometry: &Geometry, len: usize) -> Self {
        let mut materials = Self::new(geometry, Story::Update);
        let new = Draft { payload: len, ..Draft::new(NEW) };
        materials.images[1] = new.image();
        materials.objects[0] = new.package_of(&materials.images[1]);
        materials.room = (len + 4096) as u32;
        materials
    }

    /// The image of this version.
    #[must_use]
    pub fn image(&self, version: u8) -> Option<&[u8]> {
        self.images.get(usize::from(version).checked_sub(1)?).map(Vec::as_slice)
    }
}

fn object(story: Story, new: &Draft, images: &[Vec<u8>; 3]) -> Vec<u8> {
    match story {
        Story::Delta => {
            let options = &mut Options { profile: ProfileId::S, ..Options::default() };
            let patch = encode(&images[0], &images[1], options).expect("a patch");
            new.package_with(&patch, |payload| {
                payload.encoding = Encoding::Delta { base: sha256(&images[0]) };
                (payload.image_size, payload.image_digest) = (images[1].len() as u32, sha256(&images[1]));
            })
        }
        Story::Tampered => {
            let mut object = new.package_of(&images[1]);
            let at = object.len() - images[1].len() / 2;
            object[at] ^= 0x10;
            object
        }
        _ => new.package_of(&images[1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::GEOMETRIES;

    #[test]
    fn the_delta_is_long_enough_for_checkpoints_and_the_names_differ() {
        let geometry = &GEOMETRIES[0];
        let materials = Materials::new(geometry, Story::Delta);
        let patch = materials.objects[0].len() - 1000;
        assert!(patch > 2 * Decoder::<S>::SAVED_LEN && patch < materials.images[1].len(), "{patch} bytes of patch");
        for (n, story) in Story::ALL.iter().enumerate() {
            assert!(Story::ALL[..n].iter().all(|other| other.name() != story.name()));
        }
    }
}
