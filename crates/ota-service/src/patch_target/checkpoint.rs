//! What a decoder remembers, beside the image that it makes. Two areas at the end of the slot take turns:
//!
//! ```text
//!  0  magic "OTC1" (checkpoint) or "OTR1" (rescued)
//!  4  u32 sequence number: the higher one is newer; rescued: that of the checkpoint in the other area
//!  8  u32 position in the payload: it is needed from here on; rescued: start of the sector in the slot
//! 12  u32 length of the content
//! 16  [36] head of the patch
//! 52  u32 CRC-32 (ISO-HDLC) of the form of the state (u32, the decoder's `SAVED_FORM`), the content, the 52 bytes above
//! 56  content: the state, as the decoder saved it; rescued: the first bytes of the sector; then erased
//! ```
//! A sector is rescued before it is erased again after a cut: what lies in front of the checkpoint is not decoded again.

use crate::slot_target::{SlotError, WRITE_SIZE_MAX};
use ota_diff::HEADER_LEN;
use ota_hal::{Flash, Region, crc};

const CHECKPOINT: [u8; 4] = *b"OTC1";
const RESCUED: [u8; 4] = *b"OTR1";
const SUM_AT: usize = 16 + HEADER_LEN;
const HEAD_LEN: usize = SUM_AT + 4;

/// A place for one checkpoint: whole sectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Area {
    pub(super) start: u32,
    len: u32,
}

/// The last two areas of a slot that hold a state of so many bytes, and a sector's content: the first one comes first.
pub(super) fn areas<F: Flash>(region: &Region<F>, state: usize) -> Option<[Area; 2]> {
    let mut need = (HEAD_LEN + state) as u32;
    let mut at = 0;
    while at < region.len() {
        let (start, len) = region.sector_at(at).ok()?;
        need = need.max(len);
        at = start.checked_add(len)?;
    }
    let second = area_before(region, region.len(), need)?;
    Some([area_before(region, second.start, need)?, second])
}

fn area_before<F: Flash>(region: &Region<F>, end: u32, need: u32) -> Option<Area> {
    let mut start = end;
    while end - start < need {
        (start, _) = region.sector_at(start.checked_sub(1)?).ok()?;
    }
    Some(Area { start, len: end - start })
}

/// Both areas, and which of them is next.
pub(super) struct Shelf {
    areas: [Area; 2],
    second: bool,
    sequence: u32,
    form: u32,
}

/// A checkpoint that was found whole.
#[derive(Clone, Copy)]
pub(super) struct Found {
    area: Area,
    pub(super) sequence: u32,
    pub(super) position: u32,
    pub(super) len: u32,
    /// The head of its patch.
    pub(super) patch: [u8; HEADER_LEN],
}

impl Shelf {
    pub(super) const NONE: Self = Self::new([Area { start: 0, len: 0 }; 2], 0);

    /// `form` tells whose states these are: those of another build of the decoder are not seen.
    pub(super) const fn new(areas: [Area; 2], form: u32) -> Self {
        Self { areas, second: false, sequence: 0, form }
    }

    /// How many bytes count as a sector.
    pub(super) const fn sector(&self) -> u32 {
        self.areas[0].len
    }

    const fn next(&self) -> Area {
        let [first, second] = self.areas;
        if self.second { second } else { first }
    }

    /// Numbers go on from those of any checkpoint that is there.
    pub(super) fn look<F: Flash>(&mut self, region: &mut Region<F>) {
        let _ = self.find(region, 0, |_| false);
    }

    /// The newest checkpoint of a patch that fits, not before this position. The next one will be written to the other area.
    pub(super) fn find<F: Flash>(
        &mut self,
        region: &mut Region<F>,
        position: u32,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Option<Found> {
        let mut newest: Option<Found> = None;
        for (second, area) in [(false, self.areas[0]), (true, self.areas[1])] {
            let Some(found) = read(region, area, CHECKPOINT, self.form) else { continue };
            self.sequence = self.sequence.max(found.sequence);
            let newer = newest.as_ref().is_none_or(|other| other.sequence < found.sequence);
            if newer && found.position >= position && fits(&found.patch) {
                newest = Some(found);
                self.second = !second;
            }
        }
        newest
    }

    /// Writes a checkpoint; the one before stays.
    pub(super) fn store<F: Flash>(
        &mut self,
        region: &mut Region<F>,
        position: u32,
        patch: &[u8; HEADER_LEN],
        state: &mut Content<'_, F>,
    ) -> Result<(), SlotError> {
        self.sequence = self.sequence.wrapping_add(1);
        let head = Head { magic: CHECKPOINT, sequence: self.sequence, position, patch, form: self.form };
        write(region, self.next(), &head, state)?;
        self.second = !self.second;
        Ok(())
    }

    /// Copies the first bytes of the sector at `sector` to where nothing is kept, beside the newest checkpoint.
    pub(super) fn rescue<F: Flash>(
        &self,
        region: &mut Region<F>,
        sector: u32,
        len: u32,
        patch: &[u8; HEADER_LEN],
    ) -> Result<Found, SlotError> {
        let head = Head { magic: RESCUED, sequence: self.sequence, position: sector, patch, form: self.form };
        write(region, self.next(), &head, &mut |region, put| pieces(region, sector, len, put))?;
        self.rescued(region, self.sequence).ok_or(SlotError::burn("flash cells hold no valid data"))
    }

    /// What was rescued since the checkpoint of this number.
    pub(super) fn rescued<F: Flash>(&self, region: &mut Region<F>, sequence: u32) -> Option<Found> {
        read(region, self.next(), RESCUED, self.form).filter(|found| found.sequence == sequence)
    }
}

/// Gives bytes away in pieces, the same ones at each call.
pub(super) type Content<'c, F> = dyn FnMut(&mut Region<F>, &mut dyn FnMut(&mut Region<F>, &[u8])) + 'c;

/// Reads some bytes piece by piece; stops at those that cannot be read.
fn pieces<F: Flash>(region: &mut Region<F>, from: u32, len: u32, put: &mut dyn FnMut(&mut Region<F>, &[u8])) {
    let mut piece = [0; WRITE_SIZE_MAX];
    for at in (0..len).step_by(WRITE_SIZE_MAX) {
        let piece = piece.get_mut(..(len - at).min(WRITE_SIZE_MAX as u32) as usize).unwrap_or_default();
        if region.read(from + at, piece).is_err() {
            return;
        }
        put(region, piece);
    }
}

/// What stands in front of a record's content, without length and sum.
struct Head<'p> {
    magic: [u8; 4],
    sequence: u32,
    position: u32,
    patch: &'p [u8; HEADER_LEN],
    form: u32,
}

fn write<F: Flash>(
    region: &mut Region<F>,
    area: Area,
    head: &Head<'_>,
    content: &mut Content<'_, F>,
) -> Result<(), SlotError> {
    let (mut sum, mut len) = (crc::update(crc::INIT, &head.form.to_le_bytes()), 0);
    content(region, &mut |_, bytes| {
        sum = crc::update(sum, bytes);
        len += bytes.len() as u32;
    });
    let mut bytes = [0; HEAD_LEN];
    bytes[..4].copy_from_slice(&head.magic);
    bytes[4..8].copy_from_slice(&head.sequence.to_le_bytes());
    bytes[8..12].copy_from_slice(&head.position.to_le_bytes());
    bytes[12..16].copy_from_slice(&len.to_le_bytes());
    bytes[16..SUM_AT].copy_from_slice(head.patch);
    let sum = !crc::update(sum, &bytes[..SUM_AT]);
    bytes[SUM_AT..].copy_from_slice(&sum.to_le_bytes());

    region.erase(area.start, area.len)?;
    let mut writer = Writer { at: area.start, piece: [F::ERASE_VALUE; WRITE_SIZE_MAX], filled: 0, done: Ok(()) };
    writer.put(region, &bytes);
    content(region, &mut |region, bytes| writer.put(region, bytes));
    writer.flush(region);
    writer.done
}

/// Gathers pieces to write units.
struct Writer {
    at: u32,
    piece: [u8; WRITE_SIZE_MAX],
    filled: usize,
    done: Result<(), SlotError>,
}

impl Writer {
    fn put<F: Flash>(&mut self, region: &mut Region<F>, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.piece.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            // Whole units.
            if self.filled == WRITE_SIZE_MAX - WRITE_SIZE_MAX % F::WRITE_SIZE {
                self.flush(region);
            }
        }
    }

    fn flush<F: Flash>(&mut self, region: &mut Region<F>) {
        let len = self.filled.next_multiple_of(F::WRITE_SIZE);
        if self.done.is_ok() && len != 0 {
            let written = region.write(self.at, self.piece.get(..len).unwrap_or_default());
            self.done = written.map_err(SlotError::from);
        }
        self.at = self.at.saturating_add(len as u32);
        self.filled = 0;
        self.piece = [F::ERASE_VALUE; WRITE_SIZE_MAX];
    }
}

/// The record in an area, if there is a whole one of this kind.
fn read<F: Flash>(region: &mut Region<F>, area: Area, magic: [u8; 4], form: u32) -> Option<Found> {
    let mut head = [0; HEAD_LEN];
    region.read(area.start, &mut head).ok()?;
    let word = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    let (sequence, position, len) = (word(4)?, word(8)?, word(12)?);
    if !head.starts_with(&magic) || len > area.len.checked_sub(HEAD_LEN as u32)? {
        return None;
    }
    let patch = *head.get(16..)?.first_chunk()?;
    let found = Found { area, sequence, position, len, patch };
    let mut state = found.state(region);
    let mut sum = crc::update(crc::INIT, &form.to_le_bytes());
    let mut piece = [0; WRITE_SIZE_MAX];
    while state.left != 0 {
        let piece = piece.get_mut(..state.left.min(WRITE_SIZE_MAX as u32) as usize)?;
        state.take(piece);
        sum = crc::update(sum, piece);
    }
    let same = !crc::update(sum, head.get(..SUM_AT)?) == word(SUM_AT)?;
    (state.is_whole() && same).then_some(found)
}

impl Found {
    /// Where its content begins.
    pub(super) const fn content(&self) -> u32 {
        self.area.start + HEAD_LEN as u32
    }
    /// The content, to be read from its start.
    pub(super) const fn state<'a, F>(&self, region: &'a mut Region<F>) -> State<'a, F> {
        State { region, at: self.content(), left: self.len, failed: false }
    }
}

/// A saved state that is being read.
pub(super) struct State<'a, F> {
    region: &'a mut Region<F>,
    at: u32,
    left: u32,
    failed: bool,
}

impl<F: Flash> State<'_, F> {
    /// Fills in the next bytes.
    pub(super) fn take(&mut self, bytes: &mut [u8]) {
        let len = bytes.len() as u32;
        self.failed |= len > self.left || self.region.read(self.at, bytes).is_err();
        self.at = self.at.saturating_add(len);
        self.left = self.left.saturating_sub(len);
    }

    /// Whether all of it was read, and no more.
    pub(super) const fn is_whole(&self) -> bool {
        self.left == 0 && !self.failed
    }
}
