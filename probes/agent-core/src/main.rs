//! Size probe: the update agent with its driver, RSA-2048 image and package verification, boot control and journal.
//! The links are stubs, as flash and application are.
#![no_std]
#![no_main]

use board::links::{Bytes, Cloud};
use board::product::Product;
use board::{Chip, IDENTITY, LAYOUT, Part, Place, key_blob, set_register, stop};
use core::cell::RefCell;
use ota_boot::Boot;
use ota_hal::{Journal, Region, Shared, SharedJournal, SlotId};
use ota_service::{Agent, Buffers, ENVELOPE_BUFFER, Exit, Parts, Policy, SlotTarget, run_blocking};
use ota_verify::rsa::Rsa2048Pss;

type Driver = Shared<'static, Part>;
type Key = Rsa2048Pss<'static>;
type Updater = Agent<'static, Boot<'static, Driver>, SlotTarget<'static, Driver, Key>, Driver, Key, Product, Chip>;

// What a product keeps for the agent: its state, and the buffers it lends it.
static PART: Place<RefCell<Part>> = Place::new();
static JOURNAL: Place<RefCell<Journal<Driver>>> = Place::new();
static KEY: Place<Key> = Place::new();
static AGENT: Place<Updater> = Place::new();
static ENVELOPE: Place<[u8; ENVELOPE_BUFFER]> = Place::new();
static DATA: Place<[u8; 256]> = Place::new();
static MESSAGE: Place<[u8; 256]> = Place::new();

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

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let agent = build();
    let mut buffers = Buffers { message: MESSAGE.bytes(), data: DATA.bytes() };
    let exit = run_blocking(agent, &mut Cloud, &mut Bytes, &Chip, &mut buffers, || set_register(60, 1));
    stop(5, u32::from(exit == Exit::Reset))
}
