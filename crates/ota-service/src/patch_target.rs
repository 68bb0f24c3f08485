//! A slot as the target of deltas and compressed images too.

mod base;
mod checkpoint;
mod output;

use crate::slot_target::{Cursor, SlotError, SlotTarget};
use crate::target::{Expected, Finished, Plan, Target};
use base::Base;
use checkpoint::{Shelf, areas};
use ota_diff::{DecodeError, HEADER_LEN, Header, PatchError};
pub use ota_diff::{Decoder, Every, Isas, M, Profile, RiscV, S, Thumb, Xtensa};
use ota_hal::{Flash, Region, SlotId};
use ota_verify::Keys;
use ota_verify::manifest::{Accepts, Form};
use output::Output;

/// Writes one slot as [`SlotTarget`] does, and decodes deltas and compressed images on the way: `P` says how much memory
/// the decoder has, `I` which instruction sets it knows.
///
/// The base of a delta is the image in the running slot; it is read where it is. A delta is taken only for the image
/// that runs, which is told by the digest of its whole file: in the manifest, and again in the head of the patch, before
/// anything is erased. After a start it is looked at again before any more is decoded.
///
/// # Power loss
/// The end of the slot holds two checkpoints, each with all that the decoder remembers. One is written at the end of a
/// sector, after 16 sectors of output or one of payload. Where sectors are smaller than a checkpoint, as many as it takes
/// count as one. After a cut the payload is fetched again from the newest one on: two sectors of it at most. Whatever lies
/// behind it in the image is erased and written again, 16 sectors at most: cells that a cut left unstable may read right
/// today and wrong tomorrow, so none of them is kept. An image that leaves no room for checkpoints is not taken in this
/// form.
///
/// Before the first byte is written the checkpoints of any job before are erased: what they speak of is written over. The
/// image that was in the slot is gone with the first byte.
pub struct PatchTarget<'k, F, K, P: Profile, I: Isas = Every> {
    slot: SlotTarget<'k, F, K>,
    base: Base<F>,
    decoder: &'k mut Decoder<P, I>,
    work: Work,
}

/// How far a payload is that is not raw. Everything here is lost in a power cut.
struct Work {
    stage: Stage,
    plan: Plan,
    head: [u8; HEADER_LEN],
    /// Bytes of the payload that were taken.
    taken: u32,
    /// Bytes of the payload that are not needed again.
    durable: u32,
    /// Bytes that were taken and come once more.
    again: u32,
    /// Bytes of the image at the last checkpoint.
    marked: u32,
    shelf: Shelf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The slot takes the bytes as they are.
    Raw,
    /// The head of the patch is not complete. Nothing was erased.
    Head,
    /// Continued at a checkpoint. The base may be another one by now.
    Resumed,
    Stream,
    Complete,
}

/// So many sectors of output are written again after a cut, at most.
const SECTORS: u32 = 16;
/// What is decoded without a call of `progress`.
const STEP: u32 = 1024;

const OTHER_IMAGE: SlotError = SlotError::damage("patch is for another image");
const OTHER_BASE: SlotError = SlotError::damage("patch is for another base");

impl<'k, F: Flash, K: Keys, P: Profile, I: Isas> PatchTarget<'k, F, K, P, I> {
    /// The slot of `slot`; `running` is the other one, which runs. `memory` is where the decoder works,
    /// such as a static [`Decoder::idle`], which is all zeros and takes no ROM.
    pub const fn new(slot: SlotTarget<'k, F, K>, running: Region<F>, memory: &'k mut Decoder<P, I>) -> Self {
        let work = Work {
            stage: Stage::Raw,
            plan: Plan::raw(0, None),
            head: [0; HEADER_LEN],
            taken: 0,
            durable: 0,
            again: 0,
            marked: 0,
            shelf: Shelf::NONE,
        };
        Self { slot, base: Base::new(running), decoder: memory, work }
    }

    /// Where the checkpoints lie, if there is room for them.
    fn room(&self) -> Option<[checkpoint::Area; 2]> {
        areas(&self.slot.region, Decoder::<P, I>::SAVED_LEN)
    }

    /// Sets out on a payload that is to be decoded.
    fn prepare(&mut self, plan: &Plan, stage: Stage) -> Result<(), SlotError> {
        let areas = self.room().filter(|[first, _]| plan.size <= first.start && plan.size != 0);
        let areas = areas.ok_or(SlotError::burn("no room for checkpoints behind the image"))?;
        self.work.stage = stage;
        self.work.plan = *plan;
        (self.work.taken, self.work.durable, self.work.again, self.work.marked) = (0, 0, 0, 0);
        self.slot.cursor = Cursor::at(plan.size, 0);
        self.work.shelf = Shelf::new(areas, Decoder::<P, I>::SAVED_FORM);
        Ok(())
    }

    /// Continues at the newest checkpoint. It may be newer than `durable`, which was stored after it. `false` where there is
    /// none.
    fn restore(&mut self, durable: u32) -> Result<bool, SlotError> {
        let Self { slot, work, decoder, .. } = self;
        let fits = |head: &[u8]| Header::parse(head).is_ok_and(|header| makes(&header, &work.plan));
        let Some(found) = work.shelf.find(&mut slot.region, durable, fits) else { return Ok(false) };
        let Ok(header) = Header::parse(&found.patch) else { return Ok(false) };
        let mut saved = found.state(&mut slot.region);
        let resumed = decoder.resume_in_place(&header, &mut |bytes| saved.take(bytes));
        let at = decoder.position();
        let whole = saved.is_whole() && decoder.consumed() == found.position;
        if resumed.is_err() || !whole || slot.region.sector_at(at)?.0 != at {
            return Ok(false);
        }
        // All bytes were taken, but the image was not complete: no source can be asked for none, so the last one comes again.
        work.again = u32::from(found.position == work.plan.length);
        (work.head, work.marked) = (found.patch, at);
        (work.taken, work.durable) = (found.position, found.position);
        slot.cursor = Cursor::at(work.plan.size, at);
        Ok(true)
    }

    /// Takes the head of the patch; returns what follows it.
    fn take_head<'b>(&mut self, bytes: &'b [u8], progress: &mut dyn FnMut()) -> Result<&'b [u8], SlotError> {
        let filled = self.work.taken as usize;
        let (now, later) = bytes.split_at(bytes.len().min(HEADER_LEN.saturating_sub(filled)));
        if let Some(place) = self.work.head.get_mut(filled..filled + now.len()) {
            place.copy_from_slice(now);
        }
        self.work.taken += now.len() as u32;
        if self.work.taken as usize == HEADER_LEN {
            self.start(progress)?;
        }
        Ok(later)
    }

    /// The head of the patch is complete.
    fn start(&mut self, progress: &mut dyn FnMut()) -> Result<(), SlotError> {
        let header = self.check(progress)?;
        self.decoder.begin(&header).map_err(patch_error)?;
        self.work.shelf.clear(&mut self.slot.region)
    }

    /// The patch must be for what is planned, and for the image that runs.
    fn check(&mut self, progress: &mut dyn FnMut()) -> Result<Header, SlotError> {
        let header = Header::parse(&self.work.head).map_err(patch_error)?;
        if !makes(&header, &self.work.plan) {
            return Err(OTHER_IMAGE);
        }
        if self.work.plan.form == Form::Delta {
            let base = self.base.identify(progress).ok_or(OTHER_BASE)?;
            if header.old_size() != base.size || !header.is_base(&base.digest) {
                return Err(OTHER_BASE);
            }
        } else if header.old_size() != 0 {
            return Err(OTHER_BASE);
        }
        self.work.stage = Stage::Stream;
        Ok(header)
    }

    fn decode(&mut self, mut bytes: &[u8], progress: &mut dyn FnMut()) -> Result<(), SlotError> {
        loop {
            progress();
            let at = self.decoder.position();
            if self.decoder.is_done() {
                return if bytes.is_empty() { Ok(()) } else { Err(patch_error(PatchError::Trailing)) };
            }
            let (start, len) = self.slot.region.sector_at(at)?;
            if at == start && self.is_due() {
                self.store()?;
            }
            let until = (start + len).min(self.work.plan.size).min(at.saturating_add(STEP));
            let mut images = Output { base: &mut self.base.region, slot: &mut self.slot };
            let taken = self.decoder.push(bytes, until, &mut images).map_err(decode_error)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            if bytes.is_empty() && self.decoder.position() < until {
                return Ok(());
            }
        }
    }

    /// Whether so much was done since the last checkpoint that it is worth another one.
    fn is_due(&self) -> bool {
        let (sector, work) = (self.work.shelf.sector(), &self.work);
        let (taken, made) = (self.decoder.consumed() - work.durable, self.decoder.position() - work.marked);
        taken >= sector || made >= SECTORS * sector
    }

    /// Writes a checkpoint: all that came out so far goes to the flash first.
    fn store(&mut self) -> Result<(), SlotError> {
        let Self { slot, work, decoder, .. } = self;
        slot.flush()?;
        let position = decoder.consumed();
        work.shelf
            .store(&mut slot.region, position, &work.head, &mut |put| decoder.save_to(&mut |bytes| put(bytes)))?;
        (work.durable, work.marked) = (position, decoder.position());
        Ok(())
    }

    /// The last byte of the payload was taken.
    fn complete(&mut self) -> Result<(), SlotError> {
        if self.work.stage == Stage::Head {
            return Err(patch_error(PatchError::Short));
        }
        self.decoder.finish().map_err(patch_error)?;
        self.slot.flush()?;
        self.work.durable = self.work.plan.length;
        self.work.stage = Stage::Complete;
        Ok(())
    }
}

/// Whether a patch of this head becomes what is planned.
fn makes(header: &Header, plan: &Plan) -> bool {
    header.patch_len() == plan.length
        && header.new_size() == plan.size
        && plan.digest.as_ref().is_some_and(|digest| header.is_target(digest))
}

/// A patch that cannot be used counts as damaged: the next try takes the image as it is, if the package has it.
fn patch_error(e: PatchError) -> SlotError {
    SlotError::damage(match e {
        PatchError::Version(_) => "patch of a later format",
        PatchError::Profile(_) => "patch needs another size of decoder",
        PatchError::Arch(_) => "patch is for another processor",
        PatchError::Range(_) => "patch copies from outside the images",
        PatchError::Truncated(_) => "patch ended early",
        PatchError::Trailing => "bytes after the end of the patch",
        _ => "not a patch, or a damaged one",
    })
}

fn decode_error(e: DecodeError<SlotError>) -> SlotError {
    match e {
        DecodeError::Patch(e) => patch_error(e),
        DecodeError::Images(e) => e,
    }
}

impl<F: Flash, K: Keys, P: Profile, I: Isas> Target for PatchTarget<'_, F, K, P, I> {
    type Error = SlotError;

    fn accepts(&self, component: &str) -> bool {
        self.slot.accepts(component)
    }
    fn capacity(&self) -> u32 {
        self.slot.capacity()
    }
    fn slot(&self) -> SlotId {
        self.slot.slot()
    }

    fn decodes(&self) -> Accepts {
        let most = self.room().map_or(0, |[first, _]| first.start);
        Accepts { delta: most, compressed: most, ..Accepts::RAW }
    }

    fn holds(&mut self, base: &[u8; 32], progress: &mut dyn FnMut()) -> bool {
        self.base.identify(progress).is_some_and(|known| known.digest == *base)
    }

    fn begin(&mut self, plan: &Plan) -> Result<(), SlotError> {
        if plan.form == Form::Raw {
            self.work.stage = Stage::Raw;
            return self.slot.begin(plan);
        }
        self.prepare(plan, Stage::Head)
    }

    fn resume(&mut self, plan: &Plan, durable: u32) -> Result<u32, SlotError> {
        if plan.form == Form::Raw {
            self.work.stage = Stage::Raw;
            return self.slot.resume(plan, durable);
        }
        self.prepare(plan, Stage::Resumed)?;
        if durable == plan.length {
            (self.work.stage, self.work.taken, self.work.durable) = (Stage::Complete, durable, durable);
        } else if !self.restore(durable)? {
            self.begin(plan)?;
        }
        Ok(self.work.durable - self.work.again)
    }

    fn write(&mut self, bytes: &[u8], progress: &mut dyn FnMut()) -> Result<u32, SlotError> {
        if self.work.stage == Stage::Raw {
            return self.slot.write(bytes, progress);
        }
        let again = bytes.len().min(self.work.again as usize);
        self.work.again -= again as u32;
        let bytes = bytes.get(again..).unwrap_or_default();
        if bytes.len() > (self.work.plan.length - self.work.taken) as usize {
            return Err(SlotError::burn("more bytes than announced"));
        }
        let rest = if self.work.stage == Stage::Head { self.take_head(bytes, progress)? } else { bytes };
        if self.work.stage == Stage::Resumed {
            self.check(progress)?;
        }
        if self.work.stage == Stage::Stream {
            self.work.taken += rest.len() as u32;
            self.decode(rest, progress)?;
        }
        if self.work.taken == self.work.plan.length && self.work.stage != Stage::Complete {
            self.complete()?;
        }
        Ok(self.work.durable - self.work.again)
    }

    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, SlotError> {
        self.slot.finish(expected, progress)
    }

    fn abort(&mut self) -> Result<(), SlotError> {
        // A patch that was refused by its head has changed nothing.
        if self.work.stage == Stage::Head { Ok(()) } else { self.slot.abort() }
    }
}

#[cfg(test)]
mod tests;
