//! The image that runs, as the base of a delta.

use ota_hal::{Flash, Region};
use ota_verify::digest_region_with;
use ota_verify::image::ImageInfo;

/// The running slot, and what was found there.
pub(super) struct Base<F> {
    pub(super) region: Region<F>,
    known: Option<Known>,
}

/// What tells an image from all others.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Of the whole file, header to last TLV.
    pub(super) size: u32,
    /// SHA-256 of it.
    pub(super) digest: [u8; 32],
}

impl<F: Flash> Base<F> {
    pub(super) const fn new(region: Region<F>) -> Self {
        Self { region, known: None }
    }

    /// Size and digest of the image; it is read once. `None` when there is none, or it cannot be read.
    pub(super) fn identify(&mut self, progress: &mut dyn FnMut()) -> Option<Known> {
        if self.known.is_none() {
            let size = ImageInfo::read(&mut self.region).ok()?.file_len();
            let digest = digest_region_with(&mut self.region, size, |_| progress()).ok()?;
            self.known = Some(Known { size, digest });
        }
        self.known
    }
}
