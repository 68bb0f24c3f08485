//! Size probe: the update agent over CoAP alone: offers and reports in the plain dialect, and the image in blocks.
//! Sockets are the product's, and not counted.
#![no_std]
#![no_main]

use board::product::{Product, text};
use board::udp::{Udp, UdpNet};
use board::{Chip, IDENTITY, LAYOUT, Part, Place, key_blob, set_register, stop};
use core::cell::RefCell;
use ota_boot::Boot;
use ota_download::{CoapConfig, CoapSource};
use ota_hal::{Journal, Region, Shared, SharedJournal, SlotId};
use ota_service::{Agent, Buffers, ENVELOPE_BUFFER, Exit, Parts, Policy, SlotTarget, run_blocking};
use ota_transport::coap::{self, Coap, Plain};
use ota_transport::linkkit::Identity;
use ota_verify::rsa::Rsa2048Pss;

type Driver = Shared<'static, Part>;
type Key = Rsa2048Pss<'static>;
type Updater = Agent<'static, Boot<'static, Driver>, SlotTarget<'static, Driver, Key>, Driver, Key, Product, Chip>;
type Cloud = Coap<'static, Udp, Chip, Chip, Plain<'static>>;

// What a product keeps for the agent: its state, and the buffers it lends it.
static PART: Place<RefCell<Part>> = Place::new();
static JOURNAL: Place<RefCell<Journal<Driver>>> = Place::new();
static KEY: Place<Key> = Place::new();
static AGENT: Place<Updater> = Place::new();
static SOURCE: Place<CoapSource<'static, UdpNet, Chip, Chip>> = Place::new();
static CLOUD: Place<Cloud> = Place::new();
static NAMES: Place<Identity> = Place::new();
static ENVELOPE: Place<[u8; ENVELOPE_BUFFER]> = Place::new();
static DATA: Place<[u8; 256]> = Place::new();
static MESSAGE: Place<[u8; 768]> = Place::new();
static OFFER: Place<[u8; 768]> = Place::new();
// Blocks of 512 bytes.
static SCRATCH: Place<[u8; 640]> = Place::new();
static REQUESTS: Place<[u8; 640]> = Place::new();

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
fn links() -> (&'static mut Cloud, &'static mut CoapSource<'static, UdpNet, Chip, Chip>) {
    let Ok(names) = Identity::new(text(91), text(92)) else { stop(5, 0) };
    let dialect = Plain::new(NAMES.put(names), &mut Chip);
    let buffers: (&'static mut [u8], &'static mut [u8]) = (REQUESTS.bytes(), OFFER.bytes());
    let cloud = CLOUD.put(Coap::new(Udp, Chip, Chip, dialect, buffers, coap::CoapConfig::DEFAULT));
    (cloud, SOURCE.put(CoapSource::new(UdpNet, Chip, Chip, SCRATCH.bytes(), CoapConfig::DEFAULT)))
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let agent = build();
    let (cloud, source) = links();
    let mut buffers = Buffers { message: MESSAGE.bytes(), data: DATA.bytes() };
    let exit = run_blocking(agent, cloud, source, &Chip, &mut buffers, || set_register(60, 1));
    stop(7, u32::from(exit == Exit::Reset))
}
