//! What a successful verification yields, and the rules it was judged by.

use ota_hal::SlotId;

/// A UUID of RFC 9562, as MCUboot's UUID_VID and UUID_CID TLVs hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
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

/// Proof that the image in `slot` was read back whole and verified. Only this crate makes one; staging spends it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    slot: SlotId,
    digest: [u8; 32],
    version: Version,
    security_counter: u32,
}

impl Verified {
    // `verify_image` is the only caller.
    #[expect(dead_code)]
    pub(crate) const fn new(slot: SlotId, digest: [u8; 32], version: Version, security_counter: u32) -> Self {
        Self { slot, digest, version, security_counter }
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
        self.version
    }
    /// The image's security counter.
    pub const fn security_counter(&self) -> u32 {
        self.security_counter
    }
}
