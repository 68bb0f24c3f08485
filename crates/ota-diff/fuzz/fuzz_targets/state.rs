//! A saved state in the middle of the golden patch that the first byte names: any bytes, or one of the decoder's own with
//! changes.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/golden.rs"]
mod golden;

use common::Feed;
use golden::GOLDEN;
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let (image, profile) = (usize::from(first >> 1) % 4, usize::from(first & 1));
    let (old, patch) = (GOLDEN[image].old, GOLDEN[image].patches[profile]);
    if *first < 0x80 {
        common::edited_state(old, patch, &states()[image][profile], rest);
    } else {
        common::any_state(old, patch, rest, &Feed { piece: usize::MAX, sector: u32::MAX });
    }
});

/// States in the course of each patch.
fn states() -> &'static [[Vec<Vec<u8>>; 2]; 4] {
    static STATES: OnceLock<[[Vec<Vec<u8>>; 2]; 4]> = OnceLock::new();
    STATES.get_or_init(|| GOLDEN.map(|golden| golden.patches.map(|patch| common::states(golden.old, patch, 64))))
}
