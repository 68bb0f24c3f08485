//! The binary range coder: what the model asks for bits, and the decoding side of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where an operation's bytes come from.
// Only an encoder has plans.
#[cfg_attr(not(feature = "std"), expect(dead_code))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// They are spelled out.
    Literal,
    /// The old image.
    Old,
    /// The new image, written before.
    New,
}

/// One operation of the stream, as the encoder plans it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) source: Source,
    /// Where in its image the source begins.
    pub(crate) from: u32,
    pub(crate) len: u32,
}

impl Op {
    pub(crate) const fn literal(len: u32) -> Self {
        Self { source: Source::Literal, from: 0, len }
    }
}

/// Codes the model's decisions: a decoder returns what the patch says, an encoder writes what is wanted.
///
/// The model is one piece of code for both, so that they cannot drift apart.
pub(crate) trait Coder {
    /// Whether what is wanted is known.
    const ENCODES: bool;
    /// Codes one decision; `one` of 65,536 is how likely "yes" is, from 1 to 65,535.
    fn bit(&mut self, one: u32, wanted: bool) -> bool;
    /// Codes a whole byte, before the first decision.
    fn raw(&mut self, wanted: u8) -> u8;
    /// The operation to encode next.
    fn next_op(&mut self) -> Op;
    /// The new image's byte at an offset, or 0 past its end.
    fn wanted(&self, at: u32) -> u8;
    /// Is told every address shift that the model learns.
    fn learned(&mut self, _key: u32, _shift: i32) {}
}

const RING: u32 = 64;
/// The most patch bytes that one step of the model takes. The first operation takes 38 at most: 24 of space, 4 that fill the
/// range, 10 of its own; a later one 41: 17 flags of 11.4 bits, two numbers with 60 plain bits, and what was not yet due.
pub(crate) const STEP_MAX: u32 = 48;
/// The most bytes that decoding a complete patch reads past its end: an encoder leaves out that many zeros.
const OVERRUN_MAX: u32 = 4;

/// Decodes bits from patch bytes that it was fed.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct RangeDecoder {
    code: u32,
    range: u32,
    head: u32,
    held: u32,
    /// Bytes of the patch that were not fed yet.
    left: u32,
    overrun: u32,
    ring: [u8; RING as usize],
}

impl RangeDecoder {
    pub(crate) const fn idle() -> Self {
        Self { code: 0, range: 0, ring: [0; RING as usize], head: 0, held: 0, left: 0, overrun: 0 }
    }

    pub(crate) fn begin(&mut self, stream_len: u32) {
        (self.code, self.range, self.left) = (0, 1, stream_len);
        (self.head, self.held, self.overrun) = (0, 0, 0);
    }

    /// Takes what fits of the patch; returns how much that was.
    pub(crate) fn feed(&mut self, patch: &[u8]) -> usize {
        let mut taken = 0;
        for byte in patch {
            if self.held >= RING || self.left == 0 {
                break;
            }
            if let Some(place) = self.ring.get_mut((self.head.wrapping_add(self.held) % RING) as usize) {
                *place = *byte;
            }
            self.held += 1;
            self.left -= 1;
            taken += 1;
        }
        taken
    }

    /// Whether one more step can run.
    pub(crate) fn is_ready(&self) -> bool {
        self.held >= STEP_MAX || self.left == 0
    }

    /// Bytes of the stream that were not fed yet.
    pub(crate) const fn left(&self) -> u32 {
        self.left
    }

    /// Whether the stream was read past its end.
    pub(crate) const fn is_past_end(&self) -> bool {
        self.overrun > OVERRUN_MAX
    }

    /// Whether all of the stream was needed.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.left == 0 && self.held == 0
    }

    fn next_byte(&mut self) -> u32 {
        if self.held == 0 {
            self.overrun = self.overrun.wrapping_add(1);
            return 0;
        }
        let byte = self.ring.get((self.head % RING) as usize).copied().unwrap_or(0);
        self.head = self.head.wrapping_add(1);
        self.held -= 1;
        u32::from(byte)
    }

    fn normalise(&mut self) {
        while self.range < 1 << 24 {
            // At first the range is 1: nothing is known, and three bytes are taken.
            self.range <<= 8;
            self.code = self.code << 8 | self.next_byte();
        }
    }

    pub(crate) const fn is_sound(&self, patch_len: u32) -> bool {
        self.left <= patch_len && self.range > 0 && self.held <= RING
    }
}

impl Coder for RangeDecoder {
    const ENCODES: bool = false;

    #[inline(never)]
    fn bit(&mut self, one: u32, _: bool) -> bool {
        self.normalise();
        let bound = ((u64::from(self.range) * u64::from(one)) >> 16) as u32;
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code = self.code.wrapping_sub(bound);
            self.range -= bound;
        }
        bit
    }

    fn raw(&mut self, _: u8) -> u8 {
        self.next_byte() as u8
    }

    fn next_op(&mut self) -> Op {
        Op::literal(1)
    }

    fn wanted(&self, _: u32) -> u8 {
        0
    }
}
