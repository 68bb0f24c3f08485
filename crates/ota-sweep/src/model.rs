//! What the checks know: what was asked of the device and what it showed. They know nothing of its records.

use crate::story::{NEW, NEXT, OLD, Outcome, Story, USED_UP};
use ota_testkit::Tear;

/// Starts that an image on trial may get.
pub const ATTEMPTS: u32 = 3;

/// What a device may say of a good update that suffered from its flash.
const HURT: [&str; 9] = [
    "flash driver failed",
    "journal failed",
    "job record unreadable",
    "boot record unreadable",
    "image digest differs from the manifest",
    "no payload for this device",
    // It could not count a start on trial, and so allowed none.
    "the boot loader refused the image",
    "staged image was not started",
    // The gate's name was not to be read.
    "health gate 000 failed",
];

/// The device as its surroundings know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    /// The story.
    pub story: Story,
    /// The version that is being offered.
    pub wanted: u8,
    /// Power cuts so far.
    pub cuts: u32,
    /// Starts since the last cut.
    pub starts: u32,
    /// The version that was last seen accepted.
    pub accepted: u8,
    /// Starts on trial since the last image was staged.
    pub trials: u32,
    /// The security floor that was last seen.
    pub floor: u32,
    /// A cut left cells that read now one way, now the other, or something failed without a cut. Then the agent may give
    /// the update up, and must say so; the next one must work.
    pub shaky: bool,
    /// A server lied about the object: that is what the device may say of it.
    pub lied: bool,
    /// A sector is stuck: that something was told may not be kept, and is then told at each start.
    pub stuck: bool,
    /// Failures told when the story was over: no more of them, but for unstable cells that bring a report back.
    pub told: Option<usize>,
}

/// What a start showed.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The version that starts.
    pub version: u8,
    /// Whether it is on trial.
    pub trial: bool,
    /// The security floor on record.
    pub floor: u32,
}

impl Model {
    /// A device at the begin of the story, with this floor.
    #[must_use]
    pub const fn new(story: Story, floor: u32) -> Self {
        Self {
            story,
            wanted: NEW,
            cuts: 0,
            starts: 0,
            accepted: OLD,
            trials: 0,
            floor,
            shaky: false,
            lied: false,
            stuck: false,
            told: None,
        }
    }

    /// The power went in this way.
    pub fn cut(&mut self, tear: Tear) {
        self.cuts += 1;
        self.shaky |= Tear::UNSTABLE.contains(&tear);
        self.starts = 0;
    }

    /// The device asked for a reset; a version that is accepted asks when another one is staged.
    pub fn reset(&mut self, version: u8) {
        if version == self.accepted {
            self.trials = 0;
        }
    }

    /// The cloud offers [`NEXT`] from now on; this was heard so far.
    pub fn prove_well(&mut self, heard: &[String]) {
        (self.wanted, self.trials, self.starts) = (NEXT, 0, 0);
        self.told = Some(failures(heard).count());
    }

    /// Whether the offered version may ever be accepted.
    const fn may_confirm(&self) -> bool {
        self.wanted == NEXT || matches!(self.story.outcome(), Outcome::Confirmed)
    }

    /// Checks a start against what may be, and learns from it.
    ///
    /// # Panics
    /// When the device did what it must not.
    pub fn start(&mut self, start: Start) {
        let Start { version, trial, floor } = start;
        self.starts += 1;
        assert!(self.starts <= 12, "the story never ends");
        assert!(version == self.accepted || version == self.wanted, "version {version} starts");
        assert!(floor >= self.floor, "the floor went from {} down to {floor}", self.floor);
        if self.shaky && !trial && version == self.accepted {
            // The offer that still waits may have been staged once more, though the power went before the reset.
            self.trials = 0;
        }
        if trial {
            assert_eq!(version, self.wanted, "an accepted image is on trial");
            let refused = self.wanted == NEW && self.story.outcome() == Outcome::Refused;
            assert!(!refused, "a refused image is on trial");
            self.trials += 1;
            assert!(self.trials <= ATTEMPTS, "the trial got {} starts", self.trials);
        }
        if !trial && version != self.accepted {
            assert!(self.may_confirm(), "an image is accepted that never passed");
            assert!(self.trials > 0, "an image is accepted that was never tried");
            self.accepted = version;
        }
        let raised = u32::from(self.accepted);
        let moved = self.accepted != OLD;
        // Who asks reads the record anew: one in doubt may be the one before, and then the gates run once more.
        let doubted = self.shaky && floor == self.floor;
        assert!(!moved || floor == raised || doubted, "floor {floor} after version {raised} was accepted");
        assert!(moved || floor == self.floor, "the floor moved to {floor} before anything was confirmed");
        self.floor = floor;
    }

    /// Checks what the cloud heard.
    ///
    /// # Panics
    /// When something was told that did not happen.
    pub fn heard(&self, heard: &[String]) {
        let told = failures(heard).count();
        let more = self.told.is_some_and(|before| before != told);
        assert!(!more || self.shaky, "told once more: {heard:?}");
        let expected = self.story.told();
        let unlucky = |text: &str| self.cuts > 1 && text.starts_with(USED_UP);
        for text in failures(heard) {
            let right = !expected.is_empty() && text.starts_with(expected);
            let tried = self.story.outcome() == Outcome::RolledBack;
            let hurt = self.shaky && (self.lied || self.stuck || HURT.iter().any(|reason| text.contains(reason)));
            // Two cuts and a start that failed in between use up the three starts of any trial.
            assert!(right || hurt || ((tried || self.shaky) && unlucky(text)), "told: {text}");
        }
        let again = if self.stuck { self.starts } else { u32::from(self.shaky) };
        assert!(told as u32 <= 1 + self.cuts + again, "told {told} times");
        let accepted = |version: u8| heard.iter().any(|text| *text == format!("version {version}.0.0"));
        let lied = self.story.outcome() != Outcome::Confirmed && accepted(NEW);
        assert!(!lied, "a version is told that was not accepted");
        let ahead = [NEW, NEXT].into_iter().find(|version| accepted(*version) && self.accepted < *version);
        assert_eq!(ahead, None, "told before it was accepted");
    }

    /// Whether the story is over, by what the cloud heard.
    #[must_use]
    pub fn is_over(&self, heard: &[String]) -> bool {
        let told = || heard.iter().any(|text| text.starts_with("failed"));
        match (self.wanted, self.story.outcome()) {
            (NEXT, _) => heard.iter().any(|text| text == "version 3.0.0"),
            (_, Outcome::Confirmed) => heard.iter().any(|text| text == "version 2.0.0") || (self.shaky && told()),
            _ => told(),
        }
    }
}

fn failures(heard: &[String]) -> impl Iterator<Item = &String> {
    heard.iter().filter(|text| text.starts_with("failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(story: Story, starts: &[(u8, bool, u32)]) -> bool {
        let starts = starts.to_vec();
        let run = std::panic::catch_unwind(move || {
            let mut model = Model::new(story, 1);
            model.reset(OLD);
            for (version, trial, floor) in starts {
                model.start(Start { version, trial, floor });
            }
        });
        run.is_ok()
    }

    #[test]
    fn what_may_be_passes_and_what_must_not_is_found() {
        let trial = (NEW, true, 1);
        assert!(starts(Story::Update, &[(OLD, false, 1), trial, trial, trial, (NEW, false, 2)]));
        assert!(!starts(Story::Update, &[trial, trial, trial, trial]), "four starts");
        assert!(!starts(Story::Update, &[(NEW, false, 2)]), "never tried");
        assert!(!starts(Story::Update, &[trial, (NEW, false, 1)]), "floor not moved");
        assert!(!starts(Story::Update, &[(NEW, true, 2)]), "floor moved before confirm");
        assert!(!starts(Story::Update, &[(OLD, false, 0)]), "floor down");
        assert!(!starts(Story::Update, &[trial, (NEW, false, 2), (OLD, false, 2)]), "back after confirm");
        assert!(starts(Story::Gate, &[trial, (OLD, false, 1)]));
        assert!(!starts(Story::Gate, &[trial, (NEW, false, 2)]), "accepted without passing");
        assert!(!starts(Story::Tampered, &[trial]), "refused and tried");
        assert!(!starts(Story::Update, &[(NEXT, true, 1)]), "never offered");
        assert!(!starts(Story::Update, &[(OLD, false, 1); 13]), "no end");
    }

    #[test]
    fn what_is_told_is_checked() {
        let heard_by = |model: Model, texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            std::panic::catch_unwind(move || model.heard(&texts)).is_ok()
        };
        let heard = |story, texts: &[&str]| heard_by(Model::new(story, 1), texts);
        let updated = ["version 1.0.0", "version 2.0.0"];
        assert!(heard_by(Model { accepted: NEW, ..Model::new(Story::Update, 1) }, &updated));
        assert!(!heard(Story::Update, &updated), "told before it was accepted");
        assert!(!heard(Story::Update, &["failed -1 x"]));
        assert!(heard(Story::Hang, &[USED_UP]));
        assert!(!heard(Story::Hang, &[USED_UP, USED_UP]), "told twice without a cut");
        assert!(!heard(Story::Gate, &["version 2.0.0"]));
    }
}
