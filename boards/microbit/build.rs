//! What is decided when the firmware is built: see `boards/common/firmware.rs`.

use std::env;

#[path = "src/addresses.rs"]
#[allow(unreachable_pub, dead_code, reason = "the same file serves the firmware, which uses all of it")]
mod addresses;
use addresses::{HEADER, LOADER_LEN, RAM, RETAINED, SLOT_LEN, SLOTS, TRAILER};
#[path = "../common/firmware.rs"]
mod firmware;

fn main() {
    let out = firmware::out();
    firmware::trust(&out);
    product();
    let image = (firmware::chosen(SLOTS) + HEADER, SLOT_LEN - HEADER - TRAILER);
    for (program, place) in [("loader", (0, LOADER_LEN)), ("app", image)] {
        firmware::program(&out, program, place, (RAM, RETAINED));
    }
}

/// What the application says it is, and what is wrong with it.
fn product() {
    for (name, default) in [("OTAAPP_VERSION", "0.0.0"), ("OTAAPP_FAULT", "none")] {
        println!("cargo::rerun-if-env-changed={name}");
        println!("cargo::rustc-env={name}={}", env::var(name).unwrap_or_else(|_| default.to_owned()));
    }
}
