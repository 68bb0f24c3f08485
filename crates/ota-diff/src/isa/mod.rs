//! Units: the fields of instructions and data that hold addresses, and what they become when the address moves.

pub(crate) mod riscv;
pub(crate) mod thumb;
pub(crate) mod xtensa;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The instruction set that a patch's model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Plain data, or an instruction set that is not known.
    None,
    /// Arm Thumb, first and second edition: Cortex-M.
    Thumb,
    /// RISC-V with 32-bit registers, with or without compressed instructions.
    RiscV,
    /// Xtensa: ESP8266 and ESP32.
    Xtensa,
}

impl Arch {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Thumb),
            2 => Some(Self::RiscV),
            3 => Some(Self::Xtensa),
            _ => None,
        }
    }

    #[cfg(feature = "std")]
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// The instruction sets that a decoder is built for. A device needs its own only.
pub trait Isas {
    #[doc(hidden)]
    const THUMB: bool = false;
    #[doc(hidden)]
    const RISCV: bool = false;
    #[doc(hidden)]
    const XTENSA: bool = false;
    /// Whether instructions before a unit matter to it.
    #[doc(hidden)]
    const TRACKS: bool = Self::RISCV || Self::XTENSA;
}

/// A decoder for Arm Thumb and plain data.
#[derive(Debug, Clone, Copy)]
pub struct Thumb;
/// A decoder for RISC-V and plain data.
#[derive(Debug, Clone, Copy)]
pub struct RiscV;
/// A decoder for Xtensa and plain data.
#[derive(Debug, Clone, Copy)]
pub struct Xtensa;
/// A decoder for every patch.
#[derive(Debug, Clone, Copy)]
pub struct Every;

impl Isas for Thumb {
    const THUMB: bool = true;
}
impl Isas for RiscV {
    const RISCV: bool = true;
}
impl Isas for Xtensa {
    const XTENSA: bool = true;
}
impl Isas for Every {
    const THUMB: bool = true;
    const RISCV: bool = true;
    const XTENSA: bool = true;
}

/// Whether a decoder that was built for `I` knows an instruction set.
pub(crate) const fn knows<I: Isas>(arch: Arch) -> bool {
    match arch {
        Arch::None => true,
        Arch::Thumb => I::THUMB,
        Arch::RiscV => I::RISCV,
        Arch::Xtensa => I::XTENSA,
    }
}

/// What sort of field a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One byte without meaning.
    Byte,
    /// A call or a far branch.
    Branch,
    /// A word that points to code.
    Code,
    /// A word that points to data.
    Data,
    /// The first instruction of a pair that makes an address.
    High,
    /// The second one.
    Low,
    /// A branch or a load that reaches a few hundred bytes.
    Local,
    /// A load of a constant from further away.
    Constant,
}

/// Kinds of units, as far as flags are concerned.
pub(crate) const KINDS: usize = 8;

/// A place where the old image holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) kind: Kind,
    pub(crate) len: u32,
    /// What it means: an address, or an offset in the image.
    pub(crate) key: u32,
    /// The instruction's form, for who detected it.
    pub(crate) form: u32,
    /// Whether the key is an offset in the image.
    pub(crate) is_offset: bool,
}

impl Unit {
    pub(crate) const BYTE: Self = Self { kind: Kind::Byte, len: 1, key: 0, form: 0, is_offset: false };
}

/// Addresses that words may point to.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Window {
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// 1 for code, 0 for data.
    pub(crate) is_code: u32,
}

pub(crate) const WINDOWS: usize = 4;

/// What numbers mean in the images at hand.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Space {
    /// The address of the image's first byte, or something that is nobody's address.
    pub(crate) base: u32,
    pub(crate) windows: [Window; WINDOWS],
}

/// Offsets as keys are counted from here when nobody knows where the image lies: no window is there.
pub(crate) const NO_BASE: u32 = 0x8000_0000;

impl Space {
    /// Nobody knows anything.
    pub(crate) const NONE: Self = Self { base: NO_BASE, windows: [Window { start: 0, len: 0, is_code: 0 }; WINDOWS] };

    /// What a word points to: code, data or nothing.
    pub(crate) fn pointed(&self, word: u32) -> Option<Kind> {
        let window = self.windows.iter().find(|window| word.wrapping_sub(window.start) < window.len)?;
        Some(if window.is_code != 0 { Kind::Code } else { Kind::Data })
    }
}

const TRACKS: usize = 8;

/// What is known of the instructions before the one at hand.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Context {
    /// The old offset at which the next instruction begins.
    pub(crate) next: u32,
    tags: [u8; TRACKS],
    old: [u32; TRACKS],
    new: [u32; TRACKS],
}

impl Context {
    pub(crate) const fn at(next: u32) -> Self {
        Self { next, tags: [0; TRACKS], old: [0; TRACKS], new: [0; TRACKS] }
    }
}

/// How far a unit's instruction set looks ahead, from the unit's first byte.
pub(crate) const LOOK: usize = 28;

/// Source bytes from `q` on, zeros behind the source's end, on their way to offset `i` of the new image.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) bytes: &'a [u8; LOOK],
    pub(crate) q: u32,
    pub(crate) i: u32,
    /// Bytes of the copy that are left.
    pub(crate) left: u32,
    pub(crate) from_new: bool,
    /// Bytes of the old image.
    pub(crate) size: u32,
}

impl Look<'_> {
    pub(crate) fn half(&self, at: usize) -> u32 {
        let half = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk());
        u32::from(u16::from_le_bytes(half.copied().unwrap_or_default()))
    }

    pub(crate) fn word(&self, at: usize) -> u32 {
        self.half(at) | self.half(at + 2) << 16
    }

    /// The byte that holds most of the instruction's code, that at `q | 1`.
    pub(crate) fn top(&self) -> u32 {
        let half = self.half(0);
        if self.q & 1 == 0 { half >> 8 } else { half & 0xFF }
    }

    /// The first `len` bytes, 1 to 4, as a number.
    pub(crate) fn raw(&self, len: u32) -> u32 {
        self.word(0) & u32::MAX >> (32 - 8 * len)
    }
}

/// Finds the unit at the start of what is looked at.
#[inline(never)]
pub(crate) fn detect<I: Isas>(look: &Look<'_>, arch: Arch, space: &Space, context: &mut Context) -> Unit {
    let found = match arch {
        Arch::Thumb if I::THUMB => {
            return pointer(look, space).or_else(|| thumb::detect(look, space)).unwrap_or(Unit::BYTE);
        }
        Arch::RiscV if I::RISCV => riscv::detect(look, space, context),
        Arch::Xtensa if I::XTENSA => xtensa::detect(look, context),
        _ => return Unit::BYTE,
    };
    found.or_else(|| pointer(look, space)).unwrap_or(Unit::BYTE)
}

/// How many bytes follow, with the one at hand, of which is known that no unit begins there.
pub(crate) fn plain<I: Isas>(look: &Look<'_>, arch: Arch, context: &Context) -> u32 {
    match arch {
        Arch::Thumb if I::THUMB => 2 - ((look.q | look.i) & 1),
        // Behind the first byte of an instruction, only a word can begin.
        Arch::RiscV | Arch::Xtensa if I::TRACKS => context.next.saturating_sub(look.q).clamp(1, 4 - (look.q & 3)),
        _ => 1,
    }
}

/// A whole word that points into a window.
fn pointer(look: &Look<'_>, space: &Space) -> Option<Unit> {
    if (look.q | look.i) & 3 != 0 || look.left < 4 || look.from_new {
        return None;
    }
    let word = look.word(0);
    Some(Unit { kind: space.pointed(word)?, len: 4, key: word, form: 0, is_offset: false })
}

/// The unit's bytes, of old `raw`, when what it means moves by `shift`.
#[inline(never)]
pub(crate) fn moved<I: Isas>(unit: &Unit, raw: u32, i: u32, shift: i32, arch: Arch, context: &Context) -> u32 {
    let target = unit.key.wrapping_add_signed(shift);
    match unit.kind {
        Kind::Byte => raw,
        Kind::Code | Kind::Data => target,
        _ => match arch {
            Arch::Thumb if I::THUMB => thumb::moved(unit, raw, target, i),
            Arch::RiscV if I::RISCV => riscv::moved(unit, raw, target, i, context),
            Arch::Xtensa if I::XTENSA => xtensa::moved(unit, raw, target, i),
            _ => raw,
        },
    }
}

/// Is told the bytes that a unit became, unless it was spelled out.
pub(crate) fn settled<I: Isas>(unit: &Unit, word: u32, i: u32, arch: Arch, context: &mut Context) {
    if I::RISCV && arch == Arch::RiscV {
        riscv::settled(unit, word, i, context);
    }
}

/// The shift that makes `unit` come out as `wanted`, if there is one: the encoder's question.
pub(crate) fn solve<I: Isas>(unit: &Unit, raw: u32, i: u32, wanted: u32, arch: Arch, context: &Context) -> Option<i32> {
    let target = match (unit.kind, arch) {
        (Kind::Byte, _) => return None,
        (Kind::Code | Kind::Data, _) => wanted,
        (_, Arch::Thumb) => thumb::target(unit, raw, wanted, i)?,
        (_, Arch::RiscV) => riscv::target(unit, raw, wanted, i, context)?,
        (_, Arch::Xtensa) => xtensa::target(unit, wanted, i)?,
        (_, Arch::None) => return None,
    };
    let shift = target.wrapping_sub(unit.key) as i32;
    let shift = if unit.kind == Kind::High && arch == Arch::Thumb { i32::from(shift as i16) } else { shift };
    let hit = moved::<I>(unit, raw, i, shift, arch, context) == wanted;
    (hit && shift.unsigned_abs() <= 0x100_0000).then_some(shift)
}
