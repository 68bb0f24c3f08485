//! The model of the stream: operations, literals and the state of it all. Copies are in `copy`.

use crate::chance::{FineFlags, Flags, Mixer};
use crate::coder::{Coder, Op, Source};
use crate::copy::{Copy, Fault};
use crate::isa::{Context, Isas, KINDS, Space, WINDOWS, Window};
use crate::map::Map;
use crate::output::Output;
use crate::tape::Tape;
use crate::{Images, Profile};

/// Where each use has its flags.
pub(crate) mod at {
    use super::KINDS;
    pub(crate) const LITERAL: usize = 0;
    pub(crate) const FROM_NEW: usize = LITERAL + 3;
    pub(crate) const PLACE: usize = FROM_NEW + 3;
    pub(crate) const BACKWARD: usize = PLACE + 16;
    pub(crate) const SOLVED: usize = BACKWARD + 1;
    pub(crate) const NEGATIVE: usize = SOLVED + KINDS;
    pub(crate) const EVEN: usize = NEGATIVE + KINDS;
    pub(crate) const RECENT: usize = EVEN + KINDS;
    pub(crate) const LITERAL_LEN: usize = RECENT + KINDS * 4;
    pub(crate) const COPY_LEN: usize = LITERAL_LEN + 32;
    pub(crate) const JUMP: usize = COPY_LEN + 32;
    pub(crate) const DISTANCE: usize = JUMP + 32;
    pub(crate) const NEAR: usize = DISTANCE + 32;
    pub(crate) const FAR: usize = NEAR + 32;
    pub(crate) const SECOND_LEN: usize = FAR + 32;
    pub(crate) const SECOND_PLACE: usize = SECOND_LEN + 24;
    pub(crate) const SECOND_SHIFT: usize = SECOND_PLACE + 24;
    pub(crate) const OTHER: usize = SECOND_SHIFT + 24;
    pub(crate) const END: usize = OTHER + KINDS;
}

/// Rows of weights: for literals at even and odd places, two opinions; for replaced bytes, four.
const LITERAL_OPINIONS: usize = 2;
const REPLACED_OPINIONS: usize = 4;
const REPLACED_ROWS: usize = 2 * 8 * LITERAL_OPINIONS;
pub(crate) const UNIT_ROWS: usize = REPLACED_ROWS + 2 * 8 * REPLACED_OPINIONS;
const WEIGHTS: usize = UNIT_ROWS + 8 * 4;

/// Units' trust, whether there are more, the last two blocks, the source.
const BLOCK_SETS: usize = 9 * 4 * 2;

/// What the next step decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What numbers mean in these images.
    Space,
    /// The next operation.
    Op,
    /// A byte of a literal.
    Literal,
    /// A block of a copy.
    Block,
    /// A unit of a block that did not come out as predicted.
    Unit,
    /// A byte of a unit that changed beyond its address.
    Raw,
}

const PHASES: [Phase; 6] = [Phase::Space, Phase::Op, Phase::Literal, Phase::Block, Phase::Unit, Phase::Raw];

/// All that the decoder remembers but for what is on its way in and out.
///
/// In this order: what is used most lies where short instructions reach it.
#[repr(C)]
pub(crate) struct Model<P: Profile> {
    /// Bytes of the operation that are left.
    pub(crate) left: u32,
    /// Where the last copy from the old image ended.
    pub(crate) old_end: u32,
    last_literal: u32,
    last_distance: u32,
    pub(crate) last_changed: u32,
    pub(crate) block_history: u32,
    /// 0 after a literal, 1 after a copy from the old image, 2 after one from the new.
    last_op: u32,
    pub(crate) new_size: u32,
    pub(crate) phase: Phase,
    /// By how much the last replaced byte differed from the old one.
    pub(crate) last_change: u8,
    pub(crate) copy: Copy,
    pub(crate) space: Space,
    /// How each kind of unit fared lately, a bit per unit.
    pub(crate) unit_history: [u8; KINDS],
    pub(crate) recent: [i32; 4],
    alignments: [i32; 4],
    pub(crate) locals: Map<P::Locals>,
    pub(crate) blocks: FineFlags<{ BLOCK_SETS }>,
    pub(crate) flags: Flags<{ at::END }>,
    pub(crate) shifts: Map<P::Map>,
    pub(crate) mixer: Mixer<P::Slots, WEIGHTS>,
}

impl<P: Profile> Model<P> {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = Mixer::<P::Slots, WEIGHTS>::SAVED_LEN
        + Map::<P::Map>::SAVED_LEN
        + Map::<P::Locals>::SAVED_LEN
        + 2 * (at::END + BLOCK_SETS)
        + Space::SAVED_LEN
        + Copy::SAVED_LEN
        + (1 + 4 + KINDS + 1 + 1 + 16 + 4 + 1 + 12 + 16);

    /// A model without work. All of it is zero, so that a static one costs no ROM.
    pub(crate) const fn idle() -> Self {
        Self {
            mixer: Mixer::idle(P::SLOTS),
            shifts: Map::new(P::MAP),
            locals: Map::new(P::LOCALS),
            flags: Flags::idle(),
            blocks: FineFlags::idle(),
            space: Space::new(crate::Arch::None, 0),
            new_size: 0,
            phase: Phase::Space,
            left: 0,
            copy: Copy::new(),
            unit_history: [0; KINDS],
            block_history: 0,
            last_change: 0,
            last_changed: 0,
            recent: [0; 4],
            last_op: 0,
            last_literal: 0,
            old_end: 0,
            last_distance: 0,
            alignments: [0; 4],
        }
    }

    /// Gets ready for a stream.
    pub(crate) fn begin(&mut self, space: Space, new_size: u32) {
        self.mixer.begin();
        self.shifts.begin();
        self.locals.begin();
        self.flags.begin();
        self.blocks.begin();
        self.space = Space { base: NO_BASE, ..space };
        self.new_size = new_size;
        self.phase = Phase::Space;
        self.copy = Copy::new();
        self.unit_history = [0; KINDS];
        (self.left, self.block_history, self.last_change, self.last_changed) = (0, 0, 0, 0);
        (self.last_op, self.last_literal, self.old_end, self.last_distance) = (1, 0, 0, 0);
        self.recent = [0; 4];
        self.alignments = [0; 4];
    }

    /// Decodes a little more. Takes at most `STEP_MAX` bytes of the patch and puts out at most `STEP_BYTES`.
    pub(crate) fn step<I: Isas, C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        match self.phase {
            Phase::Space => {
                self.read_space(coder);
                self.phase = Phase::Op;
            }
            Phase::Op => self.operation(coder, output.produced()).ok_or(Fault::Range)?,
            Phase::Literal => {
                self.literal(coder, output);
                self.advance(1, Phase::Literal);
            }
            Phase::Block => self.block::<I, C, M>(coder, output, images)?,
            Phase::Unit => self.unit::<I, C, M>(coder, output, images)?,
            Phase::Raw => self.raw(coder, output, images)?,
        }
        Ok(())
    }

    /// Counts bytes of the operation off; the phase is `then` until none is left.
    pub(crate) fn advance(&mut self, count: u32, then: Phase) {
        self.left = self.left.saturating_sub(count);
        self.phase = if self.left == 0 { Phase::Op } else { then };
    }

    /// Base address and windows; plain data has none.
    #[inline(never)]
    fn read_space<C: Coder>(&mut self, coder: &mut C) {
        if self.space.arch == crate::Arch::None {
            return;
        }
        if coder.bit(1 << 15, self.space.base != NO_BASE) {
            self.space.base = plain(coder, 24, self.space.base >> 8) << 8;
        }
        for window in &mut self.space.windows {
            if !coder.bit(1 << 15, window.len > 0) {
                break;
            }
            *window = Window {
                start: plain(coder, 24, window.start >> 8) << 8,
                len: plain(coder, 16, window.len >> 8) << 8,
                is_code: coder.bit(1 << 15, window.is_code),
            };
        }
    }

    #[inline(never)]
    /// The next operation; nothing when it reaches outside an image.
    fn operation<C: Coder>(&mut self, coder: &mut C, i: u32) -> Option<()> {
        let op = coder.next_op();
        let last = self.last_op as usize;
        if last != 0 && self.flags.code(coder, at::LITERAL + last, op.source == Source::Literal) {
            self.left = self.length(coder, at::LITERAL_LEN, op.len);
            self.last_literal = self.left;
            self.last_op = 0;
            self.phase = Phase::Literal;
        } else if self.flags.code(coder, at::FROM_NEW + last, op.source == Source::New) {
            self.copy_new(coder, op, i)?;
        } else {
            self.copy_old(coder, op, i)?;
        }
        (self.left <= self.new_size.saturating_sub(i)).then_some(())
    }

    fn length<C: Coder>(&mut self, coder: &mut C, tree: usize, wanted: u32) -> u32 {
        self.flags.number(coder, tree, at::SECOND_LEN, wanted.wrapping_sub(1)).saturating_add(1)
    }

    fn copy_new<C: Coder>(&mut self, coder: &mut C, op: Op, i: u32) -> Option<()> {
        let wanted = i.wrapping_sub(op.from);
        if !self.flags.code(coder, at::PLACE + 12, wanted == self.last_distance) {
            self.last_distance =
                self.flags.number(coder, at::DISTANCE, at::SECOND_PLACE, wanted.wrapping_sub(1)).saturating_add(1);
        }
        self.left = self.length(coder, at::COPY_LEN, op.len);
        if self.last_distance == 0 || self.last_distance > i {
            return None;
        }
        self.begin_copy(true, i - self.last_distance, i);
        self.last_op = 2;
        self.last_literal = 0;
        Some(())
    }

    fn copy_old<C: Coder>(&mut self, coder: &mut C, op: Op, i: u32) -> Option<()> {
        let from = self.place(coder, op.from, i);
        self.left = self.length(coder, at::COPY_LEN, op.len);
        if from > self.space.old_size || self.left > self.space.old_size - from {
            return None;
        }
        let alignment = from.wrapping_sub(i) as i32;
        to_front(&mut self.alignments, alignment);
        self.begin_copy(false, from, i);
        if self.left >= LONG {
            let key = self.space.base.wrapping_add(from);
            let shift = alignment.wrapping_neg();
            self.learn(coder, key, shift);
            self.learn(coder, key.wrapping_add(self.left - 1), shift);
        }
        self.old_end = from + self.left;
        self.last_op = 1;
        self.last_literal = 0;
        Some(())
    }

    pub(crate) fn learn<C: Coder>(&mut self, coder: &mut C, key: u32, shift: i32) {
        coder.learned(key, shift);
        self.shifts.learn(key, shift);
    }

    fn begin_copy(&mut self, from_new: bool, from: u32, i: u32) {
        self.copy.from_new = from_new;
        self.copy.q = from;
        self.copy.shift = i.wrapping_sub(from) as i32;
        self.copy.context = Context::at(from);
        self.phase = Phase::Block;
    }

    /// Where in the old image a copy begins.
    #[inline(never)]
    fn place<C: Coder>(&mut self, coder: &mut C, wanted: u32, i: u32) -> u32 {
        let after = self.old_end.wrapping_add(self.last_literal);
        let recent = self.alignments.map(|alignment| i.wrapping_add_signed(alignment));
        let index = recent.iter().position(|place| *place == wanted);
        let set = at::PLACE + if self.last_literal > 0 { 4 } else { 0 };
        let (same, skips) = (wanted == self.old_end, wanted == after);
        if self.flags.code(coder, set, same) {
            return self.old_end;
        }
        if self.flags.code(coder, set + 1, !skips && index.is_none()) {
            let way = wanted.wrapping_sub(after) as i32;
            let back = self.flags.code(coder, at::BACKWARD, way < 0);
            let way = self.flags.number(coder, at::JUMP, at::SECOND_PLACE, way.unsigned_abs());
            return if back { after.wrapping_sub(way) } else { after.wrapping_add(way) };
        }
        if self.last_literal > 0 && self.flags.code(coder, set + 2, skips) {
            return after;
        }
        let mut choice = 0;
        while choice < 3 && !self.flags.code(coder, at::PLACE + 8 + choice, index == Some(choice)) {
            choice += 1;
        }
        recent.get(choice).copied().unwrap_or(0)
    }

    #[inline(never)]
    fn literal<C: Coder>(&mut self, coder: &mut C, output: &mut Output) {
        let odd = self.parity(output.produced());
        let before = u32::from(output.tail());
        let contexts = [0x1_0000 + odd, 0x2_0000 + before * 2 + odd];
        let wanted = coder.wanted(output.produced());
        let row = odd as usize * 8 * LITERAL_OPINIONS;
        output.put(self.mixer.byte(coder, &contexts, row, wanted));
    }

    /// A byte that replaces `old`.
    pub(crate) fn replaced<C: Coder>(&mut self, coder: &mut C, output: &mut Output, old: u8) {
        let odd = self.parity(output.produced());
        let before = u32::from(output.tail());
        let (same, changed) = (u32::from(old), u32::from(old.wrapping_add(self.last_change)));
        let contexts = [
            0x8_0000 + same,
            0x9_0000 + changed * 2 + u32::from(self.last_change != 0),
            0xA_0000 + before * 2 + odd,
            0xC_0000 + odd,
        ];
        let wanted = coder.wanted(output.produced());
        let row = REPLACED_ROWS + odd as usize * 8 * REPLACED_OPINIONS;
        let new = self.mixer.byte(coder, &contexts, row, wanted);
        self.last_change = new.wrapping_sub(old);
        self.last_changed = output.produced();
        output.put(new);
    }

    /// Which half of an instruction a byte is in; Xtensa's have three bytes.
    pub(crate) fn parity(&self, i: u32) -> u32 {
        if self.space.arch == crate::Arch::Xtensa { 0 } else { i & 1 }
    }

    #[inline(never)]
    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        self.mixer.walk(tape);
        self.shifts.walk(tape);
        self.locals.walk(tape);
        self.flags.walk(tape);
        self.blocks.walk(tape);
        self.space.walk(tape);
        let mut phase = self.phase as u32;
        tape.small(&mut phase);
        self.phase = PHASES.get(phase as usize).copied().unwrap_or(Phase::Op);
        tape.word(&mut self.left);
        self.copy.walk(tape);
        tape.bytes(&mut self.unit_history);
        tape.small(&mut self.block_history);
        tape.bytes(core::slice::from_mut(&mut self.last_change));
        tape.shifts(&mut self.recent);
        tape.word(&mut self.last_changed);
        tape.small(&mut self.last_op);
        for word in [&mut self.last_literal, &mut self.old_end, &mut self.last_distance] {
            tape.word(word);
        }
        tape.shifts(&mut self.alignments);
    }

    /// Whether a replayed state can be worked with; `i` is where the next byte belongs.
    #[inline(never)]
    pub(crate) fn is_sound(&self, i: u32) -> bool {
        let tables = self.shifts.is_sound() && self.locals.is_sound() && self.blocks.is_sound();
        let fits = self.left <= self.new_size - i && self.last_op <= 2;
        let begun = matches!(self.phase, Phase::Op | Phase::Space) == (self.left == 0);
        let source = if self.copy.from_new {
            self.copy.q < i
        } else {
            self.left <= self.space.old_size.saturating_sub(self.copy.q)
        };
        let copies = matches!(self.phase, Phase::Block | Phase::Unit | Phase::Raw);
        tables && fits && begun && (!copies || source && self.copy.is_sound(self.phase, self.left))
    }
}

/// Copies of this length tell how addresses moved.
const LONG: u32 = 200;
/// Offsets as keys are counted from here when nobody knows where the image lies: no window is there.
pub(crate) const NO_BASE: u32 = 0x8000_0000;

const _: () = assert!(WINDOWS == 4);

/// A number of plain bits.
fn plain<C: Coder>(coder: &mut C, bits: u32, wanted: u32) -> u32 {
    (0..bits).rev().fold(0, |value, place| value << 1 | u32::from(coder.bit(1 << 15, wanted >> place & 1 == 1)))
}

/// Moves a value to the front of a list of recent ones; the last one makes room for a new one.
pub(crate) fn to_front(list: &mut [i32; 4], value: i32) {
    let mut carried = value;
    for place in list {
        core::mem::swap(place, &mut carried);
        if carried == value {
            break;
        }
    }
}
