//! The job: what must survive a power cut to finish an update. Two records: `Kind::Job`, and in `progress` the one beside it.
//!
//! ```text
//! Kind::Job       0 version 3 │ phase │ flags │ device │ u64 id │
//!                12 u32 offered size │ u32 seen size │ u32 offset │ u32 length │ u32 image size │
//!                32 slot │ checksum kind │ u16 length of the locator │ [32] image digest │ [32] checksum │
//!               100 locator │ u8 length, validator │ u8 length, module │ u8 length, version text
//! ```
//! Flags: 1 signed by the cloud, 2 image digest present, 4 fetched again after damage, 8 compressed payload, 16 delta.
//! Size 0: not known. Other versions are not read: such a job is dropped with a report.
//! All numbers are little-endian. The journal guards the bytes with a CRC; decoding is total all the same.

mod progress;

use crate::Plan;
use crate::codec::{Reader, Writer};
use crate::outbox::Image;
use core::ops::Range;
use heapless::{String, Vec};
use ota_download::Validator;
use ota_hal::SlotId;
use ota_transport::{Checksum, Component, Locator, Offer};
use ota_verify::manifest::Form;
pub(crate) use progress::{PROGRESS_MAX, Progress};

/// Most bytes of a locator (URL).
pub const LOCATOR_MAX: usize = 1600;
/// Most bytes of an offer's version text.
pub const VERSION_MAX: usize = 64;
/// Most bytes of a module name.
pub const MODULE_MAX: usize = 32;
/// Bytes of a record before its locator, which has a place of its own so that a record is changed without moving it.
pub(crate) const HEAD: usize = CHECKSUM.end;
const DIGEST: Range<usize> = 36..68;
const CHECKSUM: Range<usize> = 68..100;
/// Most bytes after the locator.
const TAIL_MAX: usize = 3 + VALIDATOR_MAX + MODULE_MAX + VERSION_MAX;
/// Most bytes of a validator.
const VALIDATOR_MAX: usize = 64;
const JOB_VERSION: u8 = 3;
/// All flags but the two highest, which exclude each other.
const FLAGS_MAX: u8 = 16 | 7;

const _: () = assert!(HEAD + LOCATOR_MAX + TAIL_MAX <= crate::ENVELOPE_BUFFER);

/// How far a job is. The order is the order of the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Kept for a later decision.
    Deferred = 0,
    /// Accepted; the envelope was not verified yet.
    Accepted = 1,
    /// A payload was chosen; the target may hold some of it.
    Selected = 2,
    /// Proven; staging is due or done.
    Staged = 3,
}

/// Which bytes of the object are fetched, and what they must become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) offset: u32,
    pub(crate) plan: Plan,
}

impl Payload {
    const NONE: Self = Self { offset: 0, plan: Plan::raw(0, None) };
}

/// The part of the record that is kept in memory. The locator stays on flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) phase: Phase,
    pub(crate) id: u64,
    pub(crate) device: u8,
    /// Size of the object that the offer stated. An object of another size is not what was offered.
    pub(crate) offered: Option<u32>,
    /// Size of the object as the source gave it. Forgotten when the job begins again.
    pub(crate) seen: Option<u32>,
    /// The cloud's key signed the checksum.
    pub(crate) cloud_signed: bool,
    /// What was fetched proved damaged once, and is fetched a second and last time.
    pub(crate) refetched: bool,
    pub(crate) slot: SlotId,
    pub(crate) payload: Payload,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) validator: Validator,
    pub(crate) module: String<MODULE_MAX>,
    pub(crate) version: String<VERSION_MAX>,
}

/// Why an offer cannot become a job; the text is for the report.
pub(crate) type Refusal = &'static str;

impl Job {
    /// Nothing yet. Jobs are filled in where they stay: a move of one costs more code than its fields.
    pub(crate) const fn none() -> Self {
        Self {
            phase: Phase::Accepted,
            id: 0,
            device: 0,
            offered: None,
            seen: None,
            cloud_signed: false,
            refetched: false,
            slot: SlotId::A,
            payload: Payload::NONE,
            checksum: None,
            validator: Vec::new(),
            module: String::new(),
            version: String::new(),
        }
    }

    /// Becomes a job for `offer`. Nothing about the object is known yet but what the offer says.
    pub(crate) fn take_offer(&mut self, offer: &Offer<'_>, slot: SlotId) -> Result<(), Refusal> {
        self.module.push_str(offer.component.module).map_err(|_| "module name too long")?;
        self.version.push_str(offer.version).map_err(|_| "version text too long")?;
        match offer.locator {
            Locator::Url(url) if url.len() > LOCATOR_MAX => return Err("URL too long"),
            Locator::Url("") => return Err("URL is empty"),
            Locator::Url(_) => {}
            Locator::Stream { .. } => return Err("no stream download on this device"),
        }
        if offer.size == Some(0) {
            return Err("announced size is 0");
        }
        self.id = identity(offer);
        self.device = offer.component.device;
        self.offered = offer.size;
        self.slot = slot;
        self.checksum = offer.checksum;
        Ok(())
    }

    /// Size of the whole object, if anybody said it.
    pub(crate) fn size(&self) -> Option<u32> {
        self.seen.or(self.offered)
    }

    /// What tells its image from others; the digest is known once a payload was chosen.
    pub(crate) fn image(&self) -> Image {
        let sum = match (&self.payload.plan.digest, &self.checksum) {
            (Some(digest), _) => digest.first_chunk(),
            (None, Some(Checksum::Sha256(sum))) => sum.first_chunk(),
            (None, Some(Checksum::Md5(sum))) => sum.first_chunk(),
            (None, None) => None,
        };
        Image { job: self.id, digest: sum.copied().filter(|_| self.phase >= Phase::Selected) }
    }

    pub(crate) fn component(&self) -> Component<'_> {
        Component { device: self.device, module: &self.module }
    }

    /// Makes a record of what has a locator of this length in its place already. Its length.
    #[inline(never)]
    pub(crate) fn encode(&self, locator_len: usize, record: &mut [u8]) -> Option<usize> {
        let plan = &self.payload.plan;
        let flags = (plan.form as u8) << 3
            | u8::from(self.cloud_signed)
            | u8::from(plan.digest.is_some()) << 1
            | u8::from(self.refetched) << 2;
        let (kind, sum): (u8, &[u8]) = match &self.checksum {
            None => (0, &[]),
            Some(Checksum::Sha256(sum)) => (1, sum),
            Some(Checksum::Md5(sum)) => (2, sum),
        };
        let [low, high] = u16::try_from(locator_len).ok()?.to_le_bytes();
        let mut w = Writer::new(record);
        w.bytes(&[JOB_VERSION, self.phase as u8, flags, self.device])?;
        w.bytes(&self.id.to_le_bytes())?;
        for number in [self.offered.unwrap_or(0), self.seen.unwrap_or(0), self.payload.offset, plan.length, plan.size] {
            w.u32(number)?;
        }
        w.bytes(&[u8::from(self.slot != SlotId::A), kind, low, high])?;
        w.bytes(plan.digest.as_ref().unwrap_or(&[0; 32]))?;
        w.bytes(sum)?;
        w.bytes([0; 32].get(sum.len()..)?)?;
        w.skip(locator_len)?;
        w.short(&self.validator)?;
        w.short(self.module.as_bytes())?;
        w.short(self.version.as_bytes())?;
        Some(w.finish().len())
    }

    /// Becomes what a record says; its locator. `None` for anything that this version of the program did not write.
    #[inline(never)]
    pub(crate) fn decode<'r>(&mut self, record: &'r [u8]) -> Option<&'r str> {
        let head: &[u8; HEAD] = record.first_chunk()?;
        let [JOB_VERSION, phase, flags @ 0..=FLAGS_MAX, device, ..] = *head else {
            return None;
        };
        self.phase = match phase {
            0 => Phase::Deferred,
            1 => Phase::Accepted,
            2 => Phase::Selected,
            3 => Phase::Staged,
            _ => return None,
        };
        self.id = u64::from_le_bytes(*head[4..].first_chunk()?);
        self.device = device;
        let known = |size: u32| Some(size).filter(|size| *size != 0);
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        (self.offered, self.seen) = (known(number(12)?), known(number(16)?));
        self.cloud_signed = flags & 1 != 0;
        self.refetched = flags & 4 != 0;
        self.payload.offset = number(20)?;
        let plan = &mut self.payload.plan;
        (plan.length, plan.size) = (number(24)?, number(28)?);
        plan.form = match flags >> 3 {
            0 => Form::Raw,
            1 => Form::Compressed,
            _ => Form::Delta,
        };
        plan.digest = if flags & 2 != 0 { head[DIGEST].first_chunk().copied() } else { None };
        self.slot = match head[32] {
            0 => SlotId::A,
            1 => SlotId::B,
            _ => return None,
        };
        self.checksum = match head[33] {
            0 => None,
            1 => Some(Checksum::Sha256(*head[CHECKSUM].first_chunk()?)),
            2 => Some(Checksum::Md5(*head[CHECKSUM].first_chunk()?)),
            _ => return None,
        };
        let locator = locator(record)?;
        let mut tail = Reader(record.get(HEAD + locator.len()..)?);
        self.validator.extend_from_slice(tail.short()?).ok()?;
        self.module.push_str(tail.short_text()?).ok()?;
        self.version.push_str(tail.short_text()?).ok()?;
        let sound = phase < Phase::Selected as u8
            || (plan.length != 0 && self.payload.offset.checked_add(plan.length).is_some());
        (sound && tail.is_empty()).then_some(locator)
    }

    /// The offer this job came from, as far as it is kept.
    pub(crate) fn as_offer<'a>(&'a self, locator: &'a str) -> Offer<'a> {
        Offer {
            component: self.component(),
            version: &self.version,
            size: self.offered,
            locator: Locator::Url(locator),
            checksum: self.checksum,
            cloud_signature: &[],
            delta: false,
        }
    }
}

/// The locator of a record.
pub(crate) fn locator(record: &[u8]) -> Option<&str> {
    let len = u16::from_le_bytes(*record.get(34..)?.first_chunk()?);
    core::str::from_utf8(record.get(HEAD..)?.get(..len.into())?).ok()
}

/// Tells offers apart: component, version, and the checksum or, without one, the locator (signed URLs change with
/// every push, so they count only when there is nothing better).
///
/// # Source
/// FNV-1a, 64 bits. Two offers that collide are taken for duplicates: the second one is not installed, nothing worse.
pub(crate) fn identity(offer: &Offer<'_>) -> u64 {
    let mut hash = Fnv::NEW;
    hash.add(&[offer.component.device]);
    hash.add(offer.component.module.as_bytes());
    hash.add(&[0xFF]);
    hash.add(offer.version.as_bytes());
    hash.add(&[0xFF]);
    match (&offer.checksum, offer.locator) {
        (Some(Checksum::Sha256(sum)), _) => hash.add(sum),
        (Some(Checksum::Md5(sum)), _) => hash.add(sum),
        (None, Locator::Url(url)) => hash.add(url.as_bytes()),
        (None, Locator::Stream { stream, file }) => {
            hash.add(&stream.to_le_bytes());
            hash.add(&file.to_le_bytes());
        }
    }
    hash.0
}

/// Tells the locators of one job apart without keeping them.
pub(crate) fn locator_hash(locator: &str) -> u64 {
    let mut hash = Fnv::NEW;
    hash.add(locator.as_bytes());
    hash.0
}

struct Fnv(u64);
impl Fnv {
    const NEW: Self = Self(0xCBF2_9CE4_8422_2325);
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests;
