//! What the delta benchmark works on: images and patches that lie in the PSRAM behind the flash part.
#![expect(unsafe_code, reason = "the mapped part is lent as slices")]

use crate::addresses::{DELTA, DELTA_NEW, DELTA_NEW_LEN, FLASH, SECTOR};
use core::sync::atomic::{AtomicBool, Ordering};

/// "ODB1".
const MAGIC: u32 = 0x3142_444F;
/// Magic, lengths of the old and the new image and of the patches for profiles M and S, then the new image's SHA-256.
const HEAD_WORDS: usize = 13;

/// Two images and the patches between them.
#[derive(Debug)]
pub struct Samples {
    /// The image that is there.
    pub old: &'static [u8],
    /// For profiles M and S.
    pub patches: [&'static [u8]; 2],
    /// Room for the new image, exactly.
    pub new: &'static mut [u8],
    /// SHA-256 of the new image.
    pub digest: [u8; 32],
}

impl Samples {
    /// What `cargo xtask bench delta` put there; once. `None` when there is nothing, or more than there is room for.
    pub fn take() -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the mapped part is always there, aligned, and nothing writes to this part of it.
        let head: &[u32; HEAD_WORDS] = unsafe { &*((FLASH + DELTA) as *const [u32; HEAD_WORDS]) };
        let [magic, old, new, m, s, digest @ ..] = *head;
        let lens = [old, m, s].map(|len| len.next_multiple_of(4));
        let end = lens.iter().try_fold(DELTA + SECTOR, |at, len| at.checked_add(*len))?;
        if magic != MAGIC || end > DELTA_NEW || new > DELTA_NEW_LEN {
            return None;
        }
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(4).zip(digest) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let at = DELTA + SECTOR;
        // SAFETY: these ranges were just checked to lie in the mapped part and apart from each other, nothing else
        // uses them, and they are lent once.
        unsafe {
            let slice = |at: u32, len: u32| core::slice::from_raw_parts((FLASH + at) as *const u8, len as usize);
            Some(Self {
                old: slice(at, old),
                patches: [slice(at + lens[0], m), slice(at + lens[0] + lens[1], s)],
                new: core::slice::from_raw_parts_mut((FLASH + DELTA_NEW) as *mut u8, new as usize),
                digest: bytes,
            })
        }
    }
}
