//! The job: what must survive a power cut to finish an update. Two records, `Kind::Job` and `Kind::Progress`.
//!
//! ```text
//! Kind::Job       0 version 2 │ phase │ flags │ device │ u64 id │ u32 offered size │ u32 seen size │ slot │
//!                21 u32 offset │ u32 length │ u32 image size │ [32] image digest │
//!                65 checksum kind │ [32] checksum │ u8 length, validator │ u8 length, module │ u8 length, version text │
//!                   u16 length, locator
//! Kind::Progress  0 version 1 │ tag 1 (stored) │ u64 id │ u32 durable bytes
//!                 0 version 1 │ tag 2 (gate)   │ u8 length, name of the gate that ended the trial
//!                 0 version 1 │ tag 3 (not started) │ u64 id, or 0: the loader was asked once more for the staged image
//!                 0 version 1 │ tag 4 (staging) │ first 8 bytes of the image's own digest
//! ```
//! Version 1 had one size, of the offer or of the object; it is read as the object's once that was opened. Flags: 1 signed
//! by the cloud, 2 image digest present, 4 fetched again after damage, 8 compressed payload, 16 delta. Size 0: not known.
//! All numbers are little-endian. The journal guards the bytes with a CRC; decoding is total all the same.

use crate::Plan;
use crate::app::GATE_NAME_MAX;
use crate::codec::{Reader, Writer};
use crate::outbox::Image;
use heapless::{String, Vec};
use ota_download::Validator;
use ota_hal::SlotId;
use ota_transport::{Checksum, Component, Locator, Offer};
use ota_verify::manifest::Form;

/// Most bytes of a locator (URL).
pub const LOCATOR_MAX: usize = 1600;
/// Most bytes of an offer's version text.
pub const VERSION_MAX: usize = 64;
/// Most bytes of a module name.
pub const MODULE_MAX: usize = 32;
/// Longest record without its locator.
pub(crate) const HEAD_MAX: usize = FIXED + (1 + VALIDATOR_MAX) + (1 + MODULE_MAX) + (1 + VERSION_MAX) + 2;
/// Bytes before the validator.
const FIXED: usize = 98;
/// Most bytes of a validator.
const VALIDATOR_MAX: usize = 64;
const RECORD_VERSION: u8 = 1;
const JOB_VERSION: u8 = 2;
/// All flags but the two highest, which exclude each other.
const FLAGS_MAX: u8 = 16 | 7;

const _: () = assert!(HEAD_MAX + LOCATOR_MAX <= crate::ENVELOPE_BUFFER);

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

    /// All of the record but the locator, which follows it.
    pub(crate) fn encode_head<'b>(&self, locator_len: usize, buf: &'b mut [u8; HEAD_MAX]) -> Option<&'b [u8]> {
        let (fixed, rest) = buf.split_first_chunk_mut::<FIXED>()?;
        let plan = &self.payload.plan;
        let flags = (plan.form as u8) << 3
            | u8::from(self.cloud_signed)
            | u8::from(plan.digest.is_some()) << 1
            | u8::from(self.refetched) << 2;
        *fixed = [0; FIXED];
        fixed[..4].copy_from_slice(&[JOB_VERSION, self.phase as u8, flags, self.device]);
        fixed[4..12].copy_from_slice(&self.id.to_le_bytes());
        fixed[12..16].copy_from_slice(&self.offered.unwrap_or(0).to_le_bytes());
        fixed[16..20].copy_from_slice(&self.seen.unwrap_or(0).to_le_bytes());
        fixed[20] = if self.slot == SlotId::A { 0 } else { 1 };
        fixed[21..25].copy_from_slice(&self.payload.offset.to_le_bytes());
        fixed[25..29].copy_from_slice(&plan.length.to_le_bytes());
        fixed[29..33].copy_from_slice(&plan.size.to_le_bytes());
        if let Some(digest) = &plan.digest {
            fixed[33..65].copy_from_slice(digest);
        }
        match &self.checksum {
            None => {}
            Some(Checksum::Sha256(sum)) => {
                fixed[65] = 1;
                fixed[66..98].copy_from_slice(sum);
            }
            Some(Checksum::Md5(sum)) => {
                fixed[65] = 2;
                fixed[66..82].copy_from_slice(sum);
            }
        }
        let mut w = Writer::new(rest);
        w.short(&self.validator)?;
        w.short(self.module.as_bytes())?;
        w.short(self.version.as_bytes())?;
        w.bytes(&u16::try_from(locator_len).ok()?.to_le_bytes())?;
        let len = FIXED + w.finish().len();
        buf.get(..len)
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

/// A job record that was looked at as a whole, and copied nowhere.
pub(crate) struct Stored<'a> {
    version: u8,
    phase: Phase,
    slot: SlotId,
    start: &'a [u8; 12],
    /// After version, phase, flags, device and id come one size or two; then this.
    fixed: &'a [u8; 78],
    first_size: u32,
    second_size: u32,
    validator: &'a [u8],
    module: &'a str,
    text: &'a str,
    pub(crate) locator: &'a str,
}

impl<'a> Stored<'a> {
    /// `None` for anything that no version of this program wrote.
    #[inline(never)]
    pub(crate) fn read(record: &'a [u8]) -> Option<Self> {
        let mut r = Reader(record);
        let start: &[u8; 12] = r.chunk()?;
        let [version, phase, flags, ..] = *start;
        let phase = match phase {
            0 => Phase::Deferred,
            1 => Phase::Accepted,
            2 => Phase::Selected,
            3 => Phase::Staged,
            _ => return None,
        };
        let (flags_max, second) = match version {
            1 => (3, false),
            JOB_VERSION => (FLAGS_MAX, true),
            _ => return None,
        };
        let first_size = r.u32()?;
        let second_size = if second { r.u32()? } else { 0 };
        let fixed: &[u8; 78] = r.chunk()?;
        let slot = match fixed[0] {
            0 => SlotId::A,
            1 => SlotId::B,
            _ => return None,
        };
        let (offset, length) = (word(fixed, 1)?, word(fixed, 5)?);
        let sound = phase < Phase::Selected || (length != 0 && offset.checked_add(length).is_some());
        let validator = r.short()?;
        let (module, text) = (r.short_text()?, r.short_text()?);
        let len = u16::from_le_bytes(*r.chunk()?);
        let locator = r.text(len.into())?;
        let fits = validator.len() <= VALIDATOR_MAX && module.len() <= MODULE_MAX && text.len() <= VERSION_MAX;
        let stored =
            Self { version, phase, slot, start, fixed, first_size, second_size, validator, module, text, locator };
        (r.is_empty() && flags <= flags_max && fixed[CHECKSUM_AT] <= 2 && sound && fits).then_some(stored)
    }

    /// The part that is kept in memory.
    pub(crate) fn fill(&self, job: &mut Job) -> Option<()> {
        let [_, _, flags, device, id @ ..] = self.start;
        job.phase = self.phase;
        job.id = u64::from_le_bytes(*id);
        job.device = *device;
        (job.offered, job.seen) = self.sizes();
        job.cloud_signed = flags & 1 != 0;
        job.refetched = flags & 4 != 0;
        job.slot = self.slot;
        job.payload.offset = word(self.fixed, 1)?;
        job.payload.plan.form = match flags >> 3 {
            0 => Form::Raw,
            1 => Form::Compressed,
            _ => Form::Delta,
        };
        job.payload.plan.length = word(self.fixed, 5)?;
        job.payload.plan.size = word(self.fixed, 9)?;
        job.payload.plan.digest = if flags & 2 != 0 { Some(*self.fixed.get(13..)?.first_chunk()?) } else { None };
        let sum = self.fixed.get(CHECKSUM_AT + 1..)?;
        job.checksum = match self.fixed[CHECKSUM_AT] {
            1 => Some(Checksum::Sha256(*sum.first_chunk()?)),
            2 => Some(Checksum::Md5(*sum.first_chunk()?)),
            _ => None,
        };
        job.validator.extend_from_slice(self.validator).ok()?;
        job.module.push_str(self.module).ok()?;
        job.version.push_str(self.text).ok()
    }

    /// The sizes the offer stated and the source gave.
    fn sizes(&self) -> (Option<u32>, Option<u32>) {
        let known = |size: u32| Some(size).filter(|size| *size != 0);
        let (first, second) = (known(self.first_size), known(self.second_size));
        match (self.version, self.phase) {
            // Never opened, so it is the offer's.
            (1, Phase::Deferred) => (first, None),
            (1, _) => (None, first),
            _ => (first, second),
        }
    }
}

/// Where the kind of the checksum lies in [`Stored::fixed`].
const CHECKSUM_AT: usize = 45;

fn word(bytes: &[u8; 78], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
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

/// The record beside the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress<'a> {
    /// So many bytes of this job's payload are durable.
    Stored { id: u64, durable: u32 },
    /// The gate that ended the trial; its number alone means nothing to the firmware that is returned to.
    Gate(&'a str),
    /// The loader passed over this job's staged image at a start, and was asked for it once more.
    NotStarted { id: u64 },
    /// The image of this digest is being staged for the job.
    Staging { digest: [u8; 8] },
}

/// Longest progress record.
pub(crate) const PROGRESS_MAX: usize = 3 + GATE_NAME_MAX;

impl<'a> Progress<'a> {
    pub(crate) fn encode<'b>(&self, buf: &'b mut [u8; PROGRESS_MAX]) -> Option<&'b [u8]> {
        let mut w = Writer::new(buf);
        w.u8(RECORD_VERSION)?;
        match self {
            Self::Stored { id, durable } => {
                w.u8(1)?;
                w.bytes(&id.to_le_bytes())?;
                w.u32(*durable)?;
            }
            Self::Gate(name) => {
                w.u8(2)?;
                w.short(name.as_bytes())?;
            }
            Self::Staging { digest } => {
                w.u8(4)?;
                w.bytes(digest)?;
            }
            Self::NotStarted { id } => {
                w.u8(3)?;
                w.bytes(&id.to_le_bytes())?;
            }
        }
        Some(w.finish())
    }
    pub(crate) fn decode(record: &'a [u8]) -> Option<Self> {
        let mut r = Reader(record);
        if r.u8()? != RECORD_VERSION {
            return None;
        }
        let progress = match r.u8()? {
            1 => Self::Stored { id: u64::from_le_bytes(r.array()?), durable: r.u32()? },
            2 => Self::Gate(r.short_text()?),
            4 => Self::Staging { digest: r.array()? },
            3 => Self::NotStarted { id: u64::from_le_bytes(r.array()?) },
            _ => return None,
        };
        r.is_empty().then_some(progress)
    }
}

#[cfg(test)]
mod tests;
