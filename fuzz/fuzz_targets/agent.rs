//! See `ota_sweep::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (ota_sweep::fuzz::target("agent").body)(input));
