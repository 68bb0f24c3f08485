//! The boot loader: decides what to start, verifies it, starts it. It writes the journal and nothing else.
//!
//! It holds no panic path: see the end of this file.
#![no_std]
#![no_main]

use board::flash::{Nvmc, region};
use board::map::{ALL_SLOTS, LAYOUT, slot_address};
use board::reset::{Processor, reset};
use board::start::{check, start};
use board::trust;
use board::uart::Uart;
use board::watchdog::Dog;
use common::entry::Misfit;
use common::text::Line;
use core::cell::RefCell;
use core::hint::black_box;
use cortex_m_rt::entry;
use ota_boot::InPlace;
use ota_boot::loader::{Config, Decision, boot, floor};
use ota_hal::{Journal, Reset, ResetCause, SlotId};
use ota_verify::{Rules, Verified};

/// Images run in their slots.
const CONFIG: Config<InPlace> = Config::new(InPlace([slot_address(SlotId::A), slot_address(SlotId::B)]));

#[entry]
fn main() -> ! {
    let uart = Uart::start();
    let cause = Processor::started().cause();
    let mut watchdog = Dog::start();
    let (Some(key), Some(flash)) = (trust::key(), Nvmc::take(ALL_SLOTS)) else {
        uart.write("boot: the key in this loader is damaged\n");
        wait_for_reset(watchdog)
    };
    let flash = RefCell::new(flash);
    let mut slots = [SlotId::A, SlotId::B].map(|slot| region(&flash, LAYOUT.slot(slot)));
    // Twice: one fault of the processor is not to hide the floor.
    let mut journal = None;
    Journal::<_>::mount_in(&mut journal, region(&flash, LAYOUT.journal()));
    let rules = Rules { keys: &key, identity: trust::IDENTITY, floor: floor(journal.as_mut()) };
    // The place is read anew, too: one wrong length for both mounts would find no floor either time.
    Journal::<_>::mount_in(&mut journal, region(&flash, black_box(&LAYOUT).journal()));
    match boot(journal.as_mut(), &mut slots, &rules, cause, &CONFIG, &mut watchdog) {
        Decision::Boot { proof, trial } => {
            let [a, b] = &mut slots;
            let slot = if proof.slot() == SlotId::A { a } else { b };
            announce(uart, &proof, trial, cause);
            match check(slot, &proof) {
                Ok(vectors) => start(vectors),
                Err(why) => misfit(uart, why, trial, watchdog),
            }
        }
        Decision::Recovery { why: [a, b] } => {
            let why = ["boot: no slot holds an image that may be started: A: ", a.text(), "; B: ", b.text(), "\n"];
            uart.write_all(&why);
            wait_for_reset(watchdog)
        }
    }
}

fn announce(uart: Uart, proof: &Verified, trial: bool, cause: ResetCause) {
    let version = proof.version();
    uart.write_all(&["boot: slot ", if proof.slot() == SlotId::A { "A" } else { "B" }, ", version "]);
    uart.write_number(u32::from(version.major));
    uart.write(".");
    uart.write_number(u32::from(version.minor));
    uart.write(".");
    uart.write_number(u32::from(version.revision));
    let kind = if trial { ", on trial" } else { ", accepted" };
    uart.write_all(&[kind, ", last reset ", cause.name(), "\n"]);
}

/// The image is authentic but cannot run here. On trial the attempts run out; an accepted one was programmed wrongly.
fn misfit(uart: Uart, why: Misfit, trial: bool, watchdog: Dog) -> ! {
    uart.write_all(&["boot: not started: ", why.text(), "\n"]);
    if trial { reset(ResetCause::Software) } else { wait_for_reset(watchdog) }
}

/// Nothing can be started. The reason stays the last line until somebody resets the board or cuts its power. A product
/// offers its rescue here.
fn wait_for_reset(watchdog: Dog) -> ! {
    watchdog.hold();
    loop {
        cortex_m::asm::wfi();
    }
}

/// A panic in the loader does not link: the name below exists nowhere, and an optimised build drops this function
/// when nothing calls it.
#[cfg(not(debug_assertions))]
#[panic_handler]
#[expect(unsafe_code, reason = "declares a function that must not exist")]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn the_loader_must_not_contain_a_panic_path() -> !;
    }
    the_loader_must_not_contain_a_panic_path()
}

#[cfg(debug_assertions)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    reset(ResetCause::Fault)
}
