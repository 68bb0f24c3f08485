//! Copies: blocks are predicted from the old bytes and from what is known of moved addresses, and corrected.

use crate::coder::Coder;
use crate::isa::{self, Context, Isas, Kind, LOOK, Look, Unit};
use crate::model::{Model, Phase, UNIT_ROWS, at, to_front};
use crate::output::{Output, STEP_BYTES};
use crate::tape::Tape;
use crate::{Images, Profile};

/// Why a step failed.
pub(crate) enum Fault<E> {
    /// An operation reaches outside an image.
    Range,
    Images(E),
}

impl<E> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Self::Images(error)
    }
}

/// Bytes in a block; a unit at its end may reach over.
pub(crate) const BLOCK: u32 = 16;
const VIEW: usize = 64;
/// What a block may need of the view: itself and how far its last unit looks.
const NEEDED: u32 = BLOCK + LOOK as u32;
/// Shifts of local branches are kept for targets as close as this.
const LOCAL_REACH: u32 = 16;

/// Where a copy stands.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Copy {
    /// The next byte to copy.
    pub(crate) q: u32,
    /// By how much the copy moves its bytes.
    pub(crate) shift: i32,
    /// Bytes of a block that is not as predicted, and whether a fault in it was found.
    block_left: u32,
    /// Bytes left of a unit that is spelled out.
    raw_left: u32,
    pub(crate) from_new: bool,
    has_fault: bool,
    view: View,
    pub(crate) context: Context,
}

/// Source bytes at hand. Not saved.
#[derive(Clone, Copy)]
#[repr(C)]
struct View {
    start: u32,
    len: u32,
    of_new: bool,
    bytes: [u8; VIEW],
}

impl View {
    /// The bytes from `q` on, at most as far as a unit looks.
    fn look(&self, q: u32) -> &[u8] {
        let held = self.bytes.get(..self.len as usize).unwrap_or(&[]);
        let rest = held.get(q.wrapping_sub(self.start) as usize..).unwrap_or(&[]);
        rest.get(..LOOK).unwrap_or(rest)
    }
}

impl Copy {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = 1 + 4 + 4 + Context::SAVED_LEN + 3;

    pub(crate) const fn new() -> Self {
        Self {
            from_new: false,
            q: 0,
            shift: 0,
            context: Context::at(0),
            block_left: 0,
            has_fault: false,
            raw_left: 0,
            view: View { bytes: [0; VIEW], start: 0, len: 0, of_new: false },
        }
    }

    /// Makes the view hold what the block at `q` may need.
    fn load<M: Images>(&mut self, old_size: u32, output: &Output, images: &mut M) -> Result<(), M::Error> {
        let size = if self.from_new { output.produced() } else { old_size };
        let view = &mut self.view;
        let end = self.q.saturating_add(NEEDED).min(size);
        let is_held = self.q >= view.start && end <= view.start.saturating_add(view.len);
        if is_held && view.of_new == self.from_new {
            return Ok(());
        }
        view.start = self.q;
        view.len = size.saturating_sub(self.q).min(VIEW as u32);
        view.of_new = self.from_new;
        let Some(bytes) = view.bytes.get_mut(..view.len as usize) else { return Ok(()) };
        if self.from_new { output.read(images, self.q, bytes) } else { images.read_old(self.q, bytes) }
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.flag(&mut self.from_new);
        tape.word(&mut self.q);
        tape.shifts(core::slice::from_mut(&mut self.shift));
        self.context.walk(tape);
        tape.small(&mut self.block_left);
        tape.flag(&mut self.has_fault);
        tape.small(&mut self.raw_left);
    }

    pub(crate) fn is_sound(&self, phase: Phase, left: u32) -> bool {
        match phase {
            Phase::Unit => self.block_left > 0 && self.block_left <= left && self.block_left <= STEP_BYTES,
            Phase::Raw => self.raw_left > 0 && self.raw_left <= 4 && self.raw_left <= left,
            _ => true,
        }
    }
}

/// A block as it is predicted: its bytes are in the output, not kept yet.
struct Predicted {
    len: u32,
    units: u32,
    /// The least trust in any of the units.
    trust: u32,
}

/// What is expected of a unit.
struct Forecast {
    shift: i32,
    /// What else it may be.
    other: i32,
    /// How sure the shift is, from 0 to 3.
    trust: u32,
    /// Whether the shift was learned from this address's neighbours.
    is_known: bool,
}

impl<P: Profile> Model<P> {
    /// Bytes of the next block, when units do not reach over its end.
    fn block_len(&self) -> u32 {
        self.left.min(BLOCK)
    }

    /// The byte that holds most of the instruction's code.
    fn top(&self) -> u32 {
        self.copy.view.look(self.copy.q | 1).first().map_or(0, |byte| u32::from(*byte))
    }

    fn forecast(&mut self, unit: &Unit) -> Forecast {
        let unknown = |shift| Forecast { shift, other: shift, trust: 0, is_known: false };
        if self.copy.from_new || unit.kind == Kind::Byte {
            return unknown(0);
        }
        if unit.kind == Kind::Local {
            return match self.locals.guess(unit.key) {
                Some(guess) if guess.distance <= LOCAL_REACH => {
                    Forecast { shift: guess.shift, other: guess.other, trust: guess.trust, is_known: true }
                }
                _ => unknown(self.copy.shift),
            };
        }
        let Some(guess) = self.shifts.guess(unit.key) else {
            return unknown(if unit.is_offset { self.copy.shift } else { 0 });
        };
        if unit.is_offset {
            let offset = |key: u32| key.wrapping_sub(self.space.base);
            let is_last = guess.above.is_none_or(|key| offset(key) >= self.space.old_size);
            if is_last && guess.distance > 0 && offset(unit.key) > self.old_end {
                return unknown(self.copy.shift);
            }
        }
        Forecast { shift: guess.shift, other: guess.other, trust: guess.trust, is_known: true }
    }

    fn learn_unit<C: Coder>(&mut self, coder: &mut C, unit: &Unit, shift: i32) {
        if unit.kind == Kind::Local {
            self.locals.learn(unit.key, shift);
        } else {
            self.learn(coder, unit.key, shift);
        }
    }

    /// One block: all as predicted, or unit by unit.
    #[inline(never)]
    pub(crate) fn block<I: Isas, C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        self.copy.load(self.space.old_size, output, images)?;
        let start = output.produced();
        let context = I::TRACKS.then_some(self.copy.context);
        let mut block = Predicted { len: 0, units: 0, trust: 3 };
        let distance = start.wrapping_sub(self.copy.q);
        if self.copy.from_new && distance < STEP_BYTES {
            block.len = self.block_len();
            self.repeat(output, block.len, distance);
        }
        while block.len < self.block_len() {
            self.predict::<I, C>(coder, output, &mut block);
        }
        let predicted = output.pencilled(block.len);
        let wanted = C::ENCODES && (start..).zip(predicted).all(|(at, byte)| coder.wanted(at) == *byte);
        let surety = match block.units {
            0 => 0,
            1 => 1 + block.trust,
            _ => 5 + block.trust,
        };
        let set = (surety * 4 + (self.block_history & 3)) * 2 + u32::from(self.copy.from_new);
        let is_good = self.blocks.code(coder, set as usize, wanted);
        self.block_history = (self.block_history << 1 | u32::from(!is_good)) & 3;
        if is_good {
            output.keep(block.len);
            self.copy.q += block.len;
            self.advance(block.len, Phase::Block);
        } else {
            self.copy.context = context.unwrap_or(self.copy.context);
            self.copy.block_left = block.len;
            self.copy.has_fault = false;
            self.phase = Phase::Unit;
        }
        Ok(())
    }

    /// Predicts the next unit of a block.
    fn predict<I: Isas, C: Coder>(&mut self, coder: &mut C, output: &mut Output, block: &mut Predicted) {
        let (q, i, left) = (self.copy.q + block.len, output.produced() + block.len, self.left - block.len);
        let look = Look { bytes: self.copy.view.look(q), q, i, left, from_new: self.copy.from_new };
        let unit = isa::detect::<I>(&look, &self.space, &mut self.copy.context);
        if unit.kind == Kind::Byte {
            let count = isa::plain::<I>(&look, &self.space, &self.copy.context).min(self.block_len() - block.len);
            (block.len..).zip(look.bytes.iter().take(count as usize)).for_each(|(at, byte)| output.pencil(at, *byte));
            block.len += count;
            return;
        }
        let raw = look.raw(unit.len);
        let forecast = self.forecast(&unit);
        if !forecast.is_known && !self.copy.from_new {
            self.learn_unit(coder, &unit, forecast.shift);
        }
        let word = isa::moved::<I>(&unit, raw, i, forecast.shift, &self.space, &mut self.copy.context);
        (block.len..).zip(word.to_le_bytes()).for_each(|(at, byte)| output.pencil(at, byte));
        block.len += unit.len;
        block.units += 1;
        block.trust = block.trust.min(forecast.trust);
    }

    /// Continues bytes that repeat after `distance`.
    fn repeat(&self, output: &mut Output, count: u32, distance: u32) {
        let period = self.copy.view.look(self.copy.q);
        let period = period.get(..distance as usize).unwrap_or(period);
        (0..count).zip(period.iter().cycle()).for_each(|(at, byte)| output.pencil(at, *byte));
    }

    /// One unit of a block that is not as predicted.
    #[inline(never)]
    pub(crate) fn unit<I: Isas, C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        self.copy.load(self.space.old_size, output, images)?;
        let (q, i) = (self.copy.q, output.produced());
        let look = Look { bytes: self.copy.view.look(q), q, i, left: self.left, from_new: self.copy.from_new };
        let repeats = self.copy.from_new && i.wrapping_sub(q) < STEP_BYTES;
        let unit = if repeats { Unit::BYTE } else { isa::detect::<I>(&look, &self.space, &mut self.copy.context) };
        let raw = look.raw(unit.len);
        let forecast = self.forecast(&unit);
        let mut word = isa::moved::<I>(&unit, raw, i, forecast.shift, &self.space, &mut self.copy.context);
        let wanted = wanted_word(coder, i, unit.len);
        let is_good = self.is_as_predicted(coder, &unit, raw, forecast.trust, i, word == wanted);
        self.copy.block_left = self.copy.block_left.saturating_sub(unit.len);
        let mut shift = Some(forecast.shift);
        if !is_good {
            let solution = match C::ENCODES {
                true => isa::solve::<I>(&unit, raw, i, wanted, &self.space, &self.copy.context),
                false => None,
            };
            shift = if unit.kind == Kind::Byte { None } else { self.solved(coder, &unit, &forecast, solution) };
            let Some(shift) = shift else {
                self.copy.raw_left = unit.len;
                self.phase = Phase::Raw;
                return Ok(());
            };
            word = isa::moved::<I>(&unit, raw, i, shift, &self.space, &mut self.copy.context);
        }
        isa::settled::<I>(&unit, word, i, &self.space, &mut self.copy.context);
        word.to_le_bytes().iter().take(unit.len as usize).for_each(|byte| output.put(*byte));
        let is_page = unit.kind == Kind::High && self.space.arch == crate::Arch::RiscV;
        if let Some(shift) = shift
            && !self.copy.from_new
            && unit.kind != Kind::Byte
            && (is_good || !is_page)
        {
            self.learn_unit(coder, &unit, shift);
        }
        self.copy.q += unit.len;
        self.advance(unit.len, if self.copy.block_left == 0 { Phase::Block } else { Phase::Unit });
        Ok(())
    }

    /// Whether a unit is as predicted; in a block that is not, the last byte cannot be the first to be.
    fn is_as_predicted<C: Coder>(
        &mut self,
        coder: &mut C,
        unit: &Unit,
        raw: u32,
        trust: u32,
        i: u32,
        wanted: bool,
    ) -> bool {
        let is_byte = unit.kind == Kind::Byte;
        let kind = unit.kind as u32;
        let fault = u32::from(self.copy.has_fault);
        let history = self.unit_history.get_mut(kind as usize).map_or(0, |history| *history);
        let history = u32::from(history);
        let is_good = if is_byte && fault == 0 && self.copy.block_left <= 1 {
            false
        } else {
            let fared = if is_byte { history & 7 } else { trust << 1 | history & 1 };
            let since = i.wrapping_sub(self.last_changed).min(15);
            let parity = self.parity(i);
            let contexts = [
                0x100_0000 | kind << 8 | fared << 1 | parity,
                0x200_0000 | kind << 16 | self.top() << 1 | parity,
                0x300_0000 | kind << 8 | since << 4 | fault << 1 | parity,
                0x400_0000 | kind << 16 | (raw & 0xFF) << 8 | history & 1,
            ];
            self.mixer.decide(coder, &contexts, UNIT_ROWS + kind as usize * 4, wanted)
        };
        if let Some(place) = self.unit_history.get_mut(kind as usize) {
            *place = (history << 1 | u32::from(!is_good)) as u8;
        }
        self.copy.has_fault |= !is_good;
        is_good
    }

    /// The shift of a unit that is not as predicted, if a shift explains it.
    #[inline(never)]
    fn solved<C: Coder>(
        &mut self,
        coder: &mut C,
        unit: &Unit,
        forecast: &Forecast,
        solution: Option<i32>,
    ) -> Option<i32> {
        let kind = unit.kind as usize;
        if !self.flags.code(coder, at::SOLVED + kind, solution.is_some()) {
            return None;
        }
        let wanted = solution.unwrap_or(0);
        if forecast.other != forecast.shift
            && self.flags.code(coder, at::OTHER + kind, solution == Some(forecast.other))
        {
            to_front(&mut self.recent, forecast.other);
            return Some(forecast.other);
        }
        let index = self.recent.iter().position(|shift| *shift == wanted);
        let set = at::RECENT + kind * 4;
        let shift = if self.flags.code(coder, set, index.is_some()) {
            let mut choice = 0;
            while choice < 3 && !self.flags.code(coder, set + 1 + choice, index == Some(choice)) {
                choice += 1;
            }
            self.recent[choice.min(3)]
        } else {
            self.residual(coder, unit, forecast.shift, wanted)
        };
        to_front(&mut self.recent, shift);
        Some(shift)
    }

    fn residual<C: Coder>(&mut self, coder: &mut C, unit: &Unit, expected: i32, wanted: i32) -> i32 {
        let kind = unit.kind as usize;
        let way = wanted.wrapping_sub(expected);
        let spare = isa::spare_bits(unit, self.space.arch);
        let is_even = self.flags.code(coder, at::EVEN + kind, way.trailing_zeros() >= spare);
        let spare = if is_even { spare } else { 0 };
        let negative = self.flags.code(coder, at::NEGATIVE + kind, way < 0);
        let tree = if unit.is_offset { at::NEAR } else { at::FAR };
        let size = self.flags.number(coder, tree, at::SECOND_SHIFT, way.unsigned_abs() >> spare) << spare;
        expected.wrapping_add_unsigned(if negative { size.wrapping_neg() } else { size })
    }

    /// A byte of a unit that is spelled out.
    pub(crate) fn raw<C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        self.copy.load(self.space.old_size, output, images)?;
        let old = self.copy.view.look(self.copy.q).first().copied().unwrap_or(0);
        self.replaced(coder, output, old);
        self.copy.q += 1;
        self.copy.raw_left -= 1;
        let then = match (self.copy.raw_left, self.copy.block_left) {
            (0, 0) => Phase::Block,
            (0, _) => Phase::Unit,
            _ => Phase::Raw,
        };
        self.advance(1, then);
        Ok(())
    }
}

/// The new image's next bytes, as far as they are known.
fn wanted_word<C: Coder>(coder: &C, i: u32, len: u32) -> u32 {
    if !C::ENCODES {
        return 0;
    }
    (0..len).fold(0, |word, at| word | u32::from(coder.wanted(i + at)) << (8 * at))
}
