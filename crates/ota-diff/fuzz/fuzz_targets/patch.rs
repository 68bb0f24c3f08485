//! Any bytes as a patch: the first byte says how long the old image is, which comes next.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((len, rest)) = input.split_first() else { return };
    let (old, patch) = rest.split_at(rest.len().min(usize::from(*len)));
    common::any_patch(old, patch);
});
