//! What the demo has on its bench: a vendor, a cloud, a device, and the files that are offered.

use super::cloud::Cloud;
use super::dice::Dice;
use super::shelf::Shelf;
use super::{Link, Options};
use crate::device::{Board, Device, Facts, Received};
use crate::vendor::Image;
use crate::world::{PATIENCE, Programs};
use anyhow::{Context, Result, ensure};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where in the download the kills strike, in percent.
const KILLS: [Range<u64>; 3] = [12..25, 37..50, 62..75];
/// How much more the valve lets through, in percent: a kill meets running bytes, and no kill comes too late.
const MARGIN: u64 = 10;

/// Everything that takes part.
pub(super) struct Bench<'p> {
    pub(super) cloud: Cloud<'p>,
    pub(super) device: Box<dyn Device + 'p>,
    pub(super) facts: Facts,
    pub(super) link: Link,
    pub(super) dice: Dice,
    /// The kills that are still to come.
    kills: std::array::IntoIter<Range<u64>, 3>,
    /// How many random power cuts are asked for.
    pub(super) cuts: u32,
    /// The package with 1.1.0: where what the device takes of it lies.
    pub(super) payload: Range<u64>,
    /// Where the delta lies in `again.ota` that the device takes.
    pub(super) delta: Range<u64>,
    /// What is offered again and again under power cuts: version, file, and the images in it.
    pub(super) cycle: [(&'static str, &'static str, Vec<Image>); 2],
    /// What is in the hostile packages that the device refuses before it takes the image.
    pub(super) hostile: Vec<(&'static str, Vec<Image>)>,
    /// What was counted when the last process was killed.
    pub(super) at_cut: Received,
    /// What the boot record said before the hostile offers.
    pub(super) boot_before: String,
    sizes: String,
}

/// What the device says of itself.
pub(super) struct Status {
    /// `1.1.0, Idle`.
    pub(super) version: String,
    /// How the last update ended.
    pub(super) last: String,
    /// The boot record.
    pub(super) boot: String,
}

impl<'p> Bench<'p> {
    /// Programs the device with what lies on the shelf, starts the cloud.
    pub(super) fn new(
        programs: &'p Programs,
        board: &'p dyn Board,
        dir: &Path,
        shelf: Shelf,
        dice: Dice,
        options: &Options,
    ) -> Result<Self> {
        let facts = board.facts();
        let (link, cuts) = (options.link, options.cuts());
        let cloud = Cloud::start(programs, &shelf.files, facts.host, link, facts.rates[0])?;
        let device = board.device(dir, &shelf.factory, &cloud.server()?)?;
        let package = std::fs::metadata(shelf.files.join("good.ota"))?.len();
        let image = std::fs::metadata(&shelf.factory)?.len();
        let sizes = format!("image {} KiB, package {} KiB", image >> 10, package >> 10);
        // The device takes the last image of the package: the only one, or that for slot B.
        let taken = std::fs::metadata(&shelf.good.last().context("the package is empty")?.file)?.len();
        let payload = package - taken..package;
        let (at_cut, boot_before) = (Received::default(), String::new());
        Ok(Self {
            cloud,
            device,
            facts,
            link,
            dice,
            kills: KILLS.into_iter(),
            cuts,
            payload,
            delta: shelf.delta,
            cycle: shelf.cycle,
            hostile: shelf.hostile,
            at_cut,
            boot_before,
            sizes,
        })
    }

    /// For the first line.
    pub(super) fn describe(&self) -> &str {
        &self.sizes
    }

    /// Waits until the device can be told of offers again, after the cloud was started anew.
    pub(super) fn await_link(&mut self) -> Result<()> {
        match self.link {
            Link::Mqtt => self.device.running()?.wait_for(self.link.ready(), PATIENCE).map(drop),
            // It says nothing: it registers anew when what it knows has become old.
            Link::Coap => self.cloud.observed(),
        }
    }

    /// Decides where the next kill strikes, in percent, and lets the download go little further. To be called while
    /// nothing is downloaded.
    pub(super) fn next_kill(&mut self) -> Result<u64> {
        let range = self.kills.next().context("no kill is left")?;
        let end = (self.payload.end - self.payload.start) * (range.end + MARGIN) / 100;
        self.cloud.allow(end.saturating_sub(self.position()));
        Ok(self.dice.roll(range.start, range.end))
    }

    /// Waits until the device has received this share of its payload.
    pub(super) fn await_percent(&mut self, percent: u64) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.percent() < percent {
            ensure!(Instant::now() < until, "the download stopped at {} %", self.percent());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until the device has received a byte behind this place of the object.
    pub(super) fn await_position(&mut self, at: u64) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.device.reads().last().is_none_or(|(from, len)| from + len <= at) {
            ensure!(Instant::now() < until, "byte {at} was not received");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Counts what was received when a process was killed; where in the payload that was, in percent.
    pub(super) fn note_cut(&mut self) -> Result<u64> {
        self.at_cut = self.device.received();
        let at = self.percent();
        ensure!(at < 100, "the kill came after the end of the download");
        Ok(at)
    }

    /// How much of the payload lies before the byte that came in last: in percent.
    fn percent(&self) -> u64 {
        self.position() * 100 / (self.payload.end - self.payload.start)
    }

    /// The same in bytes.
    fn position(&self) -> u64 {
        let end = self.device.reads().last().map_or(0, |(at, len)| at + len);
        end.saturating_sub(self.payload.start)
    }

    /// Asks the device.
    pub(super) fn status(&mut self) -> Result<Status> {
        let device = self.device.running()?;
        device.type_line("ota status")?;
        let mut line = |head: &str| {
            let line = device.wait_until(head, PATIENCE, |line| line.starts_with(head))?;
            anyhow::Ok(line.trim_start_matches(head).to_owned())
        };
        Ok(Status { version: line("version ")?, last: line("last outcome ")?, boot: line("boot ")? })
    }
}
