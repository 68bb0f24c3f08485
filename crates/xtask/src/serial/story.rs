//! What happens to the device, in this order; each step needs those before it.

use super::Settings;
use super::device::Device;
use super::firmware::{Label, Program, Workshop, addresses};
use super::peer::Peer;
use crate::demo::Dice;
use crate::vendor::Slot;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// A class of device that this one is not.
const OTHER_CLASS: &str = "11111111-2222-4333-8444-555555555555";

/// Everything that takes part.
pub(super) struct World {
    pub(super) device: Device,
    pub(super) peer: Arc<Peer>,
    pub(super) dice: Dice,
    pub(super) cuts: u32,
    pub(super) figures: Figures,
    /// How long the update took that nobody disturbed.
    took: Duration,
}

/// What the programs take.
pub(super) struct Figures {
    pub(super) loader: Program,
    pub(super) app: Program,
    pub(super) image: usize,
    /// Deepest stacks.
    pub(super) loader_stack: u32,
    pub(super) app_stack: u32,
}

impl World {
    /// Builds all programs, and a device fresh from the factory.
    pub(super) fn build(shop: &Workshop<'_>, peer: Arc<Peer>, dice: Dice, settings: &Settings) -> Result<Self> {
        let (elf, loader) = shop.loader()?;
        let old = Label::good("1.0.0");
        let app = shop.application(old, Slot::A)?;
        let image = shop.sign(&app, old, Slot::A)?;
        let other = shop.sign(&shop.application(old, Slot::B)?, old, Slot::B)?;
        peer.put("1.0.0.ota", shop.pack(&[(Slot::A, &image), (Slot::B, &other)])?);
        let new = Label::good("1.1.0");
        let programs = [shop.application(new, Slot::A)?, shop.application(new, Slot::B)?];
        let images = [shop.sign(&programs[0], new, Slot::A)?, shop.sign(&programs[1], new, Slot::B)?];
        peer.put("1.1.0.ota", shop.pack(&[(Slot::A, &images[0]), (Slot::B, &images[1])])?);
        let bad = [("1.2.0", "gate"), ("1.3.0", "hang"), ("1.4.0", "crash")];
        for (version, fault) in bad.into_iter().take(if settings.short { 1 } else { bad.len() }) {
            let label = Label { fault, ..Label::good(version) };
            let bad = shop.sign(&shop.application(label, Slot::A)?, label, Slot::A)?;
            peer.put(&format!("{version}.ota"), shop.pack(&[(Slot::A, &bad)])?);
        }
        let foreign = Label { class: OTHER_CLASS, ..Label::good("1.5.0") };
        let foreign = shop.sign(&programs[0], foreign, Slot::A)?;
        peer.put("1.5.0.ota", shop.pack(&[(Slot::A, &foreign)])?);
        let figures = Figures { loader, app, image: image.len(), loader_stack: 0, app_stack: 0 };
        let device = Device::new(elf, Arc::clone(&peer), &image);
        Ok(Self { device, peer, dice, cuts: settings.cuts, figures, took: Duration::ZERO })
    }

    fn says(&self, text: &str) -> Result<String> {
        self.peer.wait_for(text, PATIENCE)
    }

    fn offer(&self, version: &str) -> Result<()> {
        self.peer.forget();
        self.peer.offer(&format!("{version}.ota"), version)
    }
}

/// The first start, from a flash that holds one image and nothing else. The loader's stack is measured.
pub(super) fn factory(world: &mut World) -> Result<String> {
    let entry = world.figures.app.entry;
    let probe = world.device.power_up()?;
    probe.stop_at(entry)?;
    probe.go()?;
    world.figures.loader_stack = world.device.stack_at_stop(&world.figures.loader)?;
    let probe = world.device.probe()?;
    probe.pass(entry)?;
    probe.go()?;
    world.says("boot: slot A, version 1.0.0, accepted, last reset PowerOn")?;
    world.says("app 1.0.0: slot A")?;
    world.says("report: version 1.0.0")
}

/// An update over the line. The application's stack is measured, before the reset and after, and the loader's again.
pub(super) fn update(world: &mut World) -> Result<String> {
    world.peer.traffic();
    let begin = Instant::now();
    let entries = [world.figures.loader.entry, addresses::SLOTS[1] - addresses::SLOTS[0] + world.figures.app.entry];
    let probe = world.device.probe()?;
    probe.halt()?;
    entries.iter().try_for_each(|entry| probe.stop_at(*entry))?;
    probe.go()?;
    world.offer("1.1.0")?;
    // The reset after staging, then the start of the new image: the two versions' code begins alike.
    let fetched = world.device.stack_at_stop(&world.figures.app)?;
    world.device.probe()?.go()?;
    let tried = world.device.stack_at_stop(&world.figures.loader)?;
    let probe = world.device.probe()?;
    entries.iter().try_for_each(|entry| probe.pass(*entry))?;
    probe.go()?;
    world.says("ota: staged")?;
    world.says("boot: slot B, version 1.1.0, on trial, last reset Software")?;
    world.says("ota: confirmed")?;
    world.says("report: version 1.1.0")?;
    world.took = begin.elapsed();
    let traffic = world.peer.traffic();
    let confirmed = world.device.stack_now(&world.figures.app)?;
    world.figures.app_stack = fetched.max(confirmed);
    world.figures.loader_stack = world.figures.loader_stack.max(tried);
    Ok(format!("{} bytes of the package in {} requests", traffic.file_bytes, traffic.requests))
}

/// The image works but says it is not well.
pub(super) fn gate(world: &mut World) -> Result<String> {
    world.offer("1.2.0")?;
    world.says("boot: slot A, version 1.2.0, on trial, last reset Software")?;
    world.says("boot: slot B, version 1.1.0, accepted, last reset Software")?;
    world.says("report: failed at stage 1")
}

/// The image hangs: the watchdog, three times.
pub(super) fn hang(world: &mut World) -> Result<String> {
    world.offer("1.3.0")?;
    for cause in ["Software", "Watchdog", "Watchdog"] {
        world.says(&format!("boot: slot A, version 1.3.0, on trial, last reset {cause}"))?;
    }
    world.says("boot: slot B, version 1.1.0, accepted, last reset Watchdog")?;
    world.says("report: failed at stage 1")
}

/// The image crashes: the loader's fault handler, three times.
pub(super) fn crash(world: &mut World) -> Result<String> {
    world.offer("1.4.0")?;
    for cause in ["Software", "Fault", "Fault"] {
        world.says(&format!("boot: slot A, version 1.4.0, on trial, last reset {cause}"))?;
    }
    world.says("boot: slot B, version 1.1.0, accepted, last reset Fault")?;
    world.says("report: failed at stage 1")
}

/// An authentic image for another class of device is refused before a byte of the slot changes.
pub(super) fn refused(world: &mut World) -> Result<String> {
    world.device.power_off()?;
    let before = world.device.slot(Slot::A).to_vec();
    world.device.power_on()?;
    world.says("report: version 1.1.0")?;
    world.offer("1.5.0")?;
    let said = world.says("report: failed at stage 3")?;
    world.device.power_off()?;
    ensure!(world.device.slot(Slot::A) == before, "slot A was touched");
    world.device.power_on()?;
    world.says("boot: slot B, version 1.1.0, accepted, last reset PowerOn")?;
    world.says("report: version 1.1.0")?;
    Ok(said)
}

/// The line loses or damages one answer in 20.
pub(super) fn noise(world: &mut World) -> Result<String> {
    world.peer.noise(20);
    world.peer.traffic();
    world.offer("1.0.0")?;
    world.says("ota: confirmed")?;
    world.says("report: version 1.0.0")?;
    world.peer.noise(0);
    let traffic = world.peer.traffic();
    ensure!(traffic.spoilt > 0, "no answer was spoilt");
    Ok(format!("{} of {} answers lost or damaged", traffic.spoilt, traffic.requests))
}

/// Power cuts at random moments of updates to and fro.
pub(super) fn cuts(world: &mut World) -> Result<String> {
    // Longer than an update takes, so that some cuts strike its end.
    let span = u64::try_from(world.took.as_millis())? * 5 / 4;
    for n in 0..world.cuts {
        let (from, to) = if n % 2 == 0 { ("1.0.0", "1.1.0") } else { ("1.1.0", "1.0.0") };
        world.offer(to)?;
        let ms = world.dice.roll(0, span);
        std::thread::sleep(Duration::from_millis(ms));
        world.device.power_off()?;
        println!("      cut {:2} after {ms:4} ms at “{}”", n + 1, world.peer.last());
        world.peer.forget();
        world.device.power_on()?;
        let started = world.says("boot: ")?;
        ensure!([from, to].iter().any(|version| started.contains(&format!("version {version}, "))), "{started}");
        finish(world, to).with_context(|| format!("cut {}, {ms} ms after the offer of {to}", n + 1))?;
    }
    Ok(format!("{} cuts, each time a whole image started and the update was finished", world.cuts))
}

/// Waits until `version` runs and is accepted. An offer that was cut before it was stored is made again, as its operator
/// would.
fn finish(world: &mut World, version: &str) -> Result<()> {
    let done = format!("report: version {version}");
    for _ in 0..3 {
        if world.peer.look_for(|said| said == done, Duration::from_secs(20)).is_some() {
            return Ok(());
        }
        world.offer(version)?;
    }
    world.says(&done).map(drop)
}
