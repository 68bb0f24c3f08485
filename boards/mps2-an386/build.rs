//! What is decided when the firmware is built: see `boards/common/firmware.rs`.

#[path = "src/addresses.rs"]
#[allow(unreachable_pub, dead_code, reason = "the same file serves the firmware, which uses all of it")]
mod addresses;
use addresses::{FLASH, HEADER, RAM, RETAINED, ROM, ROM_LEN, SLOT_LEN, SLOTS, TRAILER};
#[path = "../common/firmware.rs"]
mod firmware;

fn main() {
    let out = firmware::out();
    firmware::trust(&out);
    let image = (FLASH + firmware::chosen(SLOTS) + HEADER, SLOT_LEN - HEADER - TRAILER);
    for (program, place) in [("loader", (ROM, ROM_LEN)), ("app", image), ("bench", image), ("delta", image)] {
        firmware::program(&out, program, place, (RAM, RETAINED));
    }
}
