//! One real update, end to end: what the README promises, done for real and judged. The same steps for every board.

mod bench;
mod cloud;
mod cuts;
mod dice;
mod shelf;
mod steps;
mod udp_valve;
mod valve;

use crate::device::firmware::MPS2;
use crate::device::{Board, Linux, Mps2};
use crate::proc;
use crate::serial;
use crate::table::Table;
use crate::vendor::Vendor;
use crate::world::{Programs, Scratch};
use anyhow::{Result, bail, ensure};
use bench::Bench;
use clap::{Args, ValueEnum};
pub(crate) use dice::Dice;
use shelf::Shelf;
use std::path::Path;

/// How the demo is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// On which device
    #[arg(long, value_enum, default_value = "linux")]
    board: Name,
    /// Over what device and cloud talk
    #[arg(long, value_enum, default_value = "mqtt")]
    link: Link,
    /// Power cuts at random moments [default: none on linux, 20 on the others, 3 with --short]
    #[arg(long)]
    cuts: Option<u32>,
    /// Only one update, one rollback and the power cuts
    #[arg(long)]
    short: bool,
    /// Keeps the directory with flash file, images and packages
    #[arg(long)]
    keep: bool,
    /// Shows what device and cloud print
    #[arg(long, short)]
    verbose: bool,
    /// Repeats the random choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

/// The boards that can be emulated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A process of this machine
    Linux,
    /// An emulated Cortex-M4 with Ethernet, which executes in place
    #[value(name = "mps2-an386")]
    Mps2An386,
    /// An emulated Cortex-M0 with 16 KiB of RAM and a serial line, which executes in place
    Microbit,
}

/// Over what device and cloud talk, and over what packages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Link {
    /// MQTT with the Linkkit dialect; packages over HTTP
    Mqtt,
    /// CoAP for all
    Coap,
}

impl Link {
    /// What the device prints when it can talk.
    const fn ready(self) -> &'static str {
        match self {
            Self::Mqtt => "broker: connected",
            Self::Coap => "coap: connected",
        }
    }
}

impl Options {
    fn cuts(&self) -> u32 {
        self.cuts.unwrap_or(match (self.short, self.board) {
            (true, _) => 3,
            (false, Name::Linux) => 0,
            (false, Name::Mps2An386 | Name::Microbit) => 20,
        })
    }

    fn serial(&self) -> serial::Settings {
        let Self { short, keep, verbose, seed, .. } = *self;
        serial::Settings { cuts: self.cuts(), short, keep, verbose, seed }
    }
}

type Step = fn(&mut Bench<'_>) -> Result<String>;
type Steps = &'static [(&'static str, Step)];

const BEGIN: Steps = &[("device fresh from the factory runs 1.0.0", steps::commission)];
const UPDATE: Steps = &[
    ("1.1.0 offered, download begins", steps::begin_update),
    ("device killed (SIGKILL) in mid-download", steps::kill_device),
    ("device killed a second time", steps::kill_device),
    ("server killed, started again", steps::kill_server),
    ("download complete, verified, trial boot", steps::trial),
    ("health gates pass, confirmed, reported", steps::confirmed),
];
const SHORT_UPDATE: Steps = &[("1.1.0 offered, installed, confirmed", steps::update)];
const BAD_GATE: Steps = &[("1.2.0 fails its health gate", steps::bad_gate)];
const BAD_HANG: Steps = &[("1.2.0 (another build) hangs", steps::bad_hang)];
const HOSTILE: Steps = &[
    ("tampered image", steps::tampered),
    ("image signed by a foreign key", steps::foreign_key),
    ("older security counter", steps::old_counter),
    ("image for another class of device", steps::wrong_class),
    ("delta that says it is for another image", steps::wrong_base),
];
const IN_PLACE: Steps = &[("image linked for the other slot", steps::wrong_slot)];
const AFTER: Steps = &[
    ("power cycle: nothing refused became bootable", steps::power_cycle),
    ("1.0.0 again by delta, killed in mid-download", steps::killed_delta),
    ("1.1.0 again by delta", steps::delta),
    ("a delta for another image: the full one is taken", steps::no_base),
];
const CUTS: Steps = &[("power cuts at random moments of updates", cuts::cuts)];

/// What happens, in this order; each step needs those before it.
fn story(short: bool, in_place: bool, cuts: bool) -> Vec<(&'static str, Step)> {
    let linked = if in_place { IN_PLACE } else { &[] };
    let cuts = if cuts { CUTS } else { &[] };
    let chapters: &[Steps] = if short {
        &[BEGIN, SHORT_UPDATE, BAD_GATE, cuts]
    } else {
        &[BEGIN, UPDATE, BAD_GATE, BAD_HANG, HOSTILE, linked, AFTER, cuts]
    };
    chapters.concat()
}

/// Builds, runs all steps, prints the table; an error if one step went otherwise.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.board == Name::Microbit {
        ensure!(options.link == Link::Mqtt, "this board has no network, and a link of its own");
        return serial::run(&options.serial());
    }
    if options.board == Name::Mps2An386 {
        // Before minutes of building.
        MPS2.ready()?;
    }
    proc::show(options.verbose);
    let (dice, seed) = Dice::new(options.seed);
    println!("building: ota, the board, its application as 1.0.0, 1.1.0 and bad 1.2.0 (seed {seed})");
    let scratch = Scratch::new("demo", options.keep)?;
    let dir = scratch.path();
    let programs = Programs::build()?;
    let vendor = Vendor::new(&programs, dir, "vendor", "rsa2048")?;
    let board = board(options.board, &programs, dir, &vendor)?;
    let stranger = Vendor::new(&programs, dir, "stranger", "rsa2048")?;
    let wanted = if options.short { shelf::SHORT } else { shelf::WHOLE };
    let shelf = Shelf::fill(&*board, &vendor, &stranger, dir, &wanted)?;
    let mut bench = Bench::new(&programs, &*board, dir, shelf, dice, options)?;
    println!("built; {}", bench.describe());
    let result = tell(&story(options.short, bench.facts.in_place, bench.cuts > 0), &mut bench);
    println!("  seed {seed}");
    result
}

fn board<'p>(name: Name, programs: &'p Programs, dir: &Path, vendor: &Vendor<'_>) -> Result<Box<dyn Board + 'p>> {
    Ok(match name {
        Name::Linux => Box::new(Linux { programs, keys: vendor.blob() }),
        Name::Mps2An386 => Box::new(Mps2::new(dir, &vendor.blob())?),
        Name::Microbit => bail!("this board has no network, and a story of its own"),
    })
}

fn tell(story: &[(&str, Step)], bench: &mut Bench<'_>) -> Result<()> {
    let mut table = Table::new("What happened");
    for (name, step) in story {
        // Later steps build on earlier ones: after a failure they would only fail too.
        if !table.step(name, || step(bench)) {
            break;
        }
    }
    bench.device.power_off();
    table.print();
    ensure!(table.passed() == story.len(), "{} of {} steps went as they should", table.passed(), story.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::story;

    #[test]
    fn a_board_that_executes_in_place_is_offered_an_image_for_the_wrong_slot() {
        let names = |steps: &[(&'static str, _)]| steps.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let (copied, linked) = (names(&story(false, false, false)), names(&story(false, true, true)));
        let only = linked.iter().filter(|name| !copied.contains(name)).count();
        assert_eq!((copied.len(), linked.len(), only), (18, 20, 2));
        assert_eq!(names(&story(true, true, true)).len(), 4);
    }
}
