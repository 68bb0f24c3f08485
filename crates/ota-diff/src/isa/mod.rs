//! Units: the fields of instructions and data that hold addresses, and what they become when the address moves.

pub(crate) mod riscv;
pub(crate) mod thumb;
pub(crate) mod xtensa;

use crate::tape::Tape;

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
    /// The address it means; offsets are counted from the code base.
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
#[derive(Clone, Copy, Default)]
pub(crate) struct Window {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) is_code: bool,
}

pub(crate) const WINDOWS: usize = 4;

/// What numbers mean in the images at hand.
#[derive(Clone, Copy)]
pub(crate) struct Space {
    pub(crate) arch: Arch,
    pub(crate) old_size: u32,
    /// The address of the image's first byte, or something that is nobody's address.
    pub(crate) base: u32,
    pub(crate) windows: [Window; WINDOWS],
}

impl Space {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = 4 + WINDOWS * 9;

    pub(crate) const fn new(arch: Arch, old_size: u32) -> Self {
        let nothing = Window { start: 0, len: 0, is_code: false };
        Self { arch, old_size, base: 0, windows: [nothing; WINDOWS] }
    }

    /// What a word points to: code, data or nothing.
    pub(crate) fn pointed(&self, word: u32) -> Option<Kind> {
        let window = self.windows.iter().find(|window| word.wrapping_sub(window.start) < window.len)?;
        Some(if window.is_code { Kind::Code } else { Kind::Data })
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.word(&mut self.base);
        for window in &mut self.windows {
            tape.word(&mut window.start);
            tape.word(&mut window.len);
            tape.flag(&mut window.is_code);
        }
    }
}

const TRACKS: usize = 8;

/// What is known of the instructions before the one at hand.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    /// The old offset at which the next instruction begins.
    pub(crate) next: u32,
    tags: [u8; TRACKS],
    old: [u32; TRACKS],
    new: [u32; TRACKS],
}

impl Context {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = 4 + TRACKS * 9;

    pub(crate) const fn at(next: u32) -> Self {
        Self { next, tags: [0; TRACKS], old: [0; TRACKS], new: [0; TRACKS] }
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.word(&mut self.next);
        tape.bytes(&mut self.tags);
        tape.words(&mut self.old);
        tape.words(&mut self.new);
    }
}

/// Old bytes from `q` on, as far as a unit may look, on their way to offset `i` of the new image.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) q: u32,
    pub(crate) i: u32,
    /// Bytes of the copy that are left.
    pub(crate) left: u32,
    pub(crate) from_new: bool,
}

/// How far a unit's instruction set looks ahead, from the unit's first byte.
pub(crate) const LOOK: usize = 28;

impl Look<'_> {
    pub(crate) fn half(&self, at: usize) -> Option<u32> {
        let half: &[u8; 2] = self.bytes.get(at..)?.first_chunk()?;
        Some(u32::from(u16::from_le_bytes(*half)))
    }

    pub(crate) fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }

    /// The first `len` bytes as a number.
    pub(crate) fn raw(&self, len: u32) -> u32 {
        (0..len).fold(0, |word, at| word | u32::from(self.bytes.get(at as usize).copied().unwrap_or(0)) << (8 * at))
    }
}

/// Finds the unit at the start of what is looked at.
pub(crate) fn detect<I: Isas>(look: &Look<'_>, space: &Space, context: &mut Context) -> Unit {
    let found = match space.arch {
        Arch::Thumb if I::THUMB => thumb::detect(look, space),
        Arch::RiscV if I::RISCV => riscv::detect(look, space, context),
        Arch::Xtensa if I::XTENSA => xtensa::detect(look, space, context),
        _ => return Unit::BYTE,
    };
    found.or_else(|| pointer(look, space)).unwrap_or(Unit::BYTE)
}

/// How many bytes follow, with the one at hand, of which is known that no unit begins there.
pub(crate) fn plain<I: Isas>(look: &Look<'_>, space: &Space, context: &Context) -> u32 {
    match space.arch {
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
    let word = look.word(0)?;
    Some(Unit { kind: space.pointed(word)?, len: 4, key: word, form: 0, is_offset: false })
}

/// The unit's bytes, of old `raw`, when what it means moves by `shift`.
pub(crate) fn moved<I: Isas>(unit: &Unit, raw: u32, i: u32, shift: i32, space: &Space, context: &mut Context) -> u32 {
    let target = unit.key.wrapping_add_signed(shift);
    let place = if unit.is_offset { target.wrapping_sub(space.base) } else { target };
    match unit.kind {
        Kind::Byte => raw,
        Kind::Code | Kind::Data => target,
        _ => match space.arch {
            Arch::Thumb if I::THUMB => thumb::moved(unit, raw, place, i),
            Arch::RiscV if I::RISCV => riscv::moved(unit, raw, target, i, space, context),
            Arch::Xtensa if I::XTENSA => xtensa::moved(unit, raw, place, i),
            _ => raw,
        },
    }
}

/// Is told the bytes that a unit really became.
pub(crate) fn settled<I: Isas>(unit: &Unit, word: u32, i: u32, space: &Space, context: &mut Context) {
    if I::RISCV && space.arch == Arch::RiscV {
        riscv::settled(unit, word, i, space, context);
    }
}

/// The low bits of a shift that are 0 when everything is aligned.
pub(crate) fn spare_bits(unit: &Unit, arch: Arch) -> u32 {
    match (unit.kind, arch) {
        (Kind::Branch, Arch::Xtensa) | (Kind::Constant, _) => 2,
        (Kind::Branch, _) => 1,
        (Kind::Local, Arch::Thumb) => thumb::spare_bits(unit.form),
        (Kind::Local, Arch::RiscV) => 1,
        _ => 0,
    }
}

/// The shift that makes `unit` come out as `wanted`, if there is one: the encoder's question.
pub(crate) fn solve<I: Isas>(
    unit: &Unit,
    raw: u32,
    i: u32,
    wanted: u32,
    space: &Space,
    context: &Context,
) -> Option<i32> {
    let home = if unit.is_offset { space.base } else { 0 };
    let target = match (unit.kind, space.arch) {
        (Kind::Byte, _) => return None,
        (Kind::Code | Kind::Data, _) => wanted,
        (_, Arch::Thumb) => thumb::target(unit, raw, wanted, i)?.wrapping_add(home),
        (_, Arch::RiscV) => riscv::target(unit, raw, wanted, i, space, context)?,
        (_, Arch::Xtensa) => xtensa::target(unit, wanted, i)?.wrapping_add(home),
        (_, Arch::None) => return None,
    };
    let shift = target.wrapping_sub(unit.key) as i32;
    let shift = if unit.kind == Kind::High && space.arch == Arch::Thumb { i32::from(shift as i16) } else { shift };
    let mut trial = *context;
    let hit = moved::<I>(unit, raw, i, shift, space, &mut trial) == wanted;
    (hit && shift.unsigned_abs() <= 0x100_0000).then_some(shift)
}
