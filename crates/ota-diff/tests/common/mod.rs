//! What the tests share: images made up from instructions, a decoder that is driven piece by piece, and bodies of the
//! fuzz targets.
// Each test binary uses some of it.
#![allow(dead_code)]

use ota_diff::{
    Arch, ArchChoice, DecodeError, Decoder, Every, HEADER_LEN, Header, Images, M, Options, PatchError, Profile,
    ProfileId, S, encode,
};

/// A little generator of numbers: tests must not change when a crate does.
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.wrapping_mul(0x9E37_79B1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 8) as usize % bound.max(1)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 24) as u8).collect()
    }
}

/// A function: instructions of which some refer to other functions by number.
#[derive(Clone)]
struct Function {
    id: usize,
    body: Vec<Item>,
}

#[derive(Clone)]
enum Item {
    Half(u16),
    Call(usize),
    Pointer(usize),
}

/// A made-up firmware of functions that call one another.
#[derive(Clone)]
pub(crate) struct Program {
    functions: Vec<Function>,
    base: u32,
}

impl Program {
    pub(crate) fn new(noise: &mut Noise, functions: usize) -> Self {
        let functions = (0..functions)
            .map(|id| {
                let body = (0..4 + noise.below(40)).map(|_| Self::item(noise, functions)).collect();
                Function { id, body }
            })
            .collect();
        Self { functions, base: 0x0800_0000 }
    }

    fn item(noise: &mut Noise, functions: usize) -> Item {
        match noise.below(10) {
            0 => Item::Call(noise.below(functions)),
            1 => Item::Pointer(noise.below(functions)),
            n => Item::Half(
                [0x4770, 0x2000, 0x4601, 0x6800, 0xB510, 0xBD10, 0x4800, 0xD003][n - 2] + noise.below(4) as u16,
            ),
        }
    }

    /// What a release does: functions grow, move, come and go.
    pub(crate) fn edit(&mut self, noise: &mut Noise) {
        for _ in 0..1 + noise.below(4) {
            let count = self.functions.len();
            let at = noise.below(count);
            match noise.below(4) {
                0 => {
                    let item = Self::item(noise, count);
                    self.functions[at].body.insert(0, item);
                }
                1 => {
                    let moved = self.functions.remove(at);
                    self.functions.insert(noise.below(count), moved);
                }
                2 => self.functions[at].body.truncate(3),
                _ => self.functions[at].body.push(Item::Half(noise.next() as u16)),
            }
        }
    }

    /// Links it: Thumb, RISC-V (JAL) or Xtensa (CALL0) calls, and words for pointers.
    pub(crate) fn link(&self, arch: Arch) -> Vec<u8> {
        let size = |item: &Item| match item {
            Item::Half(_) => 2,
            _ => 4,
        };
        let mut places = vec![0; self.functions.len()];
        let mut at = 0_u32;
        for function in &self.functions {
            at = at.next_multiple_of(4);
            places[function.id] = at;
            at += function.body.iter().map(size).sum::<u32>();
        }
        let mut image = Vec::new();
        for function in &self.functions {
            image.resize(image.len().next_multiple_of(4), 0);
            for item in &function.body {
                let here = image.len() as u32;
                match item {
                    Item::Half(half) => image.extend(half.to_le_bytes()),
                    Item::Call(to) => image.extend(call(arch, here, places[*to]).to_le_bytes()),
                    Item::Pointer(to) => image.extend((self.base + places[*to] + 1).to_le_bytes()),
                }
            }
        }
        image
    }
}

pub(crate) fn call(arch: Arch, from: u32, to: u32) -> u32 {
    match arch {
        Arch::RiscV => {
            let way = to.wrapping_sub(from);
            0xEF | (way >> 20 & 1) << 31 | (way >> 1 & 0x3FF) << 21 | (way >> 11 & 1) << 20 | way & 0xF_F000
        }
        Arch::Xtensa => 5 | (to.wrapping_sub((from & !3) + 4) >> 2 & 0x3_FFFF) << 6 | 0x3D << 24,
        _ => {
            let way = to.wrapping_sub(from + 4);
            let sign = way >> 24 & 1;
            let (j1, j2) = (way >> 23 & 1 ^ sign ^ 1, way >> 22 & 1 ^ sign ^ 1);
            let first = 0xF000 | sign << 10 | way >> 12 & 0x3FF;
            first | (0xD000 | j1 << 13 | j2 << 11 | way >> 1 & 0x7FF) << 16
        }
    }
}

/// Both images in memory; checks what the decoder promises.
pub(crate) struct Memory<'a> {
    pub(crate) old: &'a [u8],
    pub(crate) new: Vec<u8>,
    pub(crate) size: usize,
}

impl Images for Memory<'_> {
    type Error = ();

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
        bytes.copy_from_slice(&self.old[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
        bytes.copy_from_slice(&self.new[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ()> {
        assert!(!bytes.is_empty() && bytes.len() <= 32);
        self.new.extend_from_slice(bytes);
        assert!(self.new.len() <= self.size, "written past the stated size");
        Ok(())
    }
}

/// How a patch is fed.
pub(crate) struct Feed {
    /// The most patch bytes per push.
    pub(crate) piece: usize,
    /// The decoder is saved, dropped and resumed whenever this much more was written.
    pub(crate) sector: u32,
}

/// Decodes a whole patch with the decoder that its header names.
pub(crate) fn decode(old: &[u8], patch: &[u8], feed: &Feed) -> Result<Vec<u8>, PatchError> {
    match Header::parse(patch)?.profile() {
        ProfileId::S => decode_as::<S>(old, patch, feed),
        ProfileId::M => decode_as::<M>(old, patch, feed),
    }
}

fn decode_as<P: Profile>(old: &[u8], patch: &[u8], feed: &Feed) -> Result<Vec<u8>, PatchError> {
    let header = Header::parse(patch)?;
    // The caller checks the base; here at least its size must fit.
    if header.old_size() as usize != old.len() || header.new_size() > 1 << 20 {
        return Err(PatchError::Header);
    }
    let mut images = Memory { old, new: Vec::new(), size: header.new_size() as usize };
    let decoder = Decoder::<P, Every>::start(&header)?;
    run(decoder, &header, &patch[HEADER_LEN..], feed, &mut images)?;
    Ok(images.new)
}

/// Feeds a decoder the rest of its patch; checks that each push gets on, and that what failed stays failed.
fn run<P: Profile>(
    mut decoder: Decoder<P, Every>,
    header: &Header,
    rest: &[u8],
    feed: &Feed,
    images: &mut Memory<'_>,
) -> Result<(), PatchError> {
    let (mut at, before) = (0_usize, decoder.consumed());
    loop {
        let until = (decoder.position() / feed.sector + 1).saturating_mul(feed.sector);
        let piece = &rest[at..rest.len().min(at.saturating_add(feed.piece))];
        let taken = match decoder.push(piece, until, images) {
            Ok(taken) => taken,
            Err(DecodeError::Patch(error)) => {
                stays_failed(&mut decoder, piece, images);
                return Err(error);
            }
            Err(DecodeError::Images(())) => unreachable!("memory cannot fail"),
        };
        at += taken;
        assert_eq!(decoder.position() as usize, images.new.len());
        if decoder.is_done() {
            break;
        }
        if decoder.position() == until {
            assert_eq!((decoder.consumed() - before) as usize, at);
            let mut saved = vec![0; Decoder::<P, Every>::SAVED_LEN];
            decoder.save(&mut saved);
            decoder = Decoder::resume(header, &saved)?;
        } else if at == rest.len() {
            break;
        } else {
            assert!(taken > 0, "no progress");
        }
    }
    decoder.finish()?;
    if at == rest.len() { Ok(()) } else { Err(PatchError::Trailing) }
}

/// A decoder that failed takes nothing more, whatever it is given, and writes nothing.
fn stays_failed<P: Profile>(decoder: &mut Decoder<P, Every>, piece: &[u8], images: &mut Memory<'_>) {
    let len = images.new.len();
    for again in [piece, &[]] {
        let outcome = decoder.push(again, u32::MAX, images);
        assert_eq!(outcome, Err(DecodeError::Patch(PatchError::Idle)), "a decoder goes on after it failed");
    }
    assert_eq!(decoder.finish(), Err(PatchError::Idle));
    assert_eq!(images.new.len(), len, "written after a failure");
}

/// Fuzz body: any bytes as a patch for `old`; must return, and write no byte too many.
pub(crate) fn any_patch(old: &[u8], patch: &[u8]) {
    let _ = decode(old, patch, &Feed { piece: 13, sector: 64 });
}

/// Fuzz body: any bytes as a saved state in the middle of a patch; must return.
pub(crate) fn any_state(old: &[u8], patch: &[u8], saved: &[u8], feed: &Feed) {
    let Ok(header) = Header::parse(patch) else { return };
    match header.profile() {
        ProfileId::S => any_state_of::<S>(old, patch, &header, saved, feed),
        ProfileId::M => any_state_of::<M>(old, patch, &header, saved, feed),
    }
}

fn any_state_of<P: Profile>(old: &[u8], patch: &[u8], header: &Header, saved: &[u8], feed: &Feed) {
    let Ok(mut decoder) = Decoder::<P, Every>::resume(header, saved) else { return };
    let mut again = vec![0; Decoder::<P, Every>::SAVED_LEN];
    decoder.save(&mut again);
    assert!(saved.starts_with(&again), "what was resumed is not what was saved");
    let written = vec![0; decoder.position() as usize];
    let mut images = Memory { old, new: written, size: header.new_size() as usize };
    let rest = patch.get(decoder.consumed() as usize..).unwrap_or(&[]);
    let _ = run(decoder, header, rest, feed, &mut images);
}

/// States that were saved in the course of a patch, `count` of them.
pub(crate) fn states(old: &[u8], patch: &[u8], count: u32) -> Vec<Vec<u8>> {
    let header = Header::parse(patch).expect("a good patch");
    match header.profile() {
        ProfileId::S => states_of::<S>(old, patch, &header, count),
        ProfileId::M => states_of::<M>(old, patch, &header, count),
    }
}

fn states_of<P: Profile>(old: &[u8], patch: &[u8], header: &Header, count: u32) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::<P, Every>::start(header).expect("a good patch");
    let mut images = Memory { old, new: Vec::new(), size: header.new_size() as usize };
    let save = |n: u32| {
        let until = (u64::from(header.new_size()) * u64::from(n) / u64::from(count)) as u32;
        while decoder.position() < until {
            let rest = &patch[decoder.consumed() as usize..];
            decoder.push(rest, until, &mut images).expect("a good patch");
        }
        let mut saved = vec![0; Decoder::<P, Every>::SAVED_LEN];
        decoder.save(&mut saved);
        saved
    };
    (0..count).map(save).collect()
}

/// Fuzz body: a saved state of which some words were changed. The first byte says which state, the second how much of the
/// patch a push gets; then four bytes for each change.
pub(crate) fn edited_state(old: &[u8], patch: &[u8], states: &[Vec<u8>], input: &[u8]) {
    let [which, piece, edits @ ..] = input else { return };
    let mut saved = states[usize::from(*which) % states.len()].clone();
    edits.as_chunks().0.iter().for_each(|edit| alter(&mut saved, *edit));
    any_state(old, patch, &saved, &Feed { piece: 1 + usize::from(*piece), sector: 64 });
}

/// What is likely to be a bound of something.
const EDGES: [u32; 12] = [0, 1, 2, 3, 4, 32, 64, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF];
/// Words at the begin of a state that are numbers; tables follow.
const NUMBERS: usize = 80;

/// Changes one word of a state.
fn alter(saved: &mut [u8], [low, high, how, value]: [u8; 4]) {
    let words = if how & 8 == 0 { NUMBERS } else { saved.len() / 4 };
    let place = usize::from(u16::from_le_bytes([low, high])) % words;
    let Some(bytes) = saved.as_chunks_mut::<4>().0.get_mut(place) else { return };
    let word = u32::from_le_bytes(*bytes);
    let changed = match how & 7 {
        0 | 1 => word.wrapping_add_signed((value as i8).into()),
        2 | 3 => EDGES[usize::from(value) % EDGES.len()],
        4 => word ^ 1 << (value % 32),
        5 => u32::from(value) << 8 | 0xFF,
        how => word & !(0xFF << (8 * (how & 3))) | u32::from(value) << (8 * (how & 3)),
    };
    *bytes = changed.to_le_bytes();
}

/// Fuzz body: two images, the old one first, of which the first byte says the profile, the second how long the old one
/// is in units of 16 bytes. What is encoded must come out again, in pieces and with resumptions.
pub(crate) fn any_pair(input: &[u8]) {
    let [choice, len, rest @ ..] = input else { return };
    let (old, new) = rest.split_at(rest.len().min(usize::from(*len) * 16));
    let profile = if choice & 1 == 0 { ProfileId::S } else { ProfileId::M };
    let archs = [Arch::None, Arch::Thumb, Arch::RiscV, Arch::Xtensa];
    let arch = ArchChoice::Fixed(archs[usize::from(choice >> 1) % 4]);
    // Nothing has no patch.
    let Ok(made) = encode(old, new, &mut Options { profile, arch, progress: None }) else {
        return assert!(new.is_empty());
    };
    assert!(decode(old, &made, &Feed { piece: 1 + usize::from(choice >> 3), sector: 100 }).as_deref() == Ok(new));
}
