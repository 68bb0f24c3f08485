//! See `ota_sweep::fuzz`.
#![no_main]

use ota_sweep::fuzz::target;

libfuzzer_sys::fuzz_target!(init: target("records").warm_up(), |input: &[u8]| (target("records").body)(input));
