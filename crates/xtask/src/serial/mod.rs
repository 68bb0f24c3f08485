//! `cargo xtask demo --board microbit`: the smallest device, and the other side of its serial line.

mod device;
mod firmware;
mod frame;
mod peer;
mod probe;
mod story;

use crate::demo::Dice;
use crate::device::firmware::MICROBIT;
use crate::table::Table;
use crate::vendor::Vendor;
use crate::world::{Programs, Scratch};
use anyhow::{Result, ensure};
use firmware::{Workshop, addresses};
use peer::Peer;
use story::{Figures, World};

/// How it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Power cuts at random moments.
    pub(crate) cuts: u32,
    /// Only one update, one rollback and the power cuts.
    pub(crate) short: bool,
    pub(crate) keep: bool,
    pub(crate) verbose: bool,
    pub(crate) seed: Option<u64>,
}

type Step = fn(&mut World) -> Result<String>;

const STEPS: [(&str, Step, bool); 8] = [
    ("device fresh from the factory runs 1.0.0", story::factory, true),
    ("1.1.0 over the UART: fetched, tried, confirmed", story::update, true),
    ("1.2.0 fails its health gate", story::gate, true),
    ("1.3.0 hangs", story::hang, false),
    ("1.4.0 crashes", story::crash, false),
    ("image for another class of device", story::refused, false),
    ("1.0.0 over a bad line", story::noise, true),
    ("power cuts at random moments of updates", story::cuts, true),
];

/// Builds, tells the story, prints figures; an error if one step went otherwise.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    MICROBIT.ready()?;
    let (dice, seed) = Dice::new(settings.seed);
    println!("building: ota, the loader, its application as 1.0.0, 1.1.0 and bad ones (seed {seed})");
    let scratch = Scratch::new("microbit", settings.keep)?;
    let programs = Programs::build()?;
    let vendor = Vendor::new(&programs, scratch.path(), "vendor", "rsa2048")?;
    let shop = Workshop::new(vendor, scratch.path())?;
    let mut world = World::build(&shop, Peer::new(settings.verbose), dice, settings)?;
    let steps: Vec<_> = STEPS.into_iter().filter(|(.., always)| *always || !settings.short).collect();
    let mut table = Table::new("What happened");
    for (name, step, _) in &steps {
        // Later steps build on earlier ones: after a failure they would only fail too.
        if !table.step(name, || step(&mut world)) {
            break;
        }
    }
    table.print();
    print(&world.figures);
    println!("  seed {seed}");
    ensure!(table.passed() == steps.len(), "{} of {} steps went as they should", table.passed(), steps.len());
    Ok(())
}

fn print(figures: &Figures) {
    println!("\nWhat it takes, of {} KiB of flash and {} bytes of RAM", addresses::FLASH_LEN >> 10, addresses::RAM_LEN);
    println!("  program            flash   static RAM   deepest stack   free RAM");
    let programs =
        [("loader", &figures.loader, figures.loader_stack), ("application", &figures.app, figures.app_stack)];
    for (name, program, stack) in programs {
        let free = (addresses::RETAINED - addresses::RAM).saturating_sub(program.fixed + stack);
        println!("  {name:14} {:>9}   {:>10}   {stack:>13}   {free:>8}", program.flat.len(), program.fixed);
    }
    println!("  signed image {:>11}   of {} bytes of a slot", figures.image, addresses::SLOT_LEN);
}
