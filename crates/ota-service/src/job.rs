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
//! by the cloud, 2 image digest present, 4 fetched again after damage. Size 0: not known.
//! All numbers are little-endian. The journal guards the bytes with a CRC; decoding is total all the same.

use crate::app::GATE_NAME_MAX;
use crate::codec::{Reader, Writer};
use crate::outbox::Image;
use heapless::{String, Vec};
use ota_download::Validator;
use ota_hal::SlotId;
use ota_transport::{Checksum, Component, Locator, Offer};

/// Most bytes of a locator (URL).
pub const LOCATOR_MAX: usize = 1600;
/// Most bytes of an offer's version text.
pub const VERSION_MAX: usize = 64;
/// Most bytes of a module name.
pub const MODULE_MAX: usize = 32;
/// Longest record without its locator.
pub(crate) const HEAD_MAX: usize = 65 + 33 + (1 + 64) + (1 + MODULE_MAX) + (1 + VERSION_MAX) + 2;
const RECORD_VERSION: u8 = 1;
const JOB_VERSION: u8 = 2;

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
    pub(crate) length: u32,
    pub(crate) image_size: u32,
    /// `None` for a bare image.
    pub(crate) digest: Option<[u8; 32]>,
}

impl Payload {
    const NONE: Self = Self { offset: 0, length: 0, image_size: 0, digest: None };
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
    /// A job for `offer`. Nothing about the object is known yet but what the offer says.
    pub(crate) fn of_offer(offer: &Offer<'_>, slot: SlotId) -> Result<Self, Refusal> {
        let module = String::try_from(offer.component.module).map_err(|_| "module name too long")?;
        let version = String::try_from(offer.version).map_err(|_| "version text too long")?;
        match offer.locator {
            Locator::Url(url) if url.len() > LOCATOR_MAX => return Err("URL too long"),
            Locator::Url("") => return Err("URL is empty"),
            Locator::Url(_) => {}
            Locator::Stream { .. } => return Err("no stream download on this device"),
        }
        if offer.size == Some(0) {
            return Err("announced size is 0");
        }
        Ok(Self {
            phase: Phase::Accepted,
            id: identity(offer),
            device: offer.component.device,
            offered: offer.size,
            seen: None,
            cloud_signed: false,
            refetched: false,
            slot,
            payload: Payload::NONE,
            checksum: offer.checksum,
            validator: Vec::new(),
            module,
            version,
        })
    }

    /// Size of the whole object, if anybody said it.
    pub(crate) fn size(&self) -> Option<u32> {
        self.seen.or(self.offered)
    }

    /// What tells its image from others; the digest is known once a payload was chosen.
    pub(crate) fn image(&self) -> Image {
        let sum = match (&self.payload.digest, &self.checksum) {
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
        let mut w = Writer::new(buf);
        let flags =
            u8::from(self.cloud_signed) | u8::from(self.payload.digest.is_some()) << 1 | u8::from(self.refetched) << 2;
        w.bytes(&[JOB_VERSION, self.phase as u8, flags, self.device])?;
        w.bytes(&self.id.to_le_bytes())?;
        w.u32(self.offered.unwrap_or(0))?;
        w.u32(self.seen.unwrap_or(0))?;
        w.u8(if self.slot == SlotId::A { 0 } else { 1 })?;
        w.u32(self.payload.offset)?;
        w.u32(self.payload.length)?;
        w.u32(self.payload.image_size)?;
        w.bytes(&self.payload.digest.unwrap_or_default())?;
        match self.checksum {
            None => w.bytes(&[0; 33])?,
            Some(Checksum::Sha256(sum)) => {
                w.u8(1)?;
                w.bytes(&sum)?;
            }
            Some(Checksum::Md5(sum)) => {
                w.u8(2)?;
                w.bytes(&sum)?;
                w.bytes(&[0; 16])?;
            }
        }
        w.short(&self.validator)?;
        w.short(self.module.as_bytes())?;
        w.short(self.version.as_bytes())?;
        w.bytes(&u16::try_from(locator_len).ok()?.to_le_bytes())?;
        Some(w.finish())
    }

    /// The job and its locator. `None` for anything that no version of this program wrote.
    pub(crate) fn decode(record: &[u8]) -> Option<(Self, &str)> {
        let mut r = Reader(record);
        let version = Some(r.u8()?).filter(|version| matches!(*version, 1 | JOB_VERSION))?;
        let phase = match r.u8()? {
            0 => Phase::Deferred,
            1 => Phase::Accepted,
            2 => Phase::Selected,
            3 => Phase::Staged,
            _ => return None,
        };
        let flags = r.u8()?;
        let device = r.u8()?;
        let id = u64::from_le_bytes(r.array()?);
        let (offered, seen) = sizes(&mut r, version, phase)?;
        let slot = match r.u8()? {
            0 => SlotId::A,
            1 => SlotId::B,
            _ => return None,
        };
        let (offset, length, image_size) = (r.u32()?, r.u32()?, r.u32()?);
        let digest = Some(r.array()?).filter(|_| flags & 2 != 0);
        let kind = r.u8()?;
        let sum: [u8; 32] = r.array()?;
        let checksum = match kind {
            0 => None,
            1 => Some(Checksum::Sha256(sum)),
            2 => Some(Checksum::Md5(*sum.first_chunk()?)),
            _ => return None,
        };
        let validator = Vec::from_slice(r.short()?).ok()?;
        let module = String::try_from(r.short_text()?).ok()?;
        let text = String::try_from(r.short_text()?).ok()?;
        let len = u16::from_le_bytes(r.array()?);
        let locator = r.text(len.into())?;
        let payload = Payload { offset, length, image_size, digest };
        let sound = phase < Phase::Selected || (length != 0 && offset.checked_add(length).is_some());
        let job = Self {
            phase,
            id,
            device,
            offered,
            seen,
            cloud_signed: flags & 1 != 0,
            refetched: flags & 4 != 0,
            slot,
            payload,
            checksum,
            validator,
            module,
            version: text,
        };
        let flags_max = if version == 1 { 3 } else { 7 };
        (r.is_empty() && flags <= flags_max && sound).then_some((job, locator))
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

/// The sizes the offer stated and the source gave.
fn sizes(r: &mut Reader<'_>, version: u8, phase: Phase) -> Option<(Option<u32>, Option<u32>)> {
    let mut size = || r.u32().map(|size| Some(size).filter(|size| *size != 0));
    let first = size()?;
    match (version, phase) {
        // Never opened, so it is the offer's.
        (1, Phase::Deferred) => Some((first, None)),
        (1, _) => Some((None, first)),
        _ => Some((first, size()?)),
    }
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
