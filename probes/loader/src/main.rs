//! Size probe: everything a boot loader needs of this project, and nothing else.
#![no_std]
#![no_main]

use board::{Dog, IDENTITY, LAYOUT, Part, key_blob, reset_cause, stop};
use core::cell::RefCell;
use ota_boot::{Config, Copied, Decision, loader};
use ota_hal::{Journal, Region, Shared, SlotId};
use ota_verify::Rules;
use ota_verify::rsa::Rsa2048Pss;
use small_mem as _;

const CONFIG: Config<Copied> = Config::new(Copied);

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let part = RefCell::new(Part);
    let flash = Shared::new(&part);
    let mut slots = [Region::new(flash, LAYOUT.slot(SlotId::A)), Region::new(flash, LAYOUT.slot(SlotId::B))];
    let Ok(key) = Rsa2048Pss::from_blob(key_blob()) else { stop(3, 0) };
    let cause = reset_cause();
    // Twice: one fault of the processor is not to hide the floor.
    let mut journal = None;
    Journal::<_>::mount_in(&mut journal, Region::new(flash, LAYOUT.journal()));
    let rules = Rules { keys: &key, identity: IDENTITY, floor: loader::floor(journal.as_mut()) };
    Journal::<_>::mount_in(&mut journal, Region::new(flash, LAYOUT.journal()));
    let decision = loader::boot(journal.as_mut(), &mut slots, &rules, cause, &CONFIG, &mut Dog);
    match decision {
        Decision::Boot { proof, trial } => {
            stop(u32::from(trial), LAYOUT.slot(proof.slot()).start + proof.payload_offset())
        }
        Decision::Recovery { why } => stop(2, u32::from(why[0].code()) << 8 | u32::from(why[1].code())),
    }
}
