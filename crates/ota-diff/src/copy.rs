//! Copies: units are predicted from the old bytes and from what is known of moved addresses, and corrected.

use crate::chance::flag;
use crate::coder::{Coder, Op};
use crate::isa::{self, Isas, Kind, LOOK, Look, Unit};
use crate::map;
use crate::model::{Model, UNIT_ROWS, at};
use crate::output::Output;
use crate::{Images, Profile};

/// Why a step failed.
pub(crate) enum Fault<E> {
    /// An operation reaches outside an image.
    Range,
    Images(E),
}

/// Bytes in a block; a unit at its end may reach over.
const BLOCK: u32 = 32;
const VIEW: usize = 64;
/// Shifts of local branches are kept for targets as close as this.
const LOCAL_REACH: u32 = 16;

/// Source bytes at hand. Not saved.
#[derive(Clone)]
pub(crate) struct View {
    start: u32,
    /// 0 when nothing is at hand.
    len: u32,
    bytes: [u8; VIEW],
}

impl View {
    pub(crate) const NONE: Self = Self { start: 0, len: 0, bytes: [0; VIEW] };

    pub(crate) const fn forget(&mut self) {
        self.len = 0;
    }

    fn look(&self, q: u32) -> &[u8; LOOK] {
        let bytes = self.bytes.get(q.wrapping_sub(self.start) as usize..).and_then(|bytes| bytes.first_chunk());
        bytes.unwrap_or(&[0; LOOK])
    }
}

/// A unit as it stands in the source.
struct Seen {
    /// Its bytes as a number.
    raw: u32,
    len: u32,
    /// The byte that holds most of the instruction's code.
    top: u32,
    /// Where it goes in the new image.
    i: u32,
}

/// What is expected of a unit.
#[derive(Clone, Copy)]
struct Forecast {
    shift: i32,
    /// What else it may be.
    other: i32,
    /// How sure the shift is, from 0 to 2.
    trust: u32,
    /// Whether the shift was learned from this address's neighbours.
    is_known: bool,
    may_learn: bool,
}

impl<P: Profile> Model<P> {
    /// Makes the view hold what the unit at `q` may need.
    #[inline(never)]
    fn load<M: Images>(&mut self, output: &Output, images: &mut M) -> Result<(), M::Error> {
        let q = self.stand.q;
        let from_new = self.stand.source == 2;
        let view = &mut self.view;
        let offset = q.wrapping_sub(view.start);
        // Of the new image there is more by now than when the view was filled.
        let end = if from_new { view.len } else { VIEW as u32 };
        if view.len > 0 && offset <= end.saturating_sub(LOOK as u32) {
            return Ok(());
        }
        let size = if from_new { output.produced() } else { self.old_size };
        view.start = q;
        view.len = size.saturating_sub(q).min(VIEW as u32);
        view.bytes.fill(0);
        let Some(bytes) = view.bytes.get_mut(..view.len as usize) else { return Ok(()) };
        if from_new { output.read(images, q, bytes) } else { images.read_old(q, bytes) }
    }

    /// One unit of a copy, a byte of one that is spelled out, or what is as predicted of a block.
    #[inline(never)]
    pub(crate) fn copy<I: Isas, C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        self.load(output, images).map_err(Fault::Images)?;
        if self.stand.raw_left > 0 {
            self.stand.raw_left -= 1;
            let old = self.view.look(self.stand.q)[0];
            self.replaced(coder, output, old);
            return Ok(());
        }
        if self.stand.block_left == 0 {
            let wanted = C::ENCODES && self.foresee::<I, C, M>(coder, output, images);
            let index = at::BLOCK + (usize::from(self.stand.blocks & 3) << 1 | usize::from(self.stand.source == 2));
            let is_good = flag(&mut self.flags, coder, index, wanted);
            self.stand.blocks = self.stand.blocks << 1 | u8::from(!is_good);
            self.stand.doubt = u32::from(!is_good);
            self.stand.block_left = BLOCK.min(self.stand.left);
        }
        self.unit::<I, C>(coder, output);
        // What is as predicted takes nothing from the patch.
        while self.stand.doubt == 0 && self.stand.block_left > 0 && output.has_room() {
            self.load(output, images).map_err(Fault::Images)?;
            self.unit::<I, C>(coder, output);
        }
        Ok(())
    }

    /// Whether the next block comes out as predicted: the encoder's question.
    fn foresee<I: Isas, C: Coder, M: Images>(&self, coder: &C, output: &Output, images: &mut M) -> bool {
        // All that was put out before is written: there is room for a block.
        let (mut model, mut output) = (self.clone(), output.clone());
        model.stand.doubt = 0;
        model.stand.block_left = BLOCK.min(self.stand.left);
        while model.stand.block_left > 0 {
            let (at, mut put) = (output.produced(), [0; 4]);
            if model.load(&output, images).is_err() {
                return false;
            }
            model.unit::<I, _>(&mut Nobody, &mut output);
            let put = &mut put[..(output.produced() - at) as usize];
            if output.read(images, at, put).is_err() || (at..).zip(put).any(|(at, byte)| coder.wanted(at) != *byte) {
                return false;
            }
        }
        true
    }

    /// One unit of a copy.
    fn unit<I: Isas, C: Coder>(&mut self, coder: &mut C, output: &mut Output) {
        let (q, i) = (self.stand.q, output.produced());
        let look = Look {
            bytes: self.view.look(q),
            q,
            i,
            left: self.stand.left,
            from_new: self.stand.source == 2,
            size: self.old_size,
        };
        let unit = isa::detect::<I>(&look, self.arch, &self.stand.space, &mut self.stand.context);
        if unit.kind == Kind::Byte && self.stand.doubt == 0 {
            let len = isa::plain::<I>(&look, self.arch, &self.stand.context).min(self.stand.block_left);
            let word = look.word(0);
            return self.put(output, word, len);
        }
        let len = unit.len;
        let seen = Seen { raw: look.raw(len), len, top: look.top(), i };
        let forecast = self.forecast(&unit, i.wrapping_sub(q) as i32);
        let Some(shift) = self.decided::<I, C>(coder, &unit, &seen, &forecast) else {
            self.stand.raw_left = len;
            return;
        };
        let word = isa::moved::<I>(&unit, seen.raw, i, shift, self.arch, &self.stand.context);
        isa::settled::<I>(&unit, word, i, self.arch, &mut self.stand.context);
        self.put(output, word, len);
        if forecast.may_learn && (self.stand.doubt != 0 || !forecast.is_known) {
            self.learn(coder, self.key(&unit), shift);
        }
    }

    /// What the table of shifts calls a unit's address.
    fn key(&self, unit: &Unit) -> u32 {
        if unit.is_offset { unit.key.wrapping_add(self.stand.space.base) } else { unit.key }
    }

    /// What is expected of a unit; `own` is the shift of the copy.
    fn forecast(&mut self, unit: &Unit, own: i32) -> Forecast {
        let mut forecast = Forecast { shift: 0, other: 0, trust: 0, is_known: false, may_learn: false };
        if self.stand.source == 2 || unit.kind == Kind::Byte {
            return forecast;
        }
        forecast.may_learn = true;
        if unit.is_offset {
            (forecast.shift, forecast.other) = (own, own);
        }
        let key = self.key(unit);
        match map::guess(self.shifts.as_mut(), self.stand.known, key) {
            Some(guess) if unit.kind != Kind::Local || guess.distance <= LOCAL_REACH => {
                Forecast { shift: guess.shift, other: guess.other, trust: guess.trust, is_known: true, ..forecast }
            }
            _ => forecast,
        }
    }

    /// The shift of a unit: as forecast or corrected. Nothing when it has to be spelled out.
    fn decided<I: Isas, C: Coder>(
        &mut self,
        coder: &mut C,
        unit: &Unit,
        seen: &Seen,
        forecast: &Forecast,
    ) -> Option<i32> {
        if self.stand.doubt == 0 {
            return Some(forecast.shift);
        }
        let (mut is_wanted, mut solution) = (false, None);
        if C::ENCODES {
            let wanted = (0..seen.len).fold(0, |word, at| word | u32::from(coder.wanted(seen.i + at)) << (8 * at));
            let context = &self.stand.context;
            is_wanted = isa::moved::<I>(unit, seen.raw, seen.i, forecast.shift, self.arch, context) == wanted;
            solution = isa::solve::<I>(unit, seen.raw, seen.i, wanted, self.arch, context);
        }
        if self.is_as_predicted(coder, unit.kind as u32, seen, forecast.trust, is_wanted) {
            Some(forecast.shift)
        } else if unit.kind == Kind::Byte {
            None
        } else {
            self.corrected(coder, unit, forecast, solution)
        }
    }

    /// Whether a unit is as predicted.
    fn is_as_predicted<C: Coder>(&mut self, coder: &mut C, kind: u32, seen: &Seen, trust: u32, wanted: bool) -> bool {
        let odd = self.odd(seen.i);
        let fault = self.stand.doubt >> 1;
        let fared = self.stand.fared.get(kind as usize).map_or(0, |fared| u32::from(*fared));
        let history = if kind == Kind::Byte as u32 { fared & 7 } else { trust << 1 | fared & 1 };
        let contexts = [
            0x100_0000 | kind << 8 | history << 1 | odd,
            0x200_0000 | kind << 16 | seen.top << 1 | odd,
            0x300_0000 | kind << 8 | fault << 1 | odd,
            0x400_0000 | kind << 16 | (seen.raw & 0xFF) << 8 | fared & 1,
        ];
        let is_good = self.mixed(coder, &contexts, UNIT_ROWS + kind as usize, 1, wanted);
        if let Some(place) = self.stand.fared.get_mut(kind as usize) {
            *place = (fared << 1 | u32::from(!is_good)) as u8;
        }
        if !is_good {
            self.stand.doubt = 2;
        }
        is_good
    }

    /// The shift of a unit that is not as predicted, if a shift explains it.
    fn corrected<C: Coder>(
        &mut self,
        coder: &mut C,
        unit: &Unit,
        forecast: &Forecast,
        solution: Option<i32>,
    ) -> Option<i32> {
        let Forecast { shift, other, .. } = *forecast;
        let last = self.stand.last as i32;
        let kind = unit.kind as usize;
        // Instructions are at even places: a shift that is odd is spelled out as bytes.
        let spare = u32::from(unit.is_offset);
        let is_coded = |found: &i32| *found == other || *found == last || (found ^ shift) & spare as i32 == 0;
        let solution = solution.filter(is_coded);
        if !flag(&mut self.flags, coder, at::SOLVED + kind, solution.is_some()) {
            return None;
        }
        if other != shift && flag(&mut self.flags, coder, at::OTHER + kind, solution == Some(other)) {
            return Some(other);
        }
        if last != shift && flag(&mut self.flags, coder, at::LAST + kind, solution == Some(last)) {
            return Some(last);
        }
        let tree = if unit.is_offset { at::NEAR } else { at::FAR };
        self.stand.last = self.signed(coder, tree, shift as u32, solution.unwrap_or(0) as u32, spare);
        Some(self.stand.last as i32)
    }
}

/// Looks on while the encoder tries a block.
struct Nobody;

impl Coder for Nobody {
    const ENCODES: bool = false;
    fn bit(&mut self, _: u32, _: bool) -> bool {
        false
    }
    fn raw(&mut self, _: u8) -> u8 {
        0
    }
    fn next_op(&mut self) -> Op {
        Op::literal(1)
    }
    fn wanted(&self, _: u32) -> u8 {
        0
    }
}
