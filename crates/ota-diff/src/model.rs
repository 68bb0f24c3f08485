//! The model of the stream: what it remembers, operations and literals. Copies are in `copy`.

use crate::chance::{EVEN, OPINIONS, TREE, WEIGHT, flag, mixed, number};
use crate::coder::{Coder, Source};
use crate::copy::{Fault, View};
use crate::isa::{Context, Isas, KINDS, NO_BASE, Space, Window};
use crate::output::Output;
use crate::{Arch, Images, Profile, map};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where each use has its flags.
pub(crate) mod at {
    use super::{KINDS, TREE};
    pub(crate) const LITERAL: usize = 0;
    pub(crate) const FROM_NEW: usize = LITERAL + 3;
    pub(crate) const ALONG: usize = FROM_NEW + 3;
    pub(crate) const END: usize = ALONG + 3;
    pub(crate) const BLOCK: usize = END + 3;
    pub(crate) const SOLVED: usize = BLOCK + 8;
    pub(crate) const OTHER: usize = SOLVED + KINDS;
    pub(crate) const LAST: usize = OTHER + KINDS;
    pub(crate) const LITERAL_LEN: usize = OTHER + 2 * KINDS;
    pub(crate) const COPY_LEN: usize = LITERAL_LEN + TREE;
    pub(crate) const JUMP: usize = COPY_LEN + TREE;
    pub(crate) const DISTANCE: usize = JUMP + TREE;
    pub(crate) const NEAR: usize = DISTANCE + TREE;
    pub(crate) const FAR: usize = NEAR + TREE;
    pub(crate) const FLAGS: usize = FAR + TREE;
}

/// Rows of weights: for each bit of literals and of replaced bytes at even and odd places, and for each kind of unit.
pub(crate) const REPLACED_ROWS: usize = 16;
pub(crate) const UNIT_ROWS: usize = 32;
const ROWS: usize = UNIT_ROWS + KINDS;

/// Where the stream stands: all of it is numbers.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Stand {
    /// Bytes of the operation that are left.
    pub(crate) left: u32,
    /// What the operation is: 0 a literal, 1 a copy from the old image, 2 one from the new; 3 before the first.
    pub(crate) source: u32,
    /// The next byte to copy.
    pub(crate) q: u32,
    /// Bytes of the block that are left, and whether it is as predicted (0), or is not, and no fault was found yet (1) or
    /// one was (2).
    pub(crate) block_left: u32,
    pub(crate) doubt: u32,
    /// Bytes left of a unit that is spelled out.
    pub(crate) raw_left: u32,
    /// Where the last copy from the old image ended.
    pub(crate) old_end: u32,
    /// Its place in the old image less that in the new one.
    pub(crate) alignment: u32,
    /// The last bytes put out, the last one of all in the lowest bits.
    pub(crate) tail: u32,
    /// By how much the last replaced byte differed.
    pub(crate) change: u8,
    /// How the last blocks fared, a bit each.
    pub(crate) blocks: u8,
    reserved: [u8; 2],
    /// How each kind of unit fared lately, a bit per unit.
    pub(crate) fared: [u8; KINDS],
    /// Entries of the table of shifts that are in use.
    pub(crate) known: u32,
    /// The last shift that was spelled out.
    pub(crate) last: u32,
    pub(crate) space: Space,
    pub(crate) context: Context,
}

impl Stand {
    /// All zeros.
    const IDLE: Self = Self {
        left: 0,
        source: 0,
        q: 0,
        block_left: 0,
        doubt: 0,
        raw_left: 0,
        old_end: 0,
        alignment: 0,
        tail: 0,
        change: 0,
        blocks: 0,
        reserved: [0; 2],
        fared: [0; KINDS],
        known: 0,
        last: 0,
        space: Space { base: 0, ..Space::NONE },
        context: Context::at(0),
    };
    const START: Self = Self { source: 3, space: Space::NONE, ..Self::IDLE };
}

/// All that the decoder remembers but for what is on its way in and out.
///
/// In this order: what is used most lies where short instructions reach it.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Model<P: Profile> {
    pub(crate) stand: Stand,
    pub(crate) arch: Arch,
    pub(crate) old_size: u32,
    pub(crate) new_size: u32,
    pub(crate) view: View,
    pub(crate) flags: [u16; at::FLAGS],
    weights: [[u16; OPINIONS]; ROWS],
    pub(crate) shifts: P::Map,
    slots: P::Slots,
}

impl<P: Profile> Model<P> {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize =
        size_of::<Stand>() + 2 * (at::FLAGS + ROWS * OPINIONS) + size_of::<P::Map>() + size_of::<P::Slots>();

    /// A model without work. All of it is zero, so that a static one costs no ROM.
    pub(crate) const fn idle() -> Self {
        Self {
            stand: Stand::IDLE,
            arch: Arch::None,
            old_size: 0,
            new_size: 0,
            view: View::NONE,
            flags: [0; at::FLAGS],
            weights: [[0; OPINIONS]; ROWS],
            shifts: P::MAP,
            slots: P::SLOTS,
        }
    }

    /// Gets ready for a stream.
    pub(crate) fn begin(&mut self, arch: Arch, old_size: u32, new_size: u32) {
        self.stand = Stand::START;
        (self.arch, self.old_size, self.new_size) = (arch, old_size, new_size);
        self.view.forget();
        self.flags.fill(EVEN);
        self.weights.as_flattened_mut().fill(WEIGHT);
        self.slots.as_mut().fill(0);
    }

    /// Decodes a little more: an operation, a byte, a unit, or what is as predicted of a block. Takes at most `STEP_MAX`
    /// bytes of the patch, and puts out bytes as long as there is room for a unit.
    pub(crate) fn step<I: Isas, C: Coder, M: Images>(
        &mut self,
        coder: &mut C,
        output: &mut Output,
        images: &mut M,
    ) -> Result<(), Fault<M::Error>> {
        if self.stand.left == 0 {
            return self.operation(coder, output.produced()).ok_or(Fault::Range);
        }
        if self.stand.source == 0 {
            self.literal(coder, output);
            return Ok(());
        }
        self.copy::<I, C, M>(coder, output, images)
    }

    /// Base address and windows; plain data has none.
    fn read_space<C: Coder>(&mut self, coder: &mut C) {
        if self.arch == Arch::None {
            return;
        }
        let space = &mut self.stand.space;
        let count = space.windows.iter().filter(|window| window.len > 0).count() as u32;
        let wanted = space.windows.iter().rev().fold(0, |code, window| code << 1 | window.is_code);
        let code = bytes(coder, 1, wanted << 4 | u32::from(space.base != NO_BASE) << 3 | count);
        if code & 8 != 0 {
            space.base = bytes(coder, 3, space.base >> 8) << 8;
        }
        for (index, window) in space.windows.iter_mut().enumerate().take(code as usize & 7) {
            *window = Window {
                start: bytes(coder, 3, window.start >> 8) << 8,
                len: bytes(coder, 2, window.len >> 8) << 8,
                is_code: code >> (4 + index) & 1,
            };
        }
    }

    /// The next operation; nothing when it reaches outside an image.
    #[inline(never)]
    fn operation<C: Coder>(&mut self, coder: &mut C, i: u32) -> Option<()> {
        if self.stand.source > 2 {
            self.read_space(coder);
            self.stand.source = 1;
        }
        let op = coder.next_op();
        let last = self.stand.source as usize;
        let mut tree = at::COPY_LEN;
        if last != 0 && flag(&mut self.flags, coder, at::LITERAL + last, op.source == Source::Literal) {
            self.stand.source = 0;
            tree = at::LITERAL_LEN;
        } else if flag(&mut self.flags, coder, at::FROM_NEW + last, op.source == Source::New) {
            let back = number(&mut self.flags, coder, at::DISTANCE, i.wrapping_sub(op.from).wrapping_sub(1));
            self.stand.q = i.checked_sub(back)?.checked_sub(1)?;
            self.stand.source = 2;
        } else {
            self.stand.q = self.place(coder, op.from, i, last);
            self.stand.source = 1;
        }
        let left = number(&mut self.flags, coder, tree, op.len.wrapping_sub(1)).saturating_add(1);
        self.stand.left = left;
        (self.stand.block_left, self.stand.raw_left) = (0, 0);
        self.stand.context = Context::at(self.stand.q);
        self.view.forget();
        if self.stand.source == 1 {
            self.stand.alignment = self.stand.q.wrapping_sub(i);
            self.stand.old_end = self.stand.q.checked_add(left).filter(|end| *end <= self.old_size)?;
            if left >= LONG {
                let shift = i.wrapping_sub(self.stand.q) as i32;
                let key = self.stand.q.wrapping_add(self.stand.space.base);
                self.learn(coder, key, shift);
                self.learn(coder, key.wrapping_add(left - 1), shift);
            }
        }
        (left <= self.new_size.wrapping_sub(i)).then_some(())
    }

    /// Where in the old image a copy begins.
    fn place<C: Coder>(&mut self, coder: &mut C, wanted: u32, i: u32, last: usize) -> u32 {
        let along = i.wrapping_add(self.stand.alignment);
        if flag(&mut self.flags, coder, at::ALONG + last, wanted == along) {
            return along;
        }
        let end = self.stand.old_end;
        if flag(&mut self.flags, coder, at::END + last, wanted == end) {
            return end;
        }
        self.signed(coder, at::JUMP, along, wanted, 0)
    }

    /// A number near another one.
    #[inline(never)]
    pub(crate) fn signed<C: Coder>(&mut self, coder: &mut C, tree: usize, from: u32, wanted: u32, spare: u32) -> u32 {
        let way = wanted.wrapping_sub(from) as i32;
        let back = flag(&mut self.flags, coder, tree, way < 0);
        let way = number(&mut self.flags, coder, tree, way.unsigned_abs() >> spare) << spare;
        from.wrapping_add(if back { way.wrapping_neg() } else { way })
    }

    fn literal<C: Coder>(&mut self, coder: &mut C, output: &mut Output) {
        let odd = self.odd(output.produced());
        let (before, earlier) = (self.stand.tail & 0xFF, self.stand.tail >> 8 & 0xFF);
        let contexts = [0x1_0000 | odd, 0x2_0000 | before << 1 | odd, 0x3_0000, 0x4_0000 | earlier << 1 | odd];
        self.byte(coder, output, &contexts, 0);
    }

    /// A byte that replaces `old`.
    pub(crate) fn replaced<C: Coder>(&mut self, coder: &mut C, output: &mut Output, old: u8) {
        let odd = self.odd(output.produced());
        let change = self.stand.change;
        let contexts = [
            0x8_0000 | u32::from(old),
            0x9_0000 | u32::from(old.wrapping_add(change)) << 1 | u32::from(change != 0),
            0xA_0000 | (self.stand.tail & 0xFF) << 1 | odd,
            0xC_0000 | odd,
        ];
        let new = self.byte(coder, output, &contexts, REPLACED_ROWS);
        self.stand.change = new.wrapping_sub(old);
    }

    /// A byte, bit by bit.
    #[inline(never)]
    fn byte<C: Coder>(&mut self, coder: &mut C, output: &mut Output, contexts: &[u32; OPINIONS], rows: usize) -> u8 {
        let i = output.produced();
        let wanted = u32::from(coder.wanted(i));
        let rows = rows + 8 * self.odd(i) as usize;
        let mut node = 1_u32;
        for level in 0..8 {
            let bit = self.mixed(coder, contexts, rows + level, node, wanted << level & 0x80 != 0);
            node = node << 1 | u32::from(bit);
        }
        self.put(output, node, 1);
        node as u8
    }

    pub(crate) fn mixed<C: Coder>(
        &mut self,
        coder: &mut C,
        contexts: &[u32; OPINIONS],
        row: usize,
        node: u32,
        wanted: bool,
    ) -> bool {
        let Some(row) = self.weights.get_mut(row) else { return false };
        mixed(self.slots.as_mut(), row, coder, contexts, node, wanted)
    }

    /// Puts out the lowest `len` bytes of a word, the lowest first.
    pub(crate) fn put(&mut self, output: &mut Output, mut word: u32, len: u32) {
        for _ in 0..len {
            output.put(word as u8);
            self.stand.tail = self.stand.tail << 8 | word & 0xFF;
            word >>= 8;
        }
        self.stand.q = self.stand.q.wrapping_add(len);
        self.stand.left = self.stand.left.saturating_sub(len);
        self.stand.block_left = self.stand.block_left.saturating_sub(len);
    }

    /// Which half of an instruction a byte is in; Xtensa's have three bytes.
    pub(crate) fn odd(&self, i: u32) -> u32 {
        if self.arch == Arch::Xtensa { 0 } else { i & 1 }
    }

    /// Learns what became of an address.
    pub(crate) fn learn<C: Coder>(&mut self, coder: &mut C, key: u32, shift: i32) {
        coder.learned(key, shift);
        map::learn(self.shifts.as_mut(), &mut self.stand.known, key, shift);
    }

    /// All that must outlast a power cut.
    pub(crate) fn pieces(&mut self) -> [&mut [u8]; 5] {
        [
            self.stand.as_mut_bytes(),
            self.flags.as_mut_bytes(),
            self.weights.as_mut_bytes(),
            self.shifts.as_mut().as_mut_bytes(),
            self.slots.as_mut(),
        ]
    }

    /// Whether a state that was read back can be worked with; `i` is where the next byte belongs.
    pub(crate) fn is_sound(&self, i: u32) -> bool {
        let Stand { left, source, q, block_left, raw_left, known, .. } = self.stand;
        let size = if source == 1 { self.old_size } else { i };
        // Of the new image, more is there as the copy goes on.
        let held = if source == 1 { left } else { 1 };
        left <= self.new_size.wrapping_sub(i)
            && (source <= 2 || source == 3 && left == 0)
            && (left == 0 || source == 0 || q < size && held <= size - q && block_left.max(raw_left) <= left)
            && known as usize <= self.shifts.as_ref().len()
    }
}

/// Copies of this length tell how addresses moved.
const LONG: u32 = 200;

/// A number of so many bytes, the highest first.
fn bytes<C: Coder>(coder: &mut C, count: u32, wanted: u32) -> u32 {
    (0..count).rev().fold(0, |value, place| value << 8 | u32::from(coder.raw((wanted >> (8 * place)) as u8)))
}
