//! The manifest: which components a package updates, and which payload suits which device.
//!
//! A postcard stream: one [`Head`], then for each component one [`ComponentHead`] followed by its [`Payload`]s.
//! The structs are serde's for writers and tools. The reader here is written by hand: it goes through the stream item by
//! item, holds no list, and takes exactly what postcard takes. The first byte is the schema number.
//!
//! # Source
//! RFC 9124 for the terms; the postcard wire format specification, version 1, for the encoding.

mod walk;

use crate::image::check_counter;
use crate::{PackageError, Refusal, Uuid, Version};
use ota_hal::SlotId;
use serde::{Deserialize, Serialize};
use walk::{Taken, Walk};

/// The only schema so far.
pub const SCHEMA: u8 = 1;
/// Most bytes a component name may have.
pub const NAME_MAX: usize = 32;
/// The name of the firmware component.
pub const FIRMWARE: &str = "";

/// The first item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
    pub schema: u8,
    /// Grows with every manifest of one product.
    pub sequence: u32,
    /// For devices of this vendor.
    pub vendor: Uuid,
    /// For devices of this class.
    pub class: Uuid,
    /// How many components follow.
    pub components: u8,
}

/// The start of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentHead<'a> {
    /// Name; [`FIRMWARE`] for the firmware.
    #[serde(borrow)]
    pub name: &'a str,
    /// Version of the new image.
    pub version: Version,
    /// Security counter of the new image.
    pub security_counter: u32,
    /// How many payloads follow.
    pub payloads: u8,
}

/// Which slot an image is linked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForSlot {
    /// Runs from either.
    Any,
    /// Slot A only.
    A,
    /// Slot B only.
    B,
}

impl ForSlot {
    /// Whether the image runs from `slot`.
    pub const fn suits(self, slot: SlotId) -> bool {
        matches!((self, slot), (Self::Any, _) | (Self::A, SlotId::A) | (Self::B, SlotId::B))
    }
}

/// How the payload becomes the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// It is the image.
    Raw,
    /// Compressed.
    Compressed,
    /// A delta.
    Delta {
        /// SHA-256 of the complete image file the delta starts from, header to last TLV.
        base: [u8; 32],
    },
}

/// An [`Encoding`] without what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The image as it is.
    Raw = 0,
    /// Compressed.
    Compressed = 1,
    /// A delta.
    Delta = 2,
}

impl Encoding {
    /// Which of them it is.
    pub const fn form(&self) -> Form {
        match self {
            Self::Raw => Form::Raw,
            Self::Compressed => Form::Compressed,
            Self::Delta { .. } => Form::Delta,
        }
    }
}

/// One payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Which slot the image is for.
    pub slot: ForSlot,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Length of the complete image file.
    pub image_size: u32,
    /// SHA-256 of the complete image file, header to last TLV.
    pub image_digest: [u8; 32],
    /// Where the payload starts in the package.
    pub offset: u32,
    /// How many bytes it has there.
    pub length: u32,
    /// SHA-256 of those bytes.
    pub digest: [u8; 32],
}

impl Payload {
    /// One past the payload's last byte; [`Manifest`] has checked that it exists.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.length)
    }
}

/// The largest image that a device can make of a payload of each form besides the raw one: 0 where it cannot decode it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepts {
    /// Of a delta.
    pub delta: u32,
    /// Of a compressed image.
    pub compressed: u32,
    /// The simplest form is to be taken, raw before compressed before a delta: one of these came out wrong.
    pub simple_first: bool,
}

impl Accepts {
    /// Decodes everything, however large.
    pub const ALL: Self = Self { delta: u32::MAX, compressed: u32::MAX, simple_first: false };
    /// Takes raw images only.
    pub const RAW: Self = Self { delta: 0, compressed: 0, simple_first: false };
}

/// The payload chosen for a device, with what is known of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// Version of the new image.
    pub version: Version,
    /// Security counter of the new image.
    pub security_counter: u32,
    /// The payload.
    pub payload: Payload,
}

/// One component of a validated manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component<'a> {
    /// Its own fields.
    pub head: ComponentHead<'a>,
    bytes: &'a [u8],
}

impl<'a> Component<'a> {
    /// Its payloads, in stored order.
    pub fn payloads(&self) -> impl Iterator<Item = Payload> + use<'a> {
        let mut walk = Walk::new(self.bytes, 0);
        walk.payloads = self.head.payloads;
        core::iter::from_fn(move || walk.payload().ok().flatten().map(|taken| taken.payload()))
    }
}

/// A manifest that was authentic, for this device, and valid as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Manifest<'a> {
    head: Head,
    body: &'a [u8],
}

impl<'a> Manifest<'a> {
    /// Parses and validates. The caller has verified a signature over `bytes`.
    pub(crate) fn parse(
        bytes: &'a [u8],
        envelope_end: u32,
        floor: u32,
        judge: impl FnOnce(&Head) -> Result<(), Refusal>,
    ) -> Result<Self, PackageError> {
        // The schema decides how the rest is read, so it is looked at alone.
        match bytes.first() {
            Some(&SCHEMA) => {}
            Some(&other) => return Err(PackageError::Schema(other)),
            None => return Err(PackageError::Manifest),
        }
        let mut walk = Walk::new(bytes, 0);
        let head = walk.head()?;
        judge(&head)?;
        let manifest = Self { head, body: walk.rest };
        manifest.check_structure(envelope_end)?;
        manifest.check_names()?;
        manifest.check_overlaps()?;
        // The floor is the firmware's; counters of other components are judged by their targets.
        if let Some((firmware, _)) = manifest.find(FIRMWARE) {
            check_counter(firmware.security_counter, floor)?;
        }
        Ok(manifest)
    }

    /// Parses and validates a manifest whose signature nobody checked. For tools that show files; what comes out
    /// proves nothing.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn inspect(bytes: &'a [u8], envelope_end: u32) -> Result<Self, PackageError> {
        Self::parse(bytes, envelope_end, 0, |_| Ok(()))
    }

    /// The first item.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The components, in stored order.
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        let mut walk = self.walk();
        core::iter::from_fn(move || {
            let head = walk.component().ok()??;
            Some(Component { head, bytes: walk.rest })
        })
    }

    /// The component of that name.
    pub fn component(&self, name: &str) -> Option<Component<'a>> {
        let (head, walk) = self.find(name)?;
        Some(Component { head, bytes: walk.rest })
    }

    /// The length the whole package must have at least: the end of its last payload.
    pub fn package_len(&self) -> u32 {
        let mut walk = self.walk();
        let mut len = 0;
        while let Some(payload) = walk.any_payload() {
            len = len.max(payload.end());
        }
        len
    }

    /// Picks the payload for this device: a delta whose base it holds, else compressed, else raw, whatever its size (with
    /// [`Accepts::simple_first`] the other way round); of equals the first. `holds` says whether the device holds the base of this digest (SHA-256 of a complete image file, the one
    /// in the running slot); it is asked for deltas that would be taken, and for nothing else.
    ///
    /// # Errors
    /// [`PackageError::NoSuchComponent`], [`PackageError::NoUsablePayload`].
    pub fn select(
        &self,
        name: &str,
        slot: SlotId,
        accepts: Accepts,
        holds: &mut dyn FnMut(&[u8; 32]) -> bool,
    ) -> Result<Selected, PackageError> {
        let (component, mut walk) = self.find(name).ok_or(PackageError::NoSuchComponent)?;
        let mut best = None;
        while let Some(taken) = walk.payload()? {
            let most = match taken.form {
                Form::Raw => u32::MAX,
                Form::Compressed => accepts.compressed,
                Form::Delta => accepts.delta,
            };
            let simple = taken.form as u8;
            let rank = if accepts.simple_first { simple } else { u8::MAX - simple };
            let better = best.as_ref().is_none_or(|(least, _)| rank < *least);
            if better
                && taken.slot.suits(slot)
                && taken.image_size <= most
                && (taken.form != Form::Delta || holds(taken.base))
            {
                best = Some((rank, taken));
            }
        }
        let (_, taken) = best.ok_or(PackageError::NoUsablePayload)?;
        let ComponentHead { version, security_counter, .. } = component;
        Ok(Selected { version, security_counter, payload: taken.payload() })
    }

    fn walk(&self) -> Walk<'a> {
        Walk::new(self.body, self.head.components)
    }

    /// The component of that name, and what comes after its head.
    #[inline(never)]
    fn find(&self, name: &str) -> Option<(ComponentHead<'a>, Walk<'a>)> {
        let mut walk = self.walk();
        loop {
            let head = walk.component().ok()??;
            if head.name == name {
                return Some((head, walk));
            }
        }
    }

    fn check_structure(&self, envelope_end: u32) -> Result<(), PackageError> {
        if self.head.components == 0 {
            return Err(PackageError::NoComponents);
        }
        let mut walk = self.walk();
        while let Some(head) = walk.component()? {
            // The payloads are all there, or the manifest is malformed, whatever else it says.
            let mut ahead = walk;
            while ahead.payload()?.is_some() {}
            if head.name.len() > NAME_MAX {
                return Err(PackageError::NameTooLong);
            }
            if head.payloads == 0 {
                return Err(PackageError::NoPayloads);
            }
            while let Some(payload) = walk.payload()? {
                check_payload(&payload, envelope_end)?;
            }
        }
        if walk.rest.is_empty() { Ok(()) } else { Err(PackageError::Trailing) }
    }

    fn check_names(&self) -> Result<(), PackageError> {
        let mut walk = self.walk();
        while let Some(head) = walk.component()? {
            let mut others = walk;
            while let Some(other) = others.component()? {
                if other.name == head.name {
                    return Err(PackageError::DuplicateComponent);
                }
            }
        }
        Ok(())
    }

    /// Quadratic, over the few payloads that fit an envelope, in exchange for no memory.
    fn check_overlaps(&self) -> Result<(), PackageError> {
        let mut walk = self.walk();
        while let Some(a) = walk.any_payload() {
            let mut others = walk;
            while let Some(b) = others.any_payload() {
                if a.offset < b.end() && b.offset < a.end() {
                    return Err(PackageError::Overlap);
                }
            }
        }
        Ok(())
    }
}

fn check_payload(payload: &Taken<'_>, envelope_end: u32) -> Result<(), PackageError> {
    if payload.length == 0 || payload.image_size == 0 {
        return Err(PackageError::EmptyPayload);
    }
    if payload.offset < envelope_end || payload.offset.checked_add(payload.length).is_none() {
        return Err(PackageError::PayloadRange);
    }
    let is_image = payload.length == payload.image_size && payload.digest == payload.image_digest;
    if payload.form == Form::Raw && !is_image {
        return Err(PackageError::RawMismatch);
    }
    Ok(())
}
