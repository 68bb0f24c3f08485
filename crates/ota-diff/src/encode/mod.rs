//! The encoder.

#[cfg(feature = "bsdiff")]
mod foreign;
mod history;
mod oracle;
mod parse;
mod range;
mod space;
mod tries;
mod views;

use crate::{Arch, DIGEST_LEN, HEADER_LEN, Header, M, ProfileId, S};
#[cfg(feature = "bsdiff")]
pub use foreign::from_bsdiff40;
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
    /// The new image has no bytes.
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
/// When the new image is empty, an image is too large, or the shipped decoder does not give the new image back.
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
    let passes = archs.len() * tries::PASSES;
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
    let best = match options.profile {
        ProfileId::S => tries::best::<S>(old, new, &archs, &mut progress),
        ProfileId::M => tries::best::<M>(old, new, &archs, &mut progress),
    };
    let (terms, stream) = best.ok_or(EncodeError::Empty)?;
    let mut header = Header {
        profile: options.profile,
        arch: terms.arch,
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
    // Passes that were not needed count as done.
    if let Some(tell) = &mut options.progress {
        tell(Progress { permille: 1000 });
    }
    let mut patch = header.to_bytes().to_vec();
    patch.extend(stream);
    Ok(patch)
}

/// Compresses a full image: a patch against nothing.
///
/// # Errors
/// As [`encode`].
pub fn compress(new: &[u8], options: &mut Options<'_>) -> Result<Vec<u8>, EncodeError> {
    encode(&[], new, options)
}
