//! Any bytes as a saved state, in the middle of a golden patch.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

const OLD: &[u8] = include_bytes!("../../tests/vectors/thumb-old.bin");
const PATCH: &[u8] = include_bytes!("../../tests/vectors/thumb-m.patch");

libfuzzer_sys::fuzz_target!(|saved: &[u8]| common::any_state(OLD, PATCH, saved));
