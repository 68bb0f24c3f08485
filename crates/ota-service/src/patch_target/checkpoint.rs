//! What a decoder remembers, beside the image that it makes. Two areas at the end of the slot take turns:
//!
//! ```text
//!  0  magic "OTC2"
//!  4  u32 sequence number: the higher one is newer
//!  8  u32 position in the payload: it is needed from here on
//! 12  u32 form of the state, the decoder's `SAVED_FORM`: version << 16 | length in bytes
//! 16  [36] head of the patch
//! 52  u32 CRC-32 (ISO-HDLC) of the 52 bytes above and the state
//! 56  the state, as the decoder saved it; then erased
//! ```

use crate::slot_target::{SlotError, WRITE_SIZE_MAX};
use ota_diff::HEADER_LEN;
use ota_hal::{Flash, Region, crc};

const MAGIC: [u8; 4] = *b"OTC2";
const SUM_AT: usize = 16 + HEADER_LEN;
const HEAD_LEN: usize = SUM_AT + 4;

/// A place for one checkpoint: whole sectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Area {
    pub(super) start: u32,
    len: u32,
}

/// The last two areas of a slot that hold a state of so many bytes: the first one comes first.
pub(super) fn areas<F: Flash>(region: &Region<F>, state: usize) -> Option<[Area; 2]> {
    let need = (HEAD_LEN + state) as u32;
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
    sequence: u32,
    pub(super) position: u32,
    len: u32,
    /// Over its head, so far.
    sum: u32,
    /// Over its head and state, as it was written.
    sealed: u32,
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

    /// Removes every checkpoint, also one that cannot be read now: it might be read later. A cut leaves some of them.
    pub(super) fn clear<F: Flash>(&mut self, region: &mut Region<F>) -> Result<(), SlotError> {
        let [first, second] = self.areas;
        Ok(region.erase(first.start, first.len + second.len)?)
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
            let Some(found) = read(region, area, self.form) else { continue };
            self.sequence = self.sequence.max(found.sequence);
            let newer = newest.as_ref().is_none_or(|other| other.sequence < found.sequence);
            if newer && found.position >= position && fits(&found.patch) {
                newest = Some(found);
                self.second = !second;
            }
        }
        newest
    }

    /// Writes a checkpoint; the one before stays. A power cut leaves that one, or both, or this one and no other.
    pub(super) fn store<F: Flash>(
        &mut self,
        region: &mut Region<F>,
        position: u32,
        patch: &[u8; HEADER_LEN],
        state: &mut State<'_>,
    ) -> Result<(), SlotError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        head[8..12].copy_from_slice(&position.to_le_bytes());
        head[12..16].copy_from_slice(&self.form.to_le_bytes());
        head[16..SUM_AT].copy_from_slice(patch);
        let mut sum = crc::update(crc::INIT, &head[..SUM_AT]);
        state(&mut |bytes| sum = crc::update(sum, bytes));
        head[SUM_AT..].copy_from_slice(&(!sum).to_le_bytes());

        let area = self.next();
        region.erase(area.start, area.len)?;
        let piece = [F::ERASE_VALUE; WRITE_SIZE_MAX];
        let mut writer = Writer { region, at: area.start, piece, filled: 0, done: Ok(()) };
        writer.put(&head);
        state(&mut |bytes| writer.put(bytes));
        writer.flush();
        self.second = !self.second;
        writer.done
    }
}

/// Gives a state away in pieces, the same ones at each call.
pub(super) type State<'s> = dyn FnMut(&mut dyn FnMut(&[u8])) + 's;

/// Gathers pieces to write units.
struct Writer<'a, F> {
    region: &'a mut Region<F>,
    at: u32,
    piece: [u8; WRITE_SIZE_MAX],
    filled: usize,
    done: Result<(), SlotError>,
}

impl<F: Flash> Writer<'_, F> {
    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.piece.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            // Whole units.
            if self.filled == WRITE_SIZE_MAX - WRITE_SIZE_MAX % F::WRITE_SIZE {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let len = self.filled.next_multiple_of(F::WRITE_SIZE);
        if self.done.is_ok() && len != 0 {
            let written = self.region.write(self.at, self.piece.get(..len).unwrap_or_default());
            self.done = written.map_err(SlotError::from);
        }
        self.at = self.at.saturating_add(len as u32);
        self.filled = 0;
        self.piece = [F::ERASE_VALUE; WRITE_SIZE_MAX];
    }
}

/// The checkpoint in an area, if there is a whole one.
fn read<F: Flash>(region: &mut Region<F>, area: Area, form: u32) -> Option<Found> {
    let mut head = [0; HEAD_LEN];
    region.read(area.start, &mut head).ok()?;
    let word = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    // An area holds a head and a state of this form.
    if !head.starts_with(&MAGIC) || word(12)? != form {
        return None;
    }
    let (sum, sealed) = (crc::update(crc::INIT, head.get(..SUM_AT)?), word(SUM_AT)?);
    let patch = *head.get(16..)?.first_chunk()?;
    let found = Found { area, sequence: word(4)?, position: word(8)?, len: form & 0xFFFF, sum, sealed, patch };
    let mut state = found.state(region);
    let mut piece = [0; WRITE_SIZE_MAX];
    while state.left != 0 {
        state.take(piece.get_mut(..state.left.min(WRITE_SIZE_MAX as u32) as usize)?);
    }
    state.is_whole().then_some(found)
}

impl Found {
    /// The state, to be read from its start.
    pub(super) const fn state<'a, F>(&self, region: &'a mut Region<F>) -> Saved<'a, F> {
        let at = self.area.start + HEAD_LEN as u32;
        Saved { region, at, left: self.len, sum: self.sum, sealed: self.sealed, failed: false }
    }
}

/// A saved state that is being read.
pub(super) struct Saved<'a, F> {
    region: &'a mut Region<F>,
    at: u32,
    left: u32,
    sum: u32,
    sealed: u32,
    failed: bool,
}

impl<F: Flash> Saved<'_, F> {
    /// Fills in the next bytes.
    pub(super) fn take(&mut self, bytes: &mut [u8]) {
        let len = bytes.len() as u32;
        self.failed |= len > self.left || self.region.read(self.at, bytes).is_err();
        self.sum = crc::update(self.sum, bytes);
        self.at = self.at.saturating_add(len);
        self.left = self.left.saturating_sub(len);
    }

    /// Whether all of it was read, no more, and as it was written. Unstable cells may read otherwise the second time.
    pub(super) const fn is_whole(&self) -> bool {
        self.left == 0 && !self.failed && !self.sum == self.sealed
    }
}
