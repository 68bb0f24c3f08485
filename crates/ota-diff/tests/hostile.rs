//! Bad input ends in an error or in an image with another digest: never in a panic, a hang or a byte too many.

mod common;

use common::{Feed, Noise, Program, any_patch, any_state, decode, edited_state, states};
use ota_diff::{
    Arch, ArchChoice, DecodeError, Decoder, Every, HEADER_LEN, Header, M, Options, PatchError, ProfileId, encode, patch,
};

fn sample(profile: ProfileId, arch: Arch) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut noise = Noise(11);
    let mut program = Program::new(&mut noise, 40);
    let old = program.link(arch);
    for _ in 0..4 {
        program.edit(&mut noise);
    }
    let new = program.link(arch);
    let made = encode(&old, &new, &mut Options { profile, arch: ArchChoice::Fixed(arch), progress: None }).unwrap();
    (old, new, made)
}

#[test]
fn truncated_at_every_byte() {
    for profile in [ProfileId::S, ProfileId::M] {
        let (old, _, made) = sample(profile, Arch::Thumb);
        for len in 0..made.len() {
            let ended = patch(&old, &made[..len]);
            assert!(ended.is_err(), "{len} of {} bytes are enough", made.len());
            let ended = decode(&old, &made[..len], &Feed { piece: 7, sector: 256 });
            let typed = matches!(ended, Err(PatchError::Short | PatchError::Truncated(_)));
            assert!(typed, "{len}: {ended:?}");
        }
    }
}

#[test]
fn followed_by_more() {
    let (old, _, mut made) = sample(ProfileId::M, Arch::Thumb);
    made.push(0);
    assert_eq!(decode(&old, &made, &Feed { piece: 1000, sector: 4096 }), Err(PatchError::Trailing));
}

#[test]
fn the_decoder_itself_refuses_more() {
    let (old, _, mut made) = sample(ProfileId::M, Arch::Thumb);
    let header = Header::parse(&made).unwrap();
    let push = |stream: &[u8]| {
        let mut images = common::Memory { old: &old, new: Vec::new(), size: header.new_size() as usize };
        Decoder::<M, Every>::start(&header).unwrap().push(stream, header.new_size(), &mut images)
    };
    assert_eq!(push(&made[HEADER_LEN..]), Ok(made.len() - HEADER_LEN));
    made.push(0);
    assert_eq!(push(&made[HEADER_LEN..]), Err(DecodeError::Patch(PatchError::Trailing)));
}

#[test]
fn corrupted_at_every_byte() {
    for arch in [Arch::None, Arch::Thumb, Arch::RiscV, Arch::Xtensa] {
        let (old, new, made) = sample(ProfileId::M, arch);
        let mut refused = 0;
        for at in 0..made.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut bad = made.clone();
                bad[at] ^= flip;
                match patch(&old, &bad) {
                    Err(_) => refused += 1,
                    // The edge of an address window that no word is near, the last bits: another way to say the same.
                    Ok(same) => assert!(same == new, "byte {at} of {arch:?}: a wrong image passed"),
                }
                any_patch(&old, &bad);
            }
        }
        assert!(refused > made.len() * 3 * 9 / 10, "{refused} of {} {arch:?}", made.len() * 3);
    }
}

/// As the fuzz targets feed a state, in pieces that are saved and resumed.
const PIECES: Feed = Feed { piece: 13, sector: 64 };

fn rounds() -> usize {
    std::env::var("FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500)
}

/// The stable smoke run of the fuzz targets in `fuzz/`: real patches, mutated, and noise behind a real header.
#[test]
fn mutated_streams() {
    let mut noise = Noise(0xC0FFEE);
    for arch in [Arch::Thumb, Arch::RiscV, Arch::Xtensa, Arch::None] {
        let (old, _, made) = sample(ProfileId::M, arch);
        for round in 0..rounds() {
            let mut bad = made.clone();
            let from = HEADER_LEN + noise.below(bad.len() - HEADER_LEN);
            if round % 4 == 0 {
                let rest = noise.bytes(bad.len() - from);
                bad[from..].copy_from_slice(&rest);
            } else {
                bad[from] = noise.next() as u8;
            }
            any_patch(&old, &bad);
        }
    }
}

/// The same of states: noise, and states all through a patch of which some words were changed.
#[test]
fn mutated_states() {
    let mut noise = Noise(0xC0FFEE);
    for (profile, arch) in [
        (ProfileId::M, Arch::Thumb),
        (ProfileId::S, Arch::RiscV),
        (ProfileId::M, Arch::Xtensa),
        (ProfileId::S, Arch::None),
    ] {
        let (old, _, made) = sample(profile, arch);
        let states = states(&old, &made, 64);
        for _ in 0..4 * rounds() {
            let changes = 1 + noise.below(3);
            edited_state(&old, &made, &states, &noise.bytes(2 + 4 * changes));
        }
        for _ in 0..rounds() / 8 {
            any_state(&old, &made, &noise.bytes(states[0].len()), &PIECES);
        }
    }
}

#[test]
fn a_state_of_another_patch_is_refused_or_harmless() {
    let (old, _, made) = sample(ProfileId::M, Arch::Thumb);
    let header = Header::parse(&made).unwrap();
    assert!(Decoder::<M>::resume(&header, &[0; 10]).is_err());
    assert!(Decoder::<M>::resume(&header, &vec![0; Decoder::<M>::SAVED_LEN]).is_err());
    any_state(&old, &made, &vec![0xFF; Decoder::<M>::SAVED_LEN], &PIECES);
}
