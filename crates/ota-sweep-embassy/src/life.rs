//! The life of one update: what a sound application does around embassy-boot, until nothing more happens.

use crate::part::{PAGE, image};
use crate::subject::Device;
use embassy_boot::{FirmwareUpdaterError, State};

/// Power-ups until a device that goes in circles is given up.
const STARTS_MAX: u32 = 20;
/// Failures in a row, with power, that a device is given.
const FAILURES_MAX: u32 = 3;

/// What the new image thinks of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// It passes its self-test and calls `mark_booted`.
    Confirm,
    /// It fails and resets, so that the loader goes back.
    Rollback,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// The old image, whole, and a further update works.
    Old,
    /// The new image, whole, and a further update works.
    New,
    /// The loader handed over to an image that is neither.
    Mixed,
    /// The loader reports an error at every start.
    NoBoot,
    /// It runs a whole image, but the next update cannot be brought about.
    NoUpdate,
    /// The image that failed its self-test is kept.
    Kept,
}

/// The ending, and what was noticed on the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) ending: Ending,
    /// The loader told the new image that it had gone back to the old one.
    pub(crate) misreported: bool,
}

/// What the application wants next.
enum Next {
    Reset,
    Stay,
}

/// A device, and the two images of one update.
pub(crate) struct Life<'a, const W: usize> {
    device: &'a Device<W>,
    old: usize,
    new: usize,
    fate: Fate,
    tried: bool,
    misreported: bool,
    story: Option<&'a mut Vec<String>>,
}

/// Runs the update from image 1 to image 2, and then, when that left a whole image, one to image 3.
pub(crate) fn live<const W: usize>(device: &Device<W>, fate: Fate, mut story: Option<&mut Vec<String>>) -> Outcome {
    let mut life = Life::new(device, 1, 2, fate, story.as_deref_mut());
    let (ending, misreported) = (life.run(), life.misreported);
    let running = match ending {
        Ending::Old => 1,
        Ending::New => 2,
        _ => return Outcome { ending, misreported },
    };
    let further = Life::new(device, running, 3, Fate::Confirm, story).run();
    let ending = if further == Ending::New { ending } else { Ending::NoUpdate };
    Outcome { ending, misreported }
}

/// Runs the update from image 1 to image 2 only.
pub(crate) fn first<const W: usize>(device: &Device<W>, fate: Fate) -> Ending {
    Life::new(device, 1, 2, fate, None).run()
}

impl<'a, const W: usize> Life<'a, W> {
    fn new(device: &'a Device<W>, old: usize, new: usize, fate: Fate, story: Option<&'a mut Vec<String>>) -> Self {
        Self { device, old, new, fate, tried: false, misreported: false, story }
    }

    fn run(&mut self) -> Ending {
        let mut failures = 0;
        for _ in 0..STARTS_MAX {
            self.device.with(|part| part.power_on());
            let call = if self.tried { "prepare_boot after the new image ran" } else { "prepare_boot" };
            if let Err(error) = self.device.boot(call) {
                failures += u32::from(self.failed("the loader", &format!("{error:?}")));
                if failures == FAILURES_MAX {
                    return Ending::NoBoot;
                }
                continue;
            }
            let Some(running) = self.running() else { return Ending::Mixed };
            match self.application(running) {
                Ok(Next::Reset) => failures = 0,
                Ok(Next::Stay) => return self.settled(running),
                Err(error) => failures += u32::from(self.failed("the application", &format!("{error:?}"))),
            }
            if failures == FAILURES_MAX {
                return Ending::NoUpdate;
            }
        }
        Ending::NoUpdate
    }

    /// Whether a failure has another reason than the cut.
    fn failed(&mut self, who: &str, error: &str) -> bool {
        let powered = self.device.with(|part| part.is_powered());
        self.tell(|| if powered { format!("{who} fails: {error}") } else { format!("power is cut under {who}") });
        powered
    }

    fn settled(&self, running: usize) -> Ending {
        match (running == self.new, self.fate) {
            (true, Fate::Confirm) => Ending::New,
            (true, Fate::Rollback) => Ending::Kept,
            (false, _) => Ending::Old,
        }
    }

    /// Which whole image stands in ACTIVE.
    fn running(&mut self) -> Option<usize> {
        let device = self.device;
        let number = device.with(|part| [self.old, self.new].into_iter().find(|n| part.active() == image(*n)));
        self.tried |= number == Some(self.new);
        let (old, new) = (self.old, self.new);
        let pages = || device.with(|part| pages(part.active(), old, new));
        self.tell(|| format!("the loader starts ACTIVE, page by page: {}", pages()));
        number
    }

    /// The application: it tests itself after a swap, and asks for the update as long as that was not tried.
    fn application(&mut self, running: usize) -> Result<Next, FirmwareUpdaterError> {
        let device = self.device;
        let state = device.state()?;
        let new = running == self.new;
        self.misreported |= new && state == State::Revert;
        self.tell(|| format!("image {running} runs, embassy-boot says {state:?}"));
        if state == State::Swap && new && self.fate == Fate::Rollback {
            return Ok(Next::Reset);
        }
        if state != State::Boot {
            device.mark_booted()?;
        }
        if new || (self.tried && self.fate == Fate::Rollback) {
            return Ok(Next::Stay);
        }
        device.install(image(self.new))?;
        Ok(Next::Reset)
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }
}

/// Which image each page of ACTIVE is of; `?` when of neither.
fn pages(active: &[u8], old: usize, new: usize) -> String {
    let page = |(index, bytes): (usize, &[u8])| {
        let same = |n: &usize| &image(*n)[index * PAGE..][..PAGE] == bytes;
        [old, new].iter().find(|n| same(n)).map_or("?".to_owned(), usize::to_string)
    };
    active.chunks(PAGE).enumerate().map(page).collect::<Vec<_>>().join(" ")
}
