//! Applying a patch to a whole image in memory.

use crate::{DecodeError, Decoder, Every, HEADER_LEN, Header, Images, M, PatchError, Profile, ProfileId, S};
use core::convert::Infallible;
use sha2::{Digest, Sha256};
use std::vec::Vec;

/// Why a patch could not be applied to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The patch was made for another image than this one.
    #[error("the patch was made for another old image: it has another size or digest")]
    Base,
    /// The patch is at fault.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// What came out is not what the patch's header promises: the patch was damaged.
    #[error("the patch is damaged: the image that comes out has another digest than the patch says")]
    Target,
}

/// Both images in memory.
pub(crate) struct Memory<'a> {
    pub(crate) old: &'a [u8],
    pub(crate) new: Vec<u8>,
}

impl Images for Memory<'_> {
    type Error = Infallible;

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.old[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.new[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.new.extend_from_slice(bytes);
        Ok(())
    }
}

/// Applies a patch to `old` and returns the new image; `old` is empty for a compressed full image.
///
/// # Errors
/// When `old` is not the image that the patch was made for, or when the patch is damaged.
pub fn patch(old: &[u8], patch: &[u8]) -> Result<Vec<u8>, ApplyError> {
    let header = Header::parse(patch)?;
    if header.old_size as usize != old.len() || !header.is_base(&Sha256::digest(old).into()) {
        return Err(ApplyError::Base);
    }
    let new = decode(&header, old, patch.get(HEADER_LEN..).unwrap_or(&[]))?;
    if header.is_target(&Sha256::digest(&new).into()) { Ok(new) } else { Err(ApplyError::Target) }
}

/// Decodes a stream with the decoder that its header names.
pub(crate) fn decode(header: &Header, old: &[u8], stream: &[u8]) -> Result<Vec<u8>, PatchError> {
    match header.profile() {
        ProfileId::S => decode_as::<S>(header, old, stream),
        ProfileId::M => decode_as::<M>(header, old, stream),
    }
}

fn decode_as<P: Profile>(header: &Header, old: &[u8], stream: &[u8]) -> Result<Vec<u8>, PatchError> {
    let mut decoder = Decoder::<P, Every>::start(header)?;
    let mut images = Memory { old, new: Vec::new() };
    let mut rest = stream;
    while !decoder.is_done() {
        let taken = decoder.push(rest, header.new_size(), &mut images).map_err(|error| match error {
            DecodeError::Patch(error) => error,
            DecodeError::Images(never) => match never {},
        })?;
        rest = &rest[taken..];
        if rest.is_empty() {
            break;
        }
    }
    decoder.finish()?;
    if rest.is_empty() { Ok(images.new) } else { Err(PatchError::Trailing) }
}
