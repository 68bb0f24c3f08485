//! What can be wrong with a patch, sorted by whose fault it is.

/// The patch broke the rules of the format. The same bytes will always be refused: make or fetch the patch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// Fewer bytes than a header.
    #[error("the patch is shorter than its header")]
    Short,
    /// The first bytes are not a patch's.
    #[error("this is not a patch")]
    Magic,
    /// A format version that this decoder does not know.
    #[error("the patch has format version {0}, which is not known here")]
    Version(u8),
    /// The header's checksum does not fit.
    #[error("the patch header is damaged")]
    Checksum,
    /// A header field has a value that it cannot have.
    #[error("the patch header contradicts itself")]
    Header,
    /// The patch was made for a larger decoder, or another one.
    #[error("the patch needs a decoder of profile {0:?}")]
    Profile(crate::ProfileId),
    /// The patch uses an instruction set that was left out of this decoder.
    #[error("the patch needs a decoder that knows {0:?} instructions")]
    Arch(crate::Arch),
    /// A copy reaches outside the image, or an operation past the end of the output; the output position.
    #[error("the patch copies from outside the image, at byte {0} of the output")]
    Range(u32),
    /// The patch ended before the image was complete; the output position.
    #[error("the patch ended early, at byte {0} of the output")]
    Truncated(u32),
    /// Bytes are left after the image was complete.
    #[error("bytes are left in the patch after the image was complete")]
    Trailing,
    /// A saved state is not one, or belongs to another patch. Start from the beginning of the patch.
    #[error("the saved decoder state does not fit this patch")]
    Saved,
    /// The decoder has nothing to decode: it was not begun, or it failed before. Begin anew, or resume from a saved state.
    #[error("the decoder was not begun, or failed before")]
    Idle,
}

/// Why decoding stopped. The output is incomplete; the slot it was written to can be erased at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError<E> {
    /// The patch is at fault: trying the same patch again cannot help.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// An image could not be read or written. The decoder is of no use any more: resume from a saved state.
    #[error("the image could not be read or written")]
    Images(E),
}
