//! Any bytes as a patch. The first byte says for what: a golden image by its number, or so many bytes that come next.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/golden.rs"]
mod golden;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    match golden::GOLDEN.get(usize::from(*first)) {
        Some(golden) => common::any_patch(golden.old, rest),
        None => {
            let (old, patch) = rest.split_at(rest.len().min(usize::from(*first)));
            common::any_patch(old, patch);
        }
    }
});
