//! What comes out of a patch is what went into it.

use ota_diff::{ApplyError, Options, PatchError, ProfileId, encode, patch};

/// A little generator of numbers: tests must not change when a crate does.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn an_edited_image_comes_back() {
    let old = noise(1, 5000);
    let mut new = old.clone();
    new.splice(1000..1010, noise(2, 300));
    for profile in [ProfileId::S, ProfileId::M] {
        let made = encode(&old, &new, &mut Options { profile, ..Options::default() }).unwrap();
        assert_eq!(patch(&old, &made).unwrap(), new);
        assert!(made.len() < 420, "{}", made.len());
    }
}

#[test]
fn the_wrong_base_is_refused() {
    let old = noise(1, 500);
    let made = encode(&old, &noise(2, 500), &mut Options::default()).unwrap();
    assert_eq!(patch(&noise(3, 500), &made), Err(ApplyError::Base));
    assert_eq!(patch(&old[1..], &made), Err(ApplyError::Base));
    let short = patch(&old, &made[..made.len() - 1]);
    assert!(matches!(short, Err(ApplyError::Patch(PatchError::Truncated(_)))), "{short:?}");
}
