//! Thumb: BL, B.W and BLX; MOVW that a MOVT follows; the 16-bit instructions that are relative to the program counter.

use super::{Kind, Look, Space, Unit};

/// How far behind a MOVW its MOVT may begin.
const MOVT_REACH: usize = 12;

pub(super) fn detect(look: &Look<'_>, space: &Space) -> Option<Unit> {
    if (look.q | look.i) & 1 != 0 {
        return None;
    }
    let half = look.half(0)?;
    if half >> 11 == 0b11110 && look.left >= 4 {
        let second = look.half(2)?;
        if is_branch(second) {
            let key = space.base.wrapping_add(look.q).wrapping_add(4).wrapping_add_signed(distance(half, second));
            return Some(Unit { kind: Kind::Branch, len: 4, key, form: 0, is_offset: true });
        }
        if half & 0xFBF0 == 0xF240 && second & 0x8000 == 0 && !look.from_new {
            return wide_move(look, space, half, second);
        }
        return None;
    }
    local(look, space, half)
}

fn is_branch(second: u32) -> bool {
    second & 0xD000 == 0xD000 || second & 0xD000 == 0x9000 || second & 0xD001 == 0xC000
}

fn distance(first: u32, second: u32) -> i32 {
    let sign = first >> 10 & 1;
    let (i1, i2) = (second >> 13 & 1 ^ sign ^ 1, second >> 11 & 1 ^ sign ^ 1);
    let value = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1;
    (value << 7) as i32 >> 7
}

const fn immediate(first: u32, second: u32) -> u32 {
    (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
}

fn wide_move(look: &Look<'_>, space: &Space, first: u32, second: u32) -> Option<Unit> {
    let register = second & 0xF00;
    for at in (4..=MOVT_REACH).step_by(2) {
        let (top, low) = (look.half(at)?, look.half(at + 2)?);
        if top & 0xFBF0 == 0xF2C0 && low & 0x8F00 == register {
            let key = immediate(top, low) << 16 | immediate(first, second);
            space.pointed(key)?;
            return Some(Unit { kind: Kind::High, len: 4, key, form: 0, is_offset: false });
        }
    }
    None
}

/// LDR literal, ADR, B<cond>, B, CBZ: numbered 1 to 5, 0 is none of them.
const fn form(half: u32) -> u32 {
    if half & 0xF800 == 0x4800 {
        1
    } else if half & 0xF800 == 0xA000 {
        2
    } else if half & 0xF000 == 0xD000 && half & 0xF00 < 0xE00 {
        3
    } else if half & 0xF800 == 0xE000 {
        4
    } else if half & 0xF500 == 0xB100 {
        5
    } else {
        0
    }
}

pub(super) const fn spare_bits(form: u32) -> u32 {
    if form <= 2 { 2 } else { 1 }
}

/// Where a 16-bit instruction at offset `at` points to.
const fn aim(form: u32, half: u32, at: u32) -> u32 {
    let pc = at.wrapping_add(4);
    match form {
        1 | 2 => (pc & !3).wrapping_add((half & 0xFF) * 4),
        3 => pc.wrapping_add_signed(half as u8 as i8 as i32 * 2),
        4 => pc.wrapping_add_signed((half << 21) as i32 >> 20),
        _ => pc.wrapping_add((half >> 9 & 1) << 6 | (half >> 3 & 31) << 1),
    }
}

fn local(look: &Look<'_>, space: &Space, half: u32) -> Option<Unit> {
    if look.from_new || look.left < 2 {
        return None;
    }
    let form = form(half);
    let is_word = || look.q | look.i;
    if form == 0 || is_word() & 3 == 0 && look.left >= 4 && space.pointed(look.word(0)?).is_some() {
        return None;
    }
    let key = aim(form, half, look.q).wrapping_add(space.base);
    Some(Unit { kind: Kind::Local, len: 2, key, form, is_offset: true })
}

pub(super) fn moved(unit: &Unit, raw: u32, target: u32, i: u32) -> u32 {
    match unit.kind {
        Kind::Branch => branch_to(raw, target.wrapping_sub(i).wrapping_sub(4)),
        Kind::High => move_of(raw, target),
        Kind::Local => short_to(unit.form, raw, target, i),
        _ => raw,
    }
}

fn branch_to(raw: u32, distance: u32) -> u32 {
    let sign = distance >> 24 & 1;
    let (j1, j2) = (distance >> 23 & 1 ^ sign ^ 1, distance >> 22 & 1 ^ sign ^ 1);
    let first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF;
    let second = raw >> 16 & 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF;
    first | second << 16
}

const fn move_of(raw: u32, value: u32) -> u32 {
    let first = raw & 0xFBF0 | value >> 12 & 15 | (value >> 11 & 1) << 10;
    let second = raw >> 16 & 0x8F00 | (value >> 8 & 7) << 12 | value & 0xFF;
    first | second << 16
}

/// A target that is out of reach leaves the instruction as it is.
fn short_to(form: u32, raw: u32, target: u32, i: u32) -> u32 {
    let pc = i.wrapping_add(4);
    let from = if form <= 2 { pc & !3 } else { pc };
    let way = target.wrapping_sub(from);
    let half = match form {
        1 | 2 => raw & 0xFF00 | way >> 2 & 0xFF,
        3 => raw & 0xFF00 | way >> 1 & 0xFF,
        4 => raw & 0xF800 | way >> 1 & 0x7FF,
        _ => raw & 0xFD07 | (way >> 6 & 1) << 9 | (way >> 1 & 31) << 3,
    };
    if aim(form, half, i) == target { half } else { raw }
}

/// Where the new instruction points to, if it is of the unit's form.
pub(super) fn target(unit: &Unit, raw: u32, wanted: u32, i: u32) -> Option<u32> {
    let (first, second) = (wanted & 0xFFFF, wanted >> 16);
    match unit.kind {
        Kind::Branch => (first >> 11 == 0b11110 && is_branch(second))
            .then(|| i.wrapping_add(4).wrapping_add_signed(distance(first, second))),
        Kind::High => {
            Some(unit.key.wrapping_add(immediate(first, second)).wrapping_sub(immediate(raw & 0xFFFF, raw >> 16)))
        }
        Kind::Local => (form(wanted) == unit.form).then(|| aim(unit.form, wanted, i)),
        _ => None,
    }
}
