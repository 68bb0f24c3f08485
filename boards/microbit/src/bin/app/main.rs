//! The smallest agent: the update over one UART, on a part with 16 KiB of RAM, executed in place from either slot.
#![no_std]
#![no_main]

mod product;

use board::entropy::Chance;
use board::flash::{Nvmc, region};
use board::idle;
use board::link::{Link, Wire};
use board::map::{LAYOUT, running_slot, slot_address};
use board::reset::reset;
use board::serial::{Files, Messages};
use board::time::Uptime;
use board::trust::{self, Key};
use board::uart::Uart;
use board::watchdog::Dog;
use common::text::Line as _;
use core::cell::RefCell;
use cortex_m::singleton;
use cortex_m_rt::entry;
use ota_boot::Boot;
use ota_hal::{Entropy, Journal, ResetCause, Shared, SharedJournal, SlotId, Watchdog};
use ota_service::{Agent, Buffers, Exit, Parts, Policy, SlotTarget, run_blocking};
use product::{Product, VERSION, has};

/// Holds an envelope with one signature and two payloads, and the job record with a name of 64 bytes.
const ENVELOPE: usize = 1024;
/// An answer of the other side, and what is read at once.
const BUFFER: usize = 256;

type Driver = Shared<'static, Nvmc>;
type Device = Agent<'static, Boot<'static, Driver>, SlotTarget<'static, Driver, Key>, Driver, Key, Product, Chance>;

struct Line(Uart);

impl Wire for Line {
    fn send(&mut self, byte: u8) {
        self.0.send(byte);
    }
    fn receive(&mut self) -> Option<u8> {
        self.0.read()
    }
}

#[entry]
fn main() -> ! {
    let uart = Uart::start_waking();
    // The loader starts this program from a slot, and nothing else takes what it takes.
    let Some(running) = running_slot() else { reset(ResetCause::Fault) };
    uart.write_all(&["app ", VERSION, ": slot ", if running == SlotId::A { "A" } else { "B" }, "\n"]);
    if const { has("hang") } {
        loop {
            cortex_m::asm::nop();
        }
    }
    if const { has("crash") } {
        cortex_m::asm::udf();
    }
    let mut chance = Chance::start();
    let seed = chance.next_u32() as u8;
    let Some(agent) = device(uart, running, chance) else { reset(ResetCause::Fault) };
    update(agent, &RefCell::new(Link::new(Line(uart), seed)));
    reset(ResetCause::Software)
}

/// Puts the device together, each part in its own place.
fn device(uart: Uart, running: SlotId, chance: Chance) -> Option<&'static mut Device> {
    let flash: &RefCell<Nvmc> = singleton!(: RefCell<Nvmc> = RefCell::new(Nvmc::take(LAYOUT.slot(running))?))?;
    let Ok(journal) = Journal::mount(region(flash, LAYOUT.journal())) else {
        uart.write("journal: the flash failed\n");
        return None;
    };
    let journal: &RefCell<_> = singleton!(: RefCell<Journal<Driver>> = RefCell::new(journal))?;
    let journal = SharedJournal::new(journal);
    let keys: &Key = singleton!(: Key = trust::key()?)?;
    let other = running.other();
    let target = SlotTarget::new(region(flash, LAYOUT.slot(other)), other, keys, trust::IDENTITY);
    let target = target.linked_at(slot_address(other));
    let boot = Boot::new(journal, running);
    let app = Product { watchdog: Dog::running(), uart };
    let parts = Parts { boot, target, journal, keys, identity: trust::IDENTITY, app, entropy: chance };
    let envelope = singleton!(: [u8; ENVELOPE] = [0; ENVELOPE])?;
    singleton!(: Device = Agent::new(parts, Policy::new(), envelope))
}

/// Runs until the device is to be reset.
fn update(agent: &mut Device, link: &RefCell<Link<Line>>) {
    let clock = Uptime::start();
    let (mut messages, mut files) = (Messages::new(link, &clock), Files::new(link, &clock));
    let (mut message, mut data) = ([0; BUFFER], [0; BUFFER]);
    let mut buffers = Buffers { message: &mut message, data: &mut data };
    let mut watchdog = Dog::running();
    let idle = || {
        watchdog.feed();
        // A frame under way is taken at once: the receiver holds six bytes.
        if !link.borrow_mut().pump() {
            idle::sleep();
        }
    };
    let mut idle = idle;
    while run_blocking(agent, &mut messages, &mut files, &clock, &mut buffers, &mut idle) == Exit::LinkLost {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    reset(ResetCause::Fault)
}
