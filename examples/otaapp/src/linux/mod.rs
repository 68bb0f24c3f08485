//! Everything that differs from a microcontroller: sockets, stdin, the runtime.

mod clock;
mod net;
mod online;
mod shell;
mod trace;

use anyhow::Result;
use clock::{Chance, Uptime};
use net::Tcp;
use online::{Link, Local, broker};
use ota_board_linux::{Board, Feeder, FileFlash, KeyRing, part};
use ota_boot::Boot;
use ota_download::{HttpConfig, HttpSource, http::SCRATCH};
use ota_hal::{Journal, Kind, Reset, Shared, SharedJournal, Watchdog};
use ota_service::{Agent, Buffers, ENVELOPE_BUFFER, Notice, Parts, Policy, SlotTarget};
use ota_transport::mqtt::Inbox;
use otaapp::identity::{DeviceInfo, INFO_MAX};
use otaapp::product::{Fault, Product};
use shell::{After, Shell};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;
use trace::traced;

/// The flash as its several users see it.
type Flash<'a> = Shared<'a, FileFlash>;
type Log = fn(Notice<'_>);
/// The agent of this application.
type Device<'a> = Agent<
    'a,
    Boot<'a, Flash<'a>>,
    SlotTarget<'a, Flash<'a>, KeyRing>,
    Flash<'a>,
    KeyRing,
    Product<Log, Feeder>,
    Chance,
>;

/// A third of the board's shortest sensible watchdog period.
const FEED_EVERY: Duration = Duration::from_millis(200);
/// Room for a URL of 1 KiB; more would be fetched twice after a power cut.
const READ_BUFFER: usize = 1536;
const MESSAGE: usize = 4096;

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
    let target = SlotTarget::new(part::slot(&flash, running.other()), running.other(), &keys, identity);
    let app = Product::new(Fault::BUILT_IN, second, tell as Log);
    let parts = Parts { boot, target, journal, keys: &keys, identity, app, entropy: Chance };
    let mut envelope = [0; ENVELOPE_BUFFER];
    let mut agent = Agent::new(parts, Policy { bare_image: true, ..Policy::new() }, &mut envelope);

    let mut scratch = [0; SCRATCH];
    let mut source = traced(HttpSource::new(Tcp, &mut scratch, HttpConfig::default()))?;
    let (mut message, mut data, mut inbox) = ([0; MESSAGE], [0; READ_BUFFER], [0; MESSAGE]);
    let local = Local {
        source: &mut source,
        timer: &Uptime::start(),
        buffers: Buffers { message: &mut message, data: &mut data },
        shell: Shell::new(boot, journal),
    };
    let mut link = Link { local, inbox: Inbox::new(&mut inbox), broker: broker() };
    loop {
        let mut record = [0; INFO_MAX];
        let online = match stored_identity(&journal, &mut record) {
            Some(info) => link.online(&mut agent, &info).await,
            None => Err("no device identity: devinfo set PK DN DS"),
        };
        let after = match online {
            Ok(after) => after,
            Err(why) => alone(&mut link.local, &mut agent, why).await,
        };
        if after == After::Reset {
            reset.reset();
        }
    }
}

/// Without a usable identity there is no cloud: the console and a download that was under way. A reset would change
/// nothing, the identity is stored.
async fn alone(local: &mut Local<'_, '_, '_>, agent: &mut Device<'_>, why: &str) -> After {
    println!("{why}");
    match local.meanwhile(agent, pending::<Infallible>()).await {
        Err(after) => after,
    }
}

fn stored_identity<'b>(
    journal: &SharedJournal<'_, Flash<'_>>,
    record: &'b mut [u8; INFO_MAX],
) -> Option<DeviceInfo<'b>> {
    let record = journal.read(Kind::App, record).ok()??;
    DeviceInfo::decode(record).inspect_err(|e| println!("{e}")).ok()
}

/// Feeds the watchdog as long as the executor turns: a task that blocks starves this one too.
async fn feed(mut watchdog: Feeder) {
    loop {
        watchdog.feed();
        tokio::time::sleep(FEED_EVERY).await;
    }
}

fn tell(notice: Notice<'_>) {
    match notice {
        Notice::Downloading { percent } => println!("ota: {percent} %"),
        Notice::Waiting { ms, reason } => println!("ota: {reason}; next try in {ms} ms"),
        Notice::Failed { stage, text } => println!("ota: failed ({stage:?}): {text}"),
        other => println!("ota: {other:?}"),
    }
}
