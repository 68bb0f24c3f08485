//! The outbox: outcomes that the other side must hear of, kept across resets until it acknowledged them.
//!
//! ```text
//! Kind::Outbox   version 2 │ flags (bit 0: the present rollback is in here or was reported) │ count 0..=2 │
//!                times the image was rolled back, or 255: it was accepted │ u64 id of its job │ first 8 bytes of its
//!                digest │
//!                each entry: u64 job id, 0 for none │ stage │ device │ u8 length, module │ u8 length, text
//! ```
//! Version 1 had no rolled-back image; its entries are read. It is worked on as the record it is stored as: entries are short, few and seldom.

use crate::codec::{Reader, Writer, slide};
use crate::job::MODULE_MAX;
use heapless::String;
use ota_transport::{Component, FailStage, Report};

/// Most bytes of a report text; longer ones are cut.
pub(crate) const TEXT_MAX: usize = 96;
/// Most entries.
const ENTRIES_MAX: u8 = 2;
const HEAD: usize = HEAD_1 + 17;
/// The head of version 1.
const HEAD_1: usize = 3;
const ENTRY_MAX: usize = 12 + MODULE_MAX + TEXT_MAX;
/// Longest record.
pub(crate) const OUTBOX_MAX: usize = HEAD + ENTRIES_MAX as usize * ENTRY_MAX;
const RECORD_VERSION: u8 = 2;
/// In place of the rollbacks of an image: it was accepted.
const INSTALLED: u8 = u8::MAX;

/// How the text of a rollback begins.
pub(crate) const ROLLED_BACK: &str = "rolled back: ";

/// An image as far as the outbox tells one from another: by the digest that its manifest or its offer gave, without
/// one (or before the manifest was read) by its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) job: u64,
    pub(crate) digest: Option<[u8; 8]>,
}

impl Image {
    fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (id, digest) = bytes.split_at_mut(8);
        id.copy_from_slice(&self.job.to_le_bytes());
        digest.copy_from_slice(&self.digest.unwrap_or_default());
        bytes
    }
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
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    record: [u8; OUTBOX_MAX],
    len: usize,
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        let mut record = [0; OUTBOX_MAX];
        record[0] = RECORD_VERSION;
        Self { record, len: HEAD }
    }

    /// Where a stored record is read to; then call [`Outbox::adopt`] with its length.
    pub(crate) const fn buffer(&mut self) -> &mut [u8] {
        &mut self.record
    }
    /// Takes the record over, or begins an empty one when it is not sound.
    pub(crate) fn adopt(&mut self, len: usize) {
        self.len = len;
        if self.record[0] == 1 && (HEAD_1..=OUTBOX_MAX - (HEAD - HEAD_1)).contains(&len) {
            slide(&mut self.record, HEAD_1, HEAD, len - HEAD_1);
            self.record.iter_mut().take(HEAD).skip(HEAD_1).for_each(|byte| *byte = 0);
            self.record[0] = RECORD_VERSION;
            self.len = len + (HEAD - HEAD_1);
        }
        if !is_sound(self.record()) {
            *self = Self::new();
        }
    }
    #[inline(never)]
    pub(crate) fn record(&self) -> &[u8] {
        self.record.get(..self.len).unwrap_or_default()
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
        !self.rollback_seen() && self.is_empty() && self.record[HEAD_1] == 0
    }

    /// One more rollback of this image. Another image's are forgotten.
    pub(crate) fn count_rollback(&mut self, image: &Image) {
        self.note(self.rollbacks(image).saturating_add(1).min(INSTALLED - 1), image);
    }
    /// This image was accepted.
    pub(crate) fn set_installed(&mut self, image: &Image) {
        self.note(INSTALLED, image);
    }
    /// Whether this image is the one that was accepted last, and no other was chosen since.
    pub(crate) fn is_installed(&self, image: &Image) -> bool {
        self.noted(image) == INSTALLED
    }
    fn note(&mut self, times: u8, image: &Image) {
        if let Some([place, rest @ ..]) = self.record.get_mut(HEAD_1..HEAD) {
            *place = times;
            rest.copy_from_slice(&image.encode());
        }
    }
    /// How often this image was rolled back since another one was chosen.
    pub(crate) fn rollbacks(&self, image: &Image) -> u8 {
        match self.noted(image) {
            INSTALLED => 0,
            times => times,
        }
    }
    fn noted(&self, image: &Image) -> u8 {
        let Some([times, id @ .., _, _, _, _, _, _, _, _]) = self.record.get(HEAD_1..HEAD) else {
            return 0;
        };
        let digest = self.record.get(HEAD - 8..HEAD).unwrap_or_default();
        let same = match &image.digest {
            Some(wanted) => digest == wanted,
            None => id == image.job.to_le_bytes(),
        };
        if same { *times } else { 0 }
    }
    /// Another image was chosen. False when there was none to forget.
    pub(crate) fn forget_rollbacks(&mut self) -> bool {
        let before = self.record[HEAD_1];
        self.record.iter_mut().take(HEAD).skip(HEAD_1).for_each(|byte| *byte = 0);
        before != 0
    }

    /// Whether an entry says that this job is over.
    pub(crate) fn ends(&self, job: u64) -> bool {
        self.find(job).is_some()
    }
    /// Makes the entries about this job say nothing of it any more. False when there are none.
    pub(crate) fn detach(&mut self, job: u64) -> bool {
        let mut changed = false;
        for _ in 0..ENTRIES_MAX {
            let Some(at) = self.find(job) else { break };
            self.record.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0);
            changed = true;
        }
        changed
    }
    /// Where the first entry about this job begins.
    fn find(&self, job: u64) -> Option<usize> {
        self.positions().map(|(at, _)| at).find(|at| self.is_about(*at, job))
    }
    fn is_about(&self, at: usize, job: u64) -> bool {
        job != 0 && self.record.get(at..).is_some_and(|entry| entry.starts_with(&job.to_le_bytes()))
    }

    /// Adds an outcome: of a job that is over with it, or 0. The oldest entry stays, because it may be on its way; of
    /// several newer ones the last stays, but nothing less replaces a rollback. See [`Added`].
    pub(crate) fn add(&mut self, job: u64, component: Component<'_>, stage: FailStage, text: &[&str]) -> Added {
        let mut entry = [0; ENTRY_MAX];
        let Some(entry) = encode_entry(&mut entry, job, component, stage, text) else {
            return Added::NoRoom;
        };
        if self.positions().any(|(at, end)| self.record.get(at..end) == Some(entry)) {
            return Added::Present;
        }
        let second = self.position(1);
        let at = second.map_or(self.len, |(at, _)| at);
        if second.is_some() && self.is_rollback(at) && text.first() != Some(&ROLLED_BACK) {
            return Added::NoRoom;
        }
        let end = at + entry.len();
        let Some(place) = self.record.get_mut(at..end) else {
            return Added::NoRoom;
        };
        place.copy_from_slice(entry);
        self.len = end;
        if second.is_none() {
            self.record[2] += 1;
        }
        Added::Yes
    }

    fn is_rollback(&self, at: usize) -> bool {
        let mut r = Reader(self.record().get(at..).unwrap_or_default());
        matches!(entry(&mut r), Some(Report::Failed { text, .. }) if text.starts_with(ROLLED_BACK))
    }

    /// Takes the last entry out when it is about this job. False when it is not.
    pub(crate) fn strike(&mut self, job: u64) -> bool {
        let last = self.record[2].checked_sub(1).and_then(|before| self.position(before));
        match last {
            Some((at, _)) if self.is_about(at, job) => {
                self.len = at;
                self.record[2] -= 1;
                true
            }
            _ => false,
        }
    }

    /// Takes the oldest entry out. False when there is none.
    pub(crate) fn pop(&mut self) -> bool {
        let Some((at, end)) = self.position(0) else {
            return false;
        };
        slide(&mut self.record, end, at, self.len - end);
        self.len -= end - at;
        self.record[2] -= 1;
        true
    }

    /// Start and end of each entry.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.record[2]).map_while(|n| self.position(n))
    }
    /// Start and end of the entry after `before` others.
    #[inline(never)]
    fn position(&self, before: u8) -> Option<(usize, usize)> {
        let mut r = Reader(self.record().get(HEAD..)?);
        for _ in 0..before {
            entry(&mut r)?;
        }
        let at = self.len - r.0.len();
        entry(&mut r)?;
        Some((at, self.len - r.0.len()))
    }
}

fn encode_entry<'b>(
    buf: &'b mut [u8],
    job: u64,
    component: Component<'_>,
    stage: FailStage,
    text: &[&str],
) -> Option<&'b [u8]> {
    let module = cut(component.module, MODULE_MAX);
    let mut w = Writer::new(buf);
    w.bytes(&job.to_le_bytes())?;
    w.bytes(&[stage as u8, component.device])?;
    w.short(module.as_bytes())?;
    let mut len = 0;
    let parts = || {
        text.iter().scan(TEXT_MAX, |room, part| {
            let part = cut(part, *room);
            *room -= part.len();
            Some(part)
        })
    };
    parts().for_each(|part| len += part.len());
    w.u8(u8::try_from(len).ok()?)?;
    parts().try_for_each(|part| w.bytes(part.as_bytes()))?;
    Some(w.finish())
}

fn is_sound(record: &[u8]) -> bool {
    let mut r = Reader(record);
    let Some([RECORD_VERSION, 0 | 1, count @ 0..=ENTRIES_MAX]) = r.array() else {
        return false;
    };
    if r.bytes(HEAD - HEAD_1).is_none() {
        return false;
    }
    (0..count).all(|_| entry(&mut r).is_some()) && r.is_empty()
}

/// The first outcome of a record, borrowed from it.
pub(crate) fn first(record: &[u8]) -> Option<Report<'_>> {
    let mut r = Reader(record);
    let [version, _, count] = r.array()?;
    if version == RECORD_VERSION {
        r.bytes(HEAD - HEAD_1)?;
    }
    if count == 0 { None } else { entry(&mut r) }
}

fn entry<'b>(r: &mut Reader<'b>) -> Option<Report<'b>> {
    r.bytes(8)?;
    let [stage, device] = r.array()?;
    let stage = match stage {
        1 => FailStage::Upgrade,
        2 => FailStage::Download,
        3 => FailStage::Verify,
        4 => FailStage::Burn,
        _ => return None,
    };
    let module = r.short_text()?;
    let text = r.short_text()?;
    // No longer than this program writes: the sum of the longest entries is the buffer.
    let fits = module.len() <= MODULE_MAX && text.len() <= TEXT_MAX;
    fits.then_some(Report::Failed { component: Component { device, module }, stage, text })
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
