//! Any bytes as a saved state, in the middle of the golden patch that the first byte names.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/golden.rs"]
mod golden;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, saved)) = input.split_first() else { return };
    let golden = &golden::GOLDEN[usize::from(first >> 1) % 4];
    common::any_state(golden.old, golden.patches[usize::from(first & 1)], saved);
});
