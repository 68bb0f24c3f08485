//! The encoder.

#[cfg(feature = "bsdiff")]
mod foreign;
mod history;
mod oracle;
mod parse;
mod range;
mod space;
mod views;

use crate::isa::Space;
use crate::model::Model;
use crate::output::Output;
use crate::{Arch, DIGEST_LEN, Every, HEADER_LEN, Header, Images, M, Profile, ProfileId, S};
use core::convert::Infallible;
#[cfg(feature = "bsdiff")]
pub use foreign::from_bsdiff40;
use range::RangeEncoder;
use sha2::{Digest, Sha256};
use std::vec::Vec;

/// Which instruction set the model is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArchChoice {
    /// The one that gives the smallest patch.
    #[default]
    Auto,
    /// This one.
    Fixed(Arch),
}

/// How far the encoder got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Work done so far, of 1,000.
    pub permille: u16,
}

/// What to encode for.
pub struct Options<'a> {
    /// The decoder that will read the patch.
    pub profile: ProfileId,
    /// The instruction set of the images.
    pub arch: ArchChoice,
    /// Is told how far the encoder got.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { profile: ProfileId::M, arch: ArchChoice::Auto, progress: None }
    }
}

/// Why no patch was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An image has no bytes, where it must have some.
    #[error("the new image is empty")]
    Empty,
    /// An image is larger than the format allows: 256 MiB.
    #[error("an image of {0} bytes is too large: 256 MiB are the most")]
    TooLarge(u64),
    /// The shipped decoder did not make the new image of the patch: a mistake in this encoder. No patch is returned.
    #[error("the patch failed its self-check: please report this")]
    SelfCheck,
    /// The bytes are not a patch of bsdiff 4, or it does not fit the old image.
    #[error("this is not a BSDIFF40 patch for the old image")]
    Foreign,
}

/// Makes a patch that turns `old` into `new`.
///
/// # Errors
/// When an image is empty or too large.
pub fn encode(old: &[u8], new: &[u8], options: &mut Options<'_>) -> Result<Vec<u8>, EncodeError> {
    for image in [old, new] {
        if image.len() > crate::header::MAX_SIZE as usize {
            return Err(EncodeError::TooLarge(image.len() as u64));
        }
    }
    if new.is_empty() {
        return Err(EncodeError::Empty);
    }
    let archs = match options.arch {
        ArchChoice::Fixed(arch) => std::vec![arch],
        ArchChoice::Auto => space::candidates(old, new),
    };
    let passes = archs.len() * PASSES;
    let mut passed = 0;
    let mut progress = |done: usize| {
        if done == new.len() {
            passed += 1;
        }
        if let Some(tell) = &mut options.progress {
            let part = (passed * new.len() + done % new.len()) * 1000 / (passes * new.len());
            tell(Progress { permille: part.min(1000) as u16 });
        }
    };
    let tries = archs.into_iter().map(|arch| match options.profile {
        ProfileId::S => smallest::<S>(old, new, arch, &mut progress),
        ProfileId::M => smallest::<M>(old, new, arch, &mut progress),
    });
    let best = tries.min_by_key(|(_, stream)| stream.len());
    let (space, stream) = best.ok_or(EncodeError::Empty)?;
    let mut header = Header {
        profile: options.profile,
        arch: space.arch,
        patch_len: (HEADER_LEN + stream.len()) as u32,
        old_size: old.len() as u32,
        new_size: new.len() as u32,
        base: [0; DIGEST_LEN],
        target: [0; DIGEST_LEN],
    };
    header.base.copy_from_slice(&Sha256::digest(old)[..DIGEST_LEN]);
    header.target.copy_from_slice(&Sha256::digest(new)[..DIGEST_LEN]);
    if crate::patch::decode(&header, old, &stream).as_deref() != Ok(new) {
        return Err(EncodeError::SelfCheck);
    }
    let mut patch = header.to_bytes().to_vec();
    patch.extend(stream);
    Ok(patch)
}

/// Compresses a full image: a patch against nothing.
///
/// # Errors
/// When the image is empty or too large.
pub fn compress(new: &[u8], options: &mut Options<'_>) -> Result<Vec<u8>, EncodeError> {
    encode(&[], new, options)
}

struct Pair<'a> {
    old: &'a [u8],
    new: &'a [u8],
}

impl Images for Pair<'_> {
    type Error = Infallible;
    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.old[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.new[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Times the images are parsed per instruction set.
const PASSES: usize = 2;

/// The smallest stream for an instruction set.
fn smallest<P: Profile>(old: &[u8], new: &[u8], arch: Arch, progress: &mut dyn FnMut(usize)) -> (Space, Vec<u8>) {
    let space = space::guess(arch, old, new);
    let (blank_old, blank_new) = (views::blank(old, &space), views::blank(new, &space));
    let (raw, blank) = (views::Index::new(old), views::Index::new(&blank_old));
    let has_blank = arch != Arch::None;
    let pair =
        parse::Pair { old, new, blank_old: &blank_old, blank_new: &blank_new, raw: &raw, blank: &blank, has_blank };
    let costs = parse::Costs::TYPICAL;
    let plan = parse::parse(&pair, None, costs, progress);
    let mut coder = RangeEncoder::new(new, &plan);
    coder.lessons = Some(Vec::new());
    let lessons = run::<P>(old, new, coder, space).lessons.unwrap_or_default();
    let oracle = oracle::Oracle::new(old, new, space, lessons);
    let plan = parse::parse(&pair, Some(&oracle), costs, progress);
    let streams = space::bases(&space).into_iter().map(|space| {
        let coder = run::<P>(old, new, RangeEncoder::new(new, &plan), space);
        (space, coder.finish())
    });
    streams.min_by_key(|(_, stream)| stream.len()).unwrap_or((space, Vec::new()))
}

/// Runs the model over a plan.
fn run<'a, P: Profile>(old: &[u8], new: &[u8], mut coder: RangeEncoder<'a>, space: Space) -> RangeEncoder<'a> {
    let mut model = Model::<P>::idle();
    model.begin(space, new.len() as u32);
    // What the stream begins with.
    model.space = space;
    let mut output = Output::new();
    let mut images = Pair { old, new };
    while output.produced() < new.len() as u32 {
        // A plan that this refuses fails the self-check.
        if model.step::<Every, _, _>(&mut coder, &mut output, &mut images).is_err() {
            break;
        }
        let _ = output.flush(&mut images, u32::MAX);
    }
    coder
}
