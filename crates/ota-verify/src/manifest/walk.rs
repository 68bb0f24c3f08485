//! Reading the stream, item by item.
//!
//! # Source
//! The postcard wire format specification, version 1: fixed bytes as they are, `u16` and `u32` as varints, enums as a
//! varint of the variant's number, strings as a varint of their length and the bytes.

use super::{ComponentHead, Encoding, ForSlot, Form, Head, Payload};
use crate::{PackageError, Uuid, Version};

/// A place in a manifest. A copy of it looks ahead.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) rest: &'a [u8],
    /// Components that were not begun.
    components: u8,
    /// Payloads of the present component that were not read.
    pub(super) payloads: u8,
}

/// A [`Payload`] that leaves its digests where they are.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    pub(super) slot: ForSlot,
    pub(super) form: Form,
    /// Of a delta; else zeros.
    pub(super) base: &'a [u8; 32],
    pub(super) image_size: u32,
    pub(super) image_digest: &'a [u8; 32],
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) digest: &'a [u8; 32],
}

impl Taken<'_> {
    pub(super) const fn end(&self) -> u32 {
        self.offset.saturating_add(self.length)
    }
    pub(super) fn payload(&self) -> Payload {
        let encoding = match self.form {
            Form::Raw => Encoding::Raw,
            Form::Compressed => Encoding::Compressed,
            Form::Delta => Encoding::Delta { base: *self.base },
        };
        let Self { slot, image_size, offset, length, .. } = *self;
        let (image_digest, digest) = (*self.image_digest, *self.digest);
        Payload { slot, encoding, image_size, image_digest, offset, length, digest }
    }
}

impl<'a> Walk<'a> {
    pub(super) const fn new(rest: &'a [u8], components: u8) -> Self {
        Self { rest, components, payloads: 0 }
    }

    /// The first item of a manifest.
    pub(super) fn head(&mut self) -> Result<Head, PackageError> {
        let read = |walk: &mut Self| {
            let schema = walk.u8()?;
            let sequence = walk.varint(32)?;
            let (vendor, class) = (Uuid(*walk.array()?), Uuid(*walk.array()?));
            Some(Head { schema, sequence, vendor, class, components: walk.u8()? })
        };
        read(self).ok_or(PackageError::Manifest)
    }

    /// Goes to the next component. `None`: there are no more.
    #[inline(never)]
    pub(super) fn component(&mut self) -> Result<Option<ComponentHead<'a>>, PackageError> {
        while self.payload()?.is_some() {}
        let Some(left) = self.components.checked_sub(1) else {
            return Ok(None);
        };
        let head = self.component_head().ok_or(PackageError::Manifest)?;
        self.components = left;
        self.payloads = head.payloads;
        Ok(Some(head))
    }

    /// Takes the next payload of the present component. `None`: it has no more.
    #[inline(never)]
    pub(super) fn payload(&mut self) -> Result<Option<Taken<'a>>, PackageError> {
        let Some(left) = self.payloads.checked_sub(1) else {
            return Ok(None);
        };
        self.payloads = left;
        self.taken().map(Some).ok_or(PackageError::Manifest)
    }

    /// Takes the next payload of any component; `None` at the end, as for a manifest that has no structure.
    #[inline(never)]
    pub(super) fn any_payload(&mut self) -> Option<Taken<'a>> {
        loop {
            if let Some(taken) = self.payload().ok()? {
                return Some(taken);
            }
            self.component().ok()??;
        }
    }

    fn component_head(&mut self) -> Option<ComponentHead<'a>> {
        let len = usize::try_from(self.varint(32)?).ok()?;
        let name = core::str::from_utf8(self.bytes(len)?).ok()?;
        let [major, minor] = *self.array()?;
        let revision = u16::try_from(self.varint(16)?).ok()?;
        let version = Version { major, minor, revision, build: self.varint(32)? };
        Some(ComponentHead { name, version, security_counter: self.varint(32)?, payloads: self.u8()? })
    }

    fn taken(&mut self) -> Option<Taken<'a>> {
        let slot = match self.varint(32)? {
            0 => ForSlot::Any,
            1 => ForSlot::A,
            2 => ForSlot::B,
            _ => return None,
        };
        let form = match self.varint(32)? {
            0 => Form::Raw,
            1 => Form::Compressed,
            2 => Form::Delta,
            _ => return None,
        };
        let base = if form == Form::Delta { self.digest()? } else { &[0; 32] };
        let image_size = self.varint(32)?;
        let image_digest = self.digest()?;
        let (offset, length) = (self.varint(32)?, self.varint(32)?);
        Some(Taken { slot, form, base, image_size, image_digest, offset, length, digest: self.digest()? })
    }

    /// An integer of so many bits: seven in each byte, the lowest first; the last byte holds no bit beyond them.
    #[inline(never)]
    fn varint(&mut self, bits: u32) -> Option<u32> {
        let mut value = 0;
        let mut shift = 0;
        while shift < bits {
            let byte = u32::from(self.u8()?);
            let part = byte & 0x7F;
            if bits - shift < 7 && part >> (bits - shift) != 0 {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline(never)]
    fn digest(&mut self) -> Option<&'a [u8; 32]> {
        self.array()
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(first)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests;
