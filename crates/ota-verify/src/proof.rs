//! What a successful verification yields, and the rules it was judged by.

use crate::Refusal;
use crate::image::ImageInfo;
use core::fmt;
use core::hint::black_box;
use ota_hal::SlotId;
use serde::{Deserialize, Serialize};

/// A UUID of RFC 9562, as MCUboot's UUID_VID and UUID_CID TLVs hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Reads the usual text form, with or without hyphens; usable in a `const`.
    ///
    /// ```
    /// # use ota_verify::Uuid;
    /// const VENDOR: Uuid = Uuid::parse("3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d").unwrap();
    /// assert_eq!(VENDOR.0[0], 0x3e);
    /// assert_eq!(Uuid::parse("3e8a1f52"), None);
    /// ```
    pub const fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let mut bytes = [0; 16];
        let (mut digits, mut i) = (0, 0);
        while i < text.len() {
            let value = match text[i] {
                c @ b'0'..=b'9' => c - b'0',
                c @ b'a'..=b'f' => c - b'a' + 10,
                c @ b'A'..=b'F' => c - b'A' + 10,
                // Where the groups end: 8-4-4-4-12 digits.
                b'-' if matches!((digits, i), (8, 8) | (12, 13) | (16, 18) | (20, 23)) => {
                    i += 1;
                    continue;
                }
                _ => return None,
            };
            if digits == 32 {
                return None;
            }
            bytes[digits / 2] = bytes[digits / 2] << 4 | value;
            digits += 1;
            i += 1;
        }
        if digits == 32 && (i == 32 || i == 36) { Some(Self(bytes)) } else { None }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Who this device is: images and manifests for others are refused (RFC 9124, vendor and class identifier).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Vendor id.
    pub vendor: Uuid,
    /// Class id: one per set of devices that can run the same image.
    pub class: Uuid,
}

/// What an image or a manifest must satisfy.
#[derive(Debug)]
pub struct Rules<'k, K> {
    /// The keys that may sign.
    pub keys: &'k K,
    /// Vendor and class.
    pub identity: Identity,
    /// Lowest acceptable security counter.
    pub floor: u32,
}

/// An image version, as in the MCUboot header. Ordered field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Version {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Revision.
    pub revision: u16,
    /// Build number.
    pub build: u32,
}

/// Which of a loader's two verifications of one image this is. They have nothing in common but the code: each reads the
/// whole image, so a fault while one of them runs leaves the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The first.
    First,
    /// The second.
    Second,
}

/// What a pass leaves in the proof: words far from each other and from what memory is likely to hold.
const MARKS: [u32; 2] = [0x5AC3_96E1, 0xC639_7A8D];

/// Proof that the image in `slot` was read back whole and verified. Only this crate makes one; staging spends it.
///
/// # Faults of the processor
/// The proof holds one word for each verification, and where the payload starts is read through both of them: from the
/// proof of an image that did not pass both, whichever branch was taken by mistake, follows no address of that image.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    slot: SlotId,
    digest: [u8; 32],
    info: ImageInfo,
    security_counter: u32,
    marks: [u32; 2],
}

impl Verified {
    // `judge` and its callers are the only ones of these three. It fills in the parts, and gives the value out when all rules hold.
    pub(crate) const fn blank(slot: SlotId) -> Self {
        Self { slot, digest: [0; 32], info: ImageInfo::NONE, security_counter: 0, marks: [0; 2] }
    }
    /// Forgets what `pass` found before.
    pub(crate) const fn begin(&mut self, slot: SlotId, pass: Pass) {
        self.slot = slot;
        self.marks[pass as usize] = 0;
    }
    /// All rules hold in `pass`. The compiler is not to know that the word is always the same.
    pub(crate) fn pass(&mut self, pass: Pass) {
        let [first, second] = &mut self.marks;
        match pass {
            Pass::First => *first = black_box(MARKS[0]),
            Pass::Second => *second = black_box(MARKS[1]),
        }
    }
    /// 0 when the image passed twice.
    pub(crate) const fn doubt(&self) -> u32 {
        self.marks[0] ^ MARKS[0] ^ self.marks[1] ^ MARKS[1]
    }
    pub(crate) const fn parts(&mut self) -> (&mut ImageInfo, &mut [u8; 32], &mut u32) {
        (&mut self.info, &mut self.digest, &mut self.security_counter)
    }
    /// The slot the image is in.
    pub const fn slot(&self) -> SlotId {
        self.slot
    }
    /// SHA-256 over header, payload and protected TLVs.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
    /// The image's version.
    pub const fn version(&self) -> Version {
        self.info.header().version
    }
    /// The image's security counter.
    pub const fn security_counter(&self) -> u32 {
        self.security_counter
    }
    /// Where the payload starts in the slot.
    pub const fn payload_offset(&self) -> u32 {
        self.info.payload_offset() ^ self.doubt()
    }
    /// How many bytes the payload has.
    pub const fn payload_len(&self) -> u32 {
        self.info.payload_len()
    }
    /// The length of the whole image file, from the header to the last TLV.
    pub const fn file_len(&self) -> u32 {
        self.info.file_len()
    }
    /// The flash address the image is linked for, if it says so (ROM_FIXED). See [`Verified::linked_at`].
    pub const fn rom_address(&self) -> Option<u32> {
        self.info.header().rom_address()
    }
    /// Whether the image can be executed in a slot that the processor sees at `slot`: it must say that it is linked
    /// for just this address. The address is the slot's, not the payload's.
    ///
    /// # Errors
    /// [`Refusal::WrongAddress`]. The image is authentic all the same.
    pub const fn linked_at(&self, slot: u32) -> Result<(), Refusal> {
        match self.rom_address() {
            Some(linked) if linked == slot => Ok(()),
            linked => Err(Refusal::WrongAddress { linked, slot }),
        }
    }
}
