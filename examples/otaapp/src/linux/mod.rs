//! Everything that differs from a microcontroller: sockets, stdin, the runtime.

mod clock;
mod console;
mod net;
mod trace;

use anyhow::{Context, Result};
use clock::{Chance, Uptime};
use console::Terminal;
use net::Net;
use ota_board_linux::{Board, Feeder, FileFlash, KeyRing, part};
use ota_boot::Boot;
use ota_download::{CoapConfig, CoapSource, Either, HttpConfig, HttpSource, coap, http};
use ota_hal::{Journal, Reset, Shared, SharedJournal, Watchdog};
use ota_service::patch_target::{Decoder, M};
use ota_service::{Agent, Buffers, ENVELOPE_BUFFER, Notice, Parts, PatchTarget, Policy, SlotTarget};
use ota_transport::mqtt::Inbox;
use otaapp::device::{self, Device, Link, Local, Platform, Server, Shell};
use otaapp::product::{Fault, Product};
use otaapp::trace::Traced;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Duration;
use trace::{Note, traced};

/// The flash as its several users see it.
type Flash<'a> = Shared<'a, FileFlash>;

/// The board's types.
struct Host<'a>(PhantomData<&'a ()>);

impl<'a> Platform for Host<'a> {
    type Flash = Flash<'a>;
    type Target = PatchTarget<'a, Flash<'a>, KeyRing, M>;
    type Keys = KeyRing;
    type Connect = Net;
    type Source = Traced<Either<CoapSource<'a, Net, Uptime, Chance>, HttpSource<'a, Net>>, Note>;
    type Timer = Uptime;
    type Entropy = Chance;
    type Console = Terminal;
    type Watchdog = Feeder;
    type Log = fn(Notice<'_>);
}

/// A third of the board's shortest sensible watchdog period.
const FEED_EVERY: Duration = Duration::from_millis(200);
/// Room for a URL of 1 KiB; more would be fetched twice after a power cut.
const READ_BUFFER: usize = 1536;
/// The largest message: an offer with a URL of 2 KiB and a cloud signature.
const MESSAGE: usize = 4096;
/// Reports under way.
const REPORTS: usize = 2048;

/// Runs the device until it resets.
pub(crate) async fn run(board: Board) -> Result<()> {
    let Board { flash, watchdog, mut reset, keys, identity, running } = board;
    // The read-back of a slot blocks the executor, and with it the task that feeds.
    let second = watchdog.try_clone()?;
    tokio::spawn(feed(watchdog));
    let flash = RefCell::new(flash);
    let journal = Journal::mount(part::journal(&flash)).map_err(|e| anyhow::anyhow!("journal: {e:?}"))?;
    let journal = RefCell::new(journal);
    let journal = SharedJournal::new(&journal);
    let boot = Boot::new(journal, running);
    let mut decoder = Decoder::idle();
    let slot = SlotTarget::new(part::slot(&flash, running.other()), running.other(), &keys, identity);
    let target = PatchTarget::new(slot, part::slot(&flash, running), &mut decoder);
    let app = Product::new(Fault::BUILT_IN, second, tell as fn(Notice<'_>));
    let parts = Parts { boot, target, journal, keys: &keys, identity, app, entropy: Chance };
    let mut envelope = [0; ENVELOPE_BUFFER];
    let policy = Policy { bare_image: true, ..Policy::new() };
    let mut agent: Device<'_, Host<'_>> = Agent::new(parts, policy, &mut envelope);

    let timer = Uptime::start();
    let (mut blocks, mut scratch) = ([0; coap::SCRATCH], [0; http::SCRATCH]);
    let coap = CoapSource::new(Net, timer, Chance, &mut blocks, CoapConfig::default());
    let mut source = traced(Either::new(coap, HttpSource::new(Net, &mut scratch, HttpConfig::default())))?;
    let (mut message, mut data, mut inbox) = ([0; MESSAGE], [0; READ_BUFFER], [0; MESSAGE]);
    let (mut received, mut sent) = ([0; MESSAGE], [0; REPORTS]);
    let setting = std::env::var("OTA_BROKER").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let server = Server::parse(&setting).with_context(|| format!("OTA_BROKER={setting} is no host:port and no URL"))?;
    let mut link: Link<'_, '_, Host<'_>> = Link {
        local: Local {
            source: &mut source,
            timer,
            buffers: Buffers { message: &mut message, data: &mut data },
            shell: Shell::new(boot, journal, Terminal),
        },
        connect: Net,
        entropy: Chance,
        inbox: Inbox::new(&mut inbox),
        packets: (&mut received, &mut sent),
        server,
    };
    link.run(&mut agent).await;
    reset.reset()
}

/// Feeds the watchdog as long as the executor turns: a task that blocks starves this one too.
async fn feed(mut watchdog: Feeder) {
    loop {
        watchdog.feed();
        tokio::time::sleep(FEED_EVERY).await;
    }
}

/// What an update tells goes to the console.
fn tell(notice: Notice<'_>) {
    device::tell(Terminal, notice);
}
