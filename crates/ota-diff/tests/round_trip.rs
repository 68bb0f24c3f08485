//! What comes out of a patch is what went into it, however it is fed and wherever it is interrupted.

mod common;

use common::{Feed, Noise, Program, decode};
use ota_diff::{
    ApplyError, Arch, ArchChoice, Decoder, HEADER_LEN, Header, M, Options, PatchError, ProfileId, compress, encode,
    patch,
};
use proptest::prelude::*;

const ARCHS: [Arch; 4] = [Arch::None, Arch::Thumb, Arch::RiscV, Arch::Xtensa];

fn options(profile: ProfileId, arch: Arch) -> Options<'static> {
    Options { profile, arch: ArchChoice::Fixed(arch), progress: None }
}

/// Two releases of a made-up program.
fn releases(seed: u32, functions: usize, arch: Arch) -> (Vec<u8>, Vec<u8>) {
    let mut noise = Noise(seed | 1);
    let mut program = Program::new(&mut noise, functions);
    let old = program.link(arch);
    program.edit(&mut noise);
    (old, program.link(arch))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn releases_come_back(seed: u32, functions in 1_usize..60, piece in 1_usize..100, sector in 1_u32..600, arch in 0_usize..4) {
        let (old, new) = releases(seed, functions, ARCHS[arch]);
        for profile in [ProfileId::S, ProfileId::M] {
            let made = encode(&old, &new, &mut options(profile, ARCHS[arch])).unwrap();
            prop_assert_eq!(patch(&old, &made).unwrap(), new.clone());
            prop_assert_eq!(decode(&old, &made, &Feed { piece, sector }).unwrap(), new.clone());
        }
    }

    /// The encoder looks at fewer places where nothing has matched for long.
    #[test]
    fn pieces_of_the_old_image_between_long_noise_come_back(
        seed in 1_u32..,
        pieces in proptest::collection::vec((0_usize..3000, 0_usize..300, 0_usize..2500), 1..8),
    ) {
        let mut noise = Noise(seed);
        let old = noise.bytes(3300);
        let mut new = Vec::new();
        for (from, len, between) in pieces {
            new.extend(noise.bytes(between));
            new.extend_from_slice(&old[from..from + len]);
        }
        new.push(1);
        let made = encode(&old, &new, &mut Options::default()).unwrap();
        prop_assert_eq!(&made, &encode(&old, &new, &mut Options::default()).unwrap());
        prop_assert_eq!(patch(&old, &made).unwrap(), new.clone());
        prop_assert_eq!(decode(&old, &made, &Feed { piece: 50, sector: 100 }).unwrap(), new);
    }

    #[test]
    fn any_two_files_come_back(old: Vec<u8>, new in proptest::collection::vec(0_u8..4, 1..400), arch in 0_usize..4) {
        let made = encode(&old, &new, &mut options(ProfileId::M, ARCHS[arch])).unwrap();
        prop_assert_eq!(patch(&old, &made).unwrap(), new.clone());
        let packed = compress(&new, &mut options(ProfileId::S, ARCHS[arch])).unwrap();
        prop_assert_eq!(patch(&[], &packed).unwrap(), new);
    }
}

#[test]
fn every_sector_edge_resumes() {
    let (old, new) = releases(5, 80, Arch::Thumb);
    let made = encode(&old, &new, &mut Options::default()).unwrap();
    for sector in [1, 16, 17, 128, 4096] {
        assert!(decode(&old, &made, &Feed { piece: usize::MAX - 4096, sector }) == Ok(new.clone()), "{sector}");
    }
}

/// The loop of the README: the last bytes of a patch are good for many sectors.
#[test]
fn a_patch_that_is_used_up_goes_on() {
    let old = Noise(8).bytes(40_000);
    let mut new = old.clone();
    new[5] ^= 1;
    let made = encode(&old, &new, &mut Options::default()).unwrap();
    let header = Header::parse(&made).unwrap();
    let mut images = common::Memory { old: &old, new: Vec::new(), size: new.len() };
    let mut state = Decoder::<M>::start(&header).unwrap();
    let mut at = HEADER_LEN;
    loop {
        let until = (state.position() / 4096 + 1) * 4096;
        let rest = &made[at..];
        at += state.push(rest, until, &mut images).unwrap();
        if state.is_done() || rest.is_empty() && state.position() < until {
            break;
        }
    }
    assert_eq!(state.finish(), Ok(()));
    assert!(images.new == new);
}

/// Behind the end of the old image there is nothing, whatever a decoder that was not interrupted read before.
#[test]
fn the_last_byte_of_an_odd_image_resumes() {
    for seed in 1..40 {
        let (mut old, _) = releases(seed, 30, Arch::Thumb);
        old.truncate(old.len() - 1 + old.len() % 2);
        let mut new = old.clone();
        for at in (2..old.len()).step_by(60).chain([old.len() - 6]) {
            new[at] ^= 0x11;
        }
        let made = encode(&old, &new, &mut options(ProfileId::M, Arch::Thumb)).unwrap();
        assert!(decode(&old, &made, &Feed { piece: 64, sector: 1 }) == Ok(new), "{seed}");
    }
}

#[test]
fn moved_functions_cost_next_to_nothing() {
    let (old, new) = releases(77, 400, Arch::Thumb);
    let told = encode(&old, &new, &mut options(ProfileId::M, Arch::Thumb)).unwrap();
    let plain = encode(&old, &new, &mut options(ProfileId::M, Arch::None)).unwrap();
    assert!(told.len() * 2 < plain.len(), "{} {}", told.len(), plain.len());
    let found = encode(&old, &new, &mut Options::default()).unwrap();
    assert_eq!(found, told);
}

#[test]
fn the_same_images_give_the_same_patch() {
    let (old, new) = releases(9, 50, Arch::RiscV);
    assert_eq!(encode(&old, &new, &mut Options::default()), encode(&old, &new, &mut Options::default()));
}

#[test]
fn an_image_against_itself_is_a_header_and_a_few_bytes() {
    let old = Noise(3).bytes(20_000);
    let made = encode(&old, &old, &mut Options::default()).unwrap();
    assert!(made.len() < ota_diff::HEADER_LEN + 24, "{}", made.len());
}

#[test]
fn the_wrong_base_is_refused() {
    let old = Noise(1).bytes(500);
    let made = encode(&old, &Noise(2).bytes(500), &mut Options::default()).unwrap();
    assert_eq!(patch(&Noise(3).bytes(500), &made), Err(ApplyError::Base));
    assert_eq!(patch(&old[1..], &made), Err(ApplyError::Base));
}

#[test]
fn progress_grows_to_the_end() {
    let (old, new) = releases(4, 300, Arch::Thumb);
    let mut told = Vec::new();
    let mut tell = |progress: ota_diff::Progress| told.push(progress.permille);
    let mut options = Options { progress: Some(&mut tell), ..Options::default() };
    encode(&old, &new, &mut options).unwrap();
    assert!(told.is_sorted() && told.last() == Some(&1000), "{told:?}");
}

#[test]
fn a_profile_that_does_not_fit_is_refused() {
    let made = encode(&[1, 2, 3], &[4, 5, 6], &mut Options::default()).unwrap();
    let header = ota_diff::Header::parse(&made).unwrap();
    let refused = ota_diff::Decoder::<ota_diff::S>::start(&header).err();
    assert_eq!(refused, Some(PatchError::Profile(ProfileId::M)));
}
