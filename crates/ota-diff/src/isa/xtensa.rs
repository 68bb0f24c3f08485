//! Xtensa: CALL0 to CALL12 and L32R.

use super::{Context, Kind, Look, Unit};

pub(super) fn detect(look: &Look<'_>, context: &mut Context) -> Option<Unit> {
    if look.q < context.next {
        return None;
    }
    let word = look.raw(3);
    context.next = look.q + if word & 15 >= 8 { 2 } else { 3 };
    if look.left < 3 {
        return None;
    }
    let (kind, key) = match word & 15 {
        5 => (Kind::Branch, call(word, look.q)),
        1 => (Kind::Constant, constant(word, look.q)),
        _ => return None,
    };
    (key < look.size).then_some(Unit { kind, len: 3, key, form: 0, is_offset: true })
}

const fn call(word: u32, at: u32) -> u32 {
    (at & !3).wrapping_add(4).wrapping_add_signed(((word << 8) as i32 >> 14) * 4)
}

const fn constant(word: u32, at: u32) -> u32 {
    (at.wrapping_add(3) & !3).wrapping_add((0xFFFF_0000 | word >> 8).wrapping_mul(4))
}

pub(super) const fn moved(unit: &Unit, raw: u32, target: u32, i: u32) -> u32 {
    match unit.kind {
        Kind::Branch => raw & 0x3F | (target.wrapping_sub((i & !3).wrapping_add(4)) >> 2 & 0x3_FFFF) << 6,
        Kind::Constant => raw & 0xFF | (target.wrapping_sub(i.wrapping_add(3) & !3) >> 2 & 0xFFFF) << 8,
        _ => raw,
    }
}

/// Where the new instruction points to, if it is of the unit's kind.
pub(super) fn target(unit: &Unit, wanted: u32, i: u32) -> Option<u32> {
    match unit.kind {
        Kind::Branch => (wanted & 15 == 5).then(|| call(wanted, i)),
        Kind::Constant => (wanted & 15 == 1).then(|| constant(wanted, i)),
        _ => None,
    }
}
