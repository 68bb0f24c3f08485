//! Size probe: the update agent over Linkkit on a borrowed MQTT connection, fetching by strict HTTP.
//! The MQTT client is the product's; it is listed apart and not counted.
#![no_std]
#![no_main]

use board::net::{Net, Socket};
use board::product::{Product, text};
use board::{Chip, IDENTITY, LAYOUT, Part, Place, key_blob, set_register, stop};
use core::cell::RefCell;
use minimq::{ConfigBuilder, InboundPublish, Session};
use ota_boot::Boot;
use ota_download::{HttpConfig, HttpSource};
use ota_hal::{Journal, Region, Shared, SharedJournal, SlotId};
use ota_service::{Agent, Buffers, ENVELOPE_BUFFER, Exit, Parts, Policy, SlotTarget, block_on, run};
use ota_transport::linkkit::{self, Linkkit};
use ota_transport::mqtt::{Inbox, Mqtt};
use ota_verify::rsa::Rsa2048Pss;

type Driver = Shared<'static, Part>;
type Key = Rsa2048Pss<'static>;
type Updater = Agent<'static, Boot<'static, Driver>, SlotTarget<'static, Driver, Key>, Driver, Key, Product, Chip>;

// What a product keeps for the agent: its state, and the buffers it lends it.
static PART: Place<RefCell<Part>> = Place::new();
static JOURNAL: Place<RefCell<Journal<Driver>>> = Place::new();
static KEY: Place<Key> = Place::new();
static AGENT: Place<Updater> = Place::new();
static SOURCE: Place<HttpSource<'static, Net>> = Place::new();
static NAMES: Place<linkkit::Identity> = Place::new();
static ENVELOPE: Place<[u8; ENVELOPE_BUFFER]> = Place::new();
static DATA: Place<[u8; 512]> = Place::new();
static MESSAGE: Place<[u8; 1024]> = Place::new();
static INBOX: Place<[u8; 1024]> = Place::new();
static SCRATCH: Place<[u8; 256 + 512]> = Place::new();
// The MQTT client's own.
static MQTT_PACKETS: Place<[u8; 2048]> = Place::new();
static MQTT_SESSION: Place<Session<'static>> = Place::new();

/// The application's own use of the connection.
#[inline(never)]
fn heard(message: &InboundPublish<'_>) {
    set_register(90, message.payload().len() as u32);
}

/// Not inlined: what is put together leaves the stack before the agent runs.
#[inline(never)]
fn build() -> &'static mut Updater {
    let flash = Shared::new(PART.put(RefCell::new(Part)));
    let Ok(journal) = Journal::<_>::mount(Region::new(flash, LAYOUT.journal())) else { stop(3, 0) };
    let journal = SharedJournal::new(JOURNAL.put(RefCell::new(journal)));
    let Ok(key) = Rsa2048Pss::from_blob(key_blob()) else { stop(4, 0) };
    let key = KEY.put(key);
    let target = SlotTarget::new(Region::new(flash, LAYOUT.slot(SlotId::B)), SlotId::B, key, IDENTITY);
    let boot = Boot::new(journal, SlotId::A);
    let parts = Parts { boot, target, journal, keys: key, identity: IDENTITY, app: Product, entropy: Chip };
    AGENT.put(Agent::new(parts, Policy::new(), ENVELOPE.bytes()))
}

/// As above.
#[inline(never)]
fn connection() -> (&'static mut HttpSource<'static, Net>, &'static linkkit::Identity, &'static mut Session<'static>) {
    let source = SOURCE.put(HttpSource::new(Net, SCRATCH.bytes(), HttpConfig::DEFAULT));
    let Ok(names) = linkkit::Identity::new(text(91), text(92)) else { stop(5, 0) };
    let config = ConfigBuilder::from_buffer(MQTT_PACKETS.bytes(), 1536).and_then(|config| config.client_id(text(93)));
    let Ok(config) = config else { stop(6, 0) };
    (source, NAMES.put(names), MQTT_SESSION.put(Session::new(config.keepalive_interval(30))))
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let agent = build();
    let (source, names, session) = connection();
    let mut codec = Linkkit::new(names, &[], &mut Chip);
    let mut inbox = Inbox::new(INBOX.bytes());
    let mut buffers = Buffers { message: MESSAGE.bytes(), data: DATA.bytes() };
    let exit = block_on(
        async {
            loop {
                let Ok(mut connection) = session.connect(Socket).await else { continue };
                let Ok(mut mqtt) = Mqtt::start(&mut connection, &mut codec, &mut inbox, heard).await else { continue };
                if run(agent, &mut mqtt, source, &Chip, &mut buffers).await == Exit::Reset {
                    return;
                }
            }
        },
        || set_register(60, 1),
    );
    stop(7, u32::from(exit == ()))
}
