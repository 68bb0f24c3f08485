//! The outbox: outcomes that the other side must hear of, kept across resets until it acknowledged them.
//!
//! ```text
//! Kind::Outbox   0 version 3 │ flags (bit 0: the present rollback is in here or was reported) │ count 0..=2 │
//!                3 times the image was rolled back, or 255: it was accepted │ u64 id of its job │
//!               12 first 8 bytes of its digest │
//!               20 entries of 140 bytes each, as many as counted; zeros at the end are not stored
//! entry          0 u64 job id, 0 for none │ stage │ device │ length of the module │ length of the text │
//!               12 [32] module │ [96] text
//! ```
//! It is worked on in memory as the record it is stored as. Other versions are not read: it begins empty.

use crate::job::MODULE_MAX;
use heapless::String;
use ota_transport::{Component, FailStage, Report};

/// Most bytes of a report text; longer ones are cut.
pub(crate) const TEXT_MAX: usize = 96;
/// Most entries.
const ENTRIES_MAX: u8 = 2;
const HEAD: usize = 20;
/// Where the note about an image begins: a count, the id of its job, its digest.
const NOTE: usize = 3;
const ENTRY: usize = TEXT_AT + TEXT_MAX;
/// Where the texts of an entry begin.
const MODULE_AT: usize = 12;
const TEXT_AT: usize = MODULE_AT + MODULE_MAX;
/// Longest record.
pub(crate) const OUTBOX_MAX: usize = HEAD + ENTRIES_MAX as usize * ENTRY;
const RECORD_VERSION: u8 = 3;

/// How the text of a rollback begins.
pub(crate) const ROLLED_BACK: &str = "rolled back: ";

/// An image as far as the outbox tells one from another: by the digest that its manifest or its offer gave, without
/// one (or before the manifest was read) by its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) job: u64,
    pub(crate) digest: Option<[u8; 8]>,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Added {
    /// It is in now.
    Yes,
    /// It was in before.
    Present,
    /// A rollback that the other side has not heard of has its place.
    NoRoom,
}

/// The whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outbox {
    record: [u8; OUTBOX_MAX],
}

impl Outbox {
    /// In place of the rollbacks of an image: it was accepted.
    pub(crate) const INSTALLED: u8 = u8::MAX;

    pub(crate) const fn new() -> Self {
        let mut record = [0; OUTBOX_MAX];
        record[0] = RECORD_VERSION;
        Self { record }
    }

    /// The record, when it is sound.
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let mut outbox = Self { record: [0; OUTBOX_MAX] };
        outbox.buffer().get_mut(..record.len())?.copy_from_slice(record);
        outbox.is_sound(record.len()).then_some(outbox)
    }
    /// How often the image that is noted was rolled back, or [`Self::INSTALLED`], and the first bytes of its digest.
    pub(crate) fn last_image(&self) -> (u8, &[u8]) {
        (self.record[NOTE], &self.record[NOTE + 9..HEAD])
    }
    /// What is to be told.
    pub(crate) fn reports(&self) -> impl Iterator<Item = Report<'_>> {
        self.entries().iter().filter_map(report)
    }

    /// Where a stored record is read to; then call [`Outbox::adopt`] with its length.
    pub(crate) const fn buffer(&mut self) -> &mut [u8] {
        &mut self.record
    }
    /// Takes the record over, or begins an empty one when it is not sound.
    pub(crate) fn adopt(&mut self, len: usize) {
        self.record.iter_mut().skip(len).for_each(|byte| *byte = 0);
        if !self.is_sound(len) {
            self.record.fill(0);
            self.record[0] = RECORD_VERSION;
        }
    }
    fn is_sound(&self, len: usize) -> bool {
        let [RECORD_VERSION, 0 | 1, count @ 0..=ENTRIES_MAX, ..] = self.record else {
            return false;
        };
        len <= HEAD + usize::from(count) * ENTRY && self.entries().iter().all(|entry| report(entry).is_some())
    }
    /// What is stored: up to the last byte that is not 0.
    pub(crate) fn record(&self) -> &[u8] {
        let record = self.record.get(..HEAD + usize::from(self.record[2]) * ENTRY).unwrap_or_default();
        record.get(..record.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)).unwrap_or_default()
    }
    /// The outcome to be sent first, borrowed from a buffer that it is copied to.
    pub(crate) fn first<'b>(&self, buf: &'b mut [u8]) -> Option<Report<'b>> {
        let (place, _) = buf.split_first_chunk_mut()?;
        *place = *self.entries().first()?;
        report(place)
    }

    /// The boot loader's present rollback state was taken note of; cleared by the next staging.
    pub(crate) const fn rollback_seen(&self) -> bool {
        self.record[1] != 0
    }
    /// False when it was so already.
    pub(crate) fn set_rollback_seen(&mut self, seen: bool) -> bool {
        let before = core::mem::replace(&mut self.record[1], seen.into());
        before != u8::from(seen)
    }
    pub(crate) const fn is_empty(&self) -> bool {
        self.record[2] == 0
    }
    /// Whether the record says anything at all.
    pub(crate) const fn is_void(&self) -> bool {
        !self.rollback_seen() && self.is_empty() && self.record[NOTE] == 0
    }

    /// One more rollback of this image. Another image's are forgotten.
    pub(crate) fn count_rollback(&mut self, image: &Image) {
        self.note(self.rollbacks(image).saturating_add(1).min(Self::INSTALLED - 1), image);
    }
    /// This image was accepted.
    pub(crate) fn set_installed(&mut self, image: &Image) {
        self.note(Self::INSTALLED, image);
    }
    /// Whether this image is the one that was accepted last, and no other was chosen since.
    pub(crate) fn is_installed(&self, image: &Image) -> bool {
        self.noted(image) == Self::INSTALLED
    }
    fn note(&mut self, times: u8, image: &Image) {
        self.record[NOTE] = times;
        self.record[NOTE + 1..NOTE + 9].copy_from_slice(&image.job.to_le_bytes());
        self.record[NOTE + 9..HEAD].copy_from_slice(&image.digest.unwrap_or_default());
    }
    /// How often this image was rolled back since another one was chosen.
    pub(crate) fn rollbacks(&self, image: &Image) -> u8 {
        match self.noted(image) {
            Self::INSTALLED => 0,
            times => times,
        }
    }
    fn noted(&self, image: &Image) -> u8 {
        let same = match &image.digest {
            Some(digest) => self.record[NOTE + 9..HEAD] == *digest,
            None => self.record[NOTE + 1..NOTE + 9] == image.job.to_le_bytes(),
        };
        if same { self.record[NOTE] } else { 0 }
    }
    /// Another image was chosen. False when there was none to forget.
    pub(crate) fn forget_rollbacks(&mut self) -> bool {
        let before = self.record[NOTE];
        self.record[NOTE..HEAD].fill(0);
        before != 0
    }

    /// Whether an entry says that this job is over.
    pub(crate) fn ends(&self, job: u64) -> bool {
        self.entries().iter().any(|entry| is_about(entry, job))
    }
    /// Makes the entries about this job say nothing of it any more. False when there are none.
    pub(crate) fn detach(&mut self, job: u64) -> bool {
        let found = self.ends(job);
        for entry in self.places().iter_mut().filter(|entry| is_about(entry, job)) {
            entry[..8].fill(0);
        }
        found
    }

    /// Adds an outcome: of a job that is over with it, or 0. The oldest entry stays, because it may be on its way; of
    /// several newer ones the last stays, but nothing less replaces a rollback. See [`Added`].
    pub(crate) fn add(&mut self, job: u64, component: Component<'_>, stage: FailStage, text: &[&str]) -> Added {
        let entry = entry(job, component, stage, text);
        if self.entries().contains(&entry) {
            return Added::Present;
        }
        let at = self.record[2].min(ENTRIES_MAX - 1);
        let taken = self.entries().get(usize::from(at));
        if taken.is_some_and(is_rollback) && text.first() != Some(&ROLLED_BACK) {
            return Added::NoRoom;
        }
        if let Some(place) = self.places().get_mut(usize::from(at)) {
            *place = entry;
            self.record[2] = at + 1;
        }
        Added::Yes
    }

    /// Takes the last entry out when it is about this job. False when it is not.
    pub(crate) fn strike(&mut self, job: u64) -> bool {
        let found = self.entries().last().is_some_and(|entry| is_about(entry, job));
        self.record[2] -= u8::from(found);
        found
    }

    /// Takes the oldest entry out. False when there is none.
    pub(crate) fn pop(&mut self) -> bool {
        let Some(left) = self.record[2].checked_sub(1) else {
            return false;
        };
        if let [first, second] = self.places() {
            *first = *second;
        }
        self.record[2] = left;
        true
    }

    fn entries(&self) -> &[[u8; ENTRY]] {
        self.record[HEAD..].as_chunks().0.get(..self.record[2].into()).unwrap_or_default()
    }
    /// The places of all entries, taken or not.
    fn places(&mut self) -> &mut [[u8; ENTRY]] {
        self.record[HEAD..].as_chunks_mut().0
    }
}

fn is_about(entry: &[u8; ENTRY], job: u64) -> bool {
    job != 0 && entry.starts_with(&job.to_le_bytes())
}

fn is_rollback(entry: &[u8; ENTRY]) -> bool {
    entry[TEXT_AT..].starts_with(ROLLED_BACK.as_bytes())
}

fn entry(job: u64, component: Component<'_>, stage: FailStage, text: &[&str]) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..8].copy_from_slice(&job.to_le_bytes());
    entry[8] = stage as u8;
    entry[9] = component.device;
    entry[10] = append(&mut entry[MODULE_AT..TEXT_AT], 0, component.module);
    for part in text {
        let len = entry[11];
        entry[11] = append(&mut entry[TEXT_AT..], len, part);
    }
    entry
}

/// Appends as many whole characters as fit; the length with them.
#[inline(never)]
fn append(place: &mut [u8], len: u8, part: &str) -> u8 {
    let rest = place.get_mut(len.into()..).unwrap_or_default();
    let part = cut(part, rest.len());
    rest.iter_mut().zip(part.bytes()).for_each(|(to, from)| *to = from);
    // No place has more than 96 bytes.
    len + part.len() as u8
}

fn report(entry: &[u8; ENTRY]) -> Option<Report<'_>> {
    let stage = match entry[8] {
        1 => FailStage::Upgrade,
        2 => FailStage::Download,
        3 => FailStage::Verify,
        4 => FailStage::Burn,
        _ => return None,
    };
    let module = core::str::from_utf8(entry[MODULE_AT..TEXT_AT].get(..entry[10].into())?).ok()?;
    let text = core::str::from_utf8(entry[TEXT_AT..].get(..entry[11].into())?).ok()?;
    Some(Report::Failed { component: Component { device: entry[9], module }, stage, text })
}

/// As many whole characters as fit `room`.
fn cut(text: &str, room: usize) -> &str {
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Appends as many whole characters as fit.
pub(crate) fn push<const N: usize>(text: &mut String<N>, part: &str) {
    let _ = text.push_str(cut(part, N - text.len()));
}

#[cfg(test)]
mod tests;
