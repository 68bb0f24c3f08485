//! RISC-V: JAL; LUI and AUIPC with the instruction that adds the low twelve bits, which is tracked by register.

use super::{Context, Kind, Look, Space, TRACKS, Unit};

/// How far behind a LUI the user of its register is looked for.
const REACH: usize = 24;
/// Forms: the register, whether the instruction stores, whether the address is relative.
const STORES: u32 = 1 << 5;
const RELATIVE: u32 = 1 << 6;

pub(super) fn detect(look: &Look<'_>, space: &Space, context: &mut Context) -> Option<Unit> {
    if look.q < context.next {
        return None;
    }
    let half = look.half(0);
    let is_long = half & 3 == 3;
    context.next = if look.q & 1 == 1 { look.q + 1 } else { look.q + if is_long { 4 } else { 2 } };
    if (look.q | look.i) & 1 != 0 || look.from_new || look.left < 2 {
        return None;
    }
    if !is_long {
        let written = if half & 3 == 0 { 8 + (half >> 2 & 7) } else { half >> 7 & 31 };
        let is_store = matches!((half & 3, half >> 13), (0, 4..) | (2, 5..));
        if !is_store {
            context.forget(written);
        }
        return None;
    }
    if look.left < 4 {
        return None;
    }
    long(look, look.word(0), space, context)
}

fn long(look: &Look<'_>, word: u32, space: &Space, context: &mut Context) -> Option<Unit> {
    let written = word >> 7 & 31;
    let here = look.q;
    match word & 0x7F {
        0x6F => {
            context.forget(written);
            let key = here.wrapping_add_signed(jump(word));
            Some(Unit { kind: Kind::Branch, len: 4, key, form: 0, is_offset: true })
        }
        0x17 => high(look, word, here.wrapping_add(word & 0xFFFF_F000), RELATIVE, space, context),
        0x37 => high(look, word, word & 0xFFFF_F000, 0, space, context),
        opcode => {
            let known = low_form(word).and_then(|stores| {
                let register = word >> 15 & 31;
                let index = register as usize % TRACKS;
                let tag = u32::from(context.tags[index]);
                (tag & 31 == register && register != 0).then(|| {
                    let key = context.old[index].wrapping_add_signed(low_part(word, stores));
                    let form = tag & (31 | RELATIVE) | if stores { STORES } else { 0 };
                    Unit { kind: Kind::Low, len: 4, key, form, is_offset: tag & RELATIVE != 0 }
                })
            });
            if !matches!(opcode, 0x23 | 0x27 | 0x63) {
                context.forget(written);
            }
            known
        }
    }
}

fn high(look: &Look<'_>, word: u32, old: u32, relative: u32, space: &Space, context: &mut Context) -> Option<Unit> {
    let register = word >> 7 & 31;
    context.forget(register);
    let low = user(look, register)?;
    let key = old.wrapping_add_signed(low);
    if register == 0 || relative == 0 && space.pointed(key).is_none() {
        return None;
    }
    let index = register as usize % TRACKS;
    context.tags[index] = (register | relative) as u8;
    context.old[index] = old;
    Some(Unit { kind: Kind::High, len: 4, key, form: register | relative, is_offset: relative != 0 })
}

/// The low part that the first user of a register adds to it.
fn user(look: &Look<'_>, register: u32) -> Option<i32> {
    let mut at = 4;
    while at <= REACH {
        let half = look.half(at);
        if half & 3 != 3 {
            at += 2;
            continue;
        }
        let word = look.word(at);
        if let Some(stores) = low_form(word)
            && word >> 15 & 31 == register
        {
            return Some(low_part(word, stores));
        }
        at += 4;
    }
    None
}

/// Whether an instruction adds twelve bits to a register: a load, ADDI or JALR (false), a store (true), or none.
const fn low_form(word: u32) -> Option<bool> {
    match word & 0x7F {
        0x13 if word >> 12 & 7 == 0 => Some(false),
        0x03 | 0x07 | 0x67 => Some(false),
        0x23 | 0x27 => Some(true),
        _ => None,
    }
}

const fn low_part(word: u32, stores: bool) -> i32 {
    if stores { ((word as i32 >> 25) * 32) | (word >> 7 & 31) as i32 } else { word as i32 >> 20 }
}

const fn with_low(word: u32, stores: bool, low: u32) -> u32 {
    if stores { word & 0x01FF_F07F | (low >> 5 & 0x7F) << 25 | (low & 31) << 7 } else { word & 0xF_FFFF | low << 20 }
}

const fn jump(word: u32) -> i32 {
    let value = (word >> 31) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1;
    (value << 11) as i32 >> 11
}

pub(super) fn moved(unit: &Unit, raw: u32, target: u32, i: u32, context: &Context) -> u32 {
    match unit.kind {
        Kind::Branch => {
            let way = target.wrapping_sub(i);
            let fields = (way >> 20 & 1) << 31 | (way >> 1 & 0x3FF) << 21 | (way >> 11 & 1) << 20 | way & 0xF_F000;
            raw & 0xFFF | fields
        }
        Kind::High => {
            let from = if unit.form & RELATIVE != 0 { i } else { 0 };
            raw & 0xFFF | target.wrapping_sub(from).wrapping_add(0x800) & 0xFFFF_F000
        }
        Kind::Low => {
            let low = target.wrapping_sub(context.new[(unit.form & 31) as usize % TRACKS]);
            if low.wrapping_add(0x800) < 0x1000 { with_low(raw, unit.form & STORES != 0, low) } else { raw }
        }
        _ => raw,
    }
}

pub(super) fn settled(unit: &Unit, word: u32, i: u32, context: &mut Context) {
    if unit.kind == Kind::High {
        let from = if unit.form & RELATIVE != 0 { i } else { 0 };
        context.new[(unit.form & 31) as usize % TRACKS] = from.wrapping_add(word & 0xFFFF_F000);
    }
}

/// Where the new instruction points to, if it is the unit's but for the address.
pub(super) fn target(unit: &Unit, raw: u32, wanted: u32, i: u32, context: &Context) -> Option<u32> {
    match unit.kind {
        Kind::Branch if wanted & 0x7F == 0x6F => Some(i.wrapping_add_signed(jump(wanted))),
        Kind::High if (raw ^ wanted) & 0xFFF == 0 => {
            // What the first user adds is not known yet: move by whole pages.
            let from = if unit.form & RELATIVE != 0 { i } else { 0 };
            let rounded = unit.key.wrapping_sub(from).wrapping_add(0x800) & 0xFFFF_F000;
            Some(unit.key.wrapping_add((wanted & 0xFFFF_F000).wrapping_sub(rounded)))
        }
        Kind::Low => {
            let stores = unit.form & STORES != 0;
            let base = context.new[(unit.form & 31) as usize % TRACKS];
            (with_low(raw ^ wanted, stores, 0) == 0).then(|| base.wrapping_add_signed(low_part(wanted, stores)))
        }
        _ => None,
    }
}

impl Context {
    fn forget(&mut self, register: u32) {
        let tag = &mut self.tags[register as usize % TRACKS];
        if u32::from(*tag) & 31 == register {
            *tag = 0;
        }
    }
}

/// The second instruction of a pair without its twelve bits.
#[cfg(feature = "std")]
pub(crate) const fn blank_low(unit: &Unit, raw: u32) -> u32 {
    with_low(raw, unit.form & STORES != 0, 0)
}

/// Whether two instructions that add twelve bits are equal but for them.
#[cfg(feature = "std")]
pub(crate) fn differ_in_low_only(old: u32, new: u32) -> bool {
    low_form(old).is_some_and(|stores| with_low(old, stores, 0) == with_low(new, stores, 0))
}
