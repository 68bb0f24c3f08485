//! Thumb: BL, B.W and BLX; MOVW that a MOVT follows; 16-bit branches and loads that are relative to the program counter.

use super::{Kind, Look, Space, Unit};

/// How far behind a MOVW its MOVT may begin.
const MOVT_REACH: usize = 12;

pub(super) fn detect(look: &Look<'_>, space: &Space) -> Option<Unit> {
    if (look.q | look.i) & 1 != 0 {
        return None;
    }
    let (half, second) = (look.half(0), look.half(2));
    if half >> 11 != 0b11110 {
        let form = form(half);
        if form == 0 || look.from_new || look.left < 2 {
            return None;
        }
        return Some(Unit { kind: Kind::Local, len: 2, key: aim(form, half, look.q), form, is_offset: true });
    }
    if look.left < 4 {
        return None;
    }
    if is_branch(second) {
        let key = look.q.wrapping_add(4).wrapping_add_signed(distance(half, second));
        return Some(Unit { kind: Kind::Branch, len: 4, key, form: 0, is_offset: true });
    }
    if half & 0xFBF0 != 0xF240 || second & 0x8000 != 0 || look.from_new {
        return None;
    }
    let mut at = 4;
    while at <= MOVT_REACH {
        let (top, low) = (look.half(at), look.half(at + 2));
        if top & 0xFBF0 == 0xF2C0 && low & 0x8F00 == second & 0xF00 {
            let key = immediate(top, low) << 16 | immediate(half, second);
            space.pointed(key)?;
            return Some(Unit { kind: Kind::High, len: 4, key, form: 0, is_offset: false });
        }
        at += 2;
    }
    None
}

const fn is_branch(second: u32) -> bool {
    second & 0xD000 == 0xD000 || second & 0xD000 == 0x9000 || second & 0xD001 == 0xC000
}

const fn distance(first: u32, second: u32) -> i32 {
    let sign = (first << 21) as i32 >> 31;
    let flipped = second ^ !sign as u32;
    let value = (flipped >> 13 & 1) << 23 | (flipped >> 11 & 1) << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1;
    sign << 24 | value as i32
}

const fn immediate(first: u32, second: u32) -> u32 {
    (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
}

/// LDR literal, B<cond>, B: 1, 8 and 11; 0 is none of them.
const fn form(half: u32) -> u32 {
    if half >> 11 == 0b01001 {
        1
    } else if half >> 12 == 0b1101 && half & 0xF00 < 0xE00 {
        8
    } else if half >> 11 == 0b11100 {
        11
    } else {
        0
    }
}

/// Where a 16-bit instruction at offset `at` points to.
const fn aim(form: u32, half: u32, at: u32) -> u32 {
    let pc = at.wrapping_add(4);
    if form == 1 {
        return (pc & !3).wrapping_add((half & 0xFF) * 4);
    }
    // Branches count half-words in their lowest 8 or 11 bits.
    pc.wrapping_add_signed((half << (32 - form)) as i32 >> (31 - form))
}

pub(super) fn moved(unit: &Unit, raw: u32, target: u32, i: u32) -> u32 {
    match unit.kind {
        Kind::Branch => branch_to(raw, target.wrapping_sub(i).wrapping_sub(4)),
        Kind::High => {
            let first = raw & 0xFBF0 | target >> 12 & 15 | (target >> 11 & 1) << 10;
            let second = raw >> 16 & 0x8F00 | (target >> 8 & 7) << 12 | target & 0xFF;
            first | second << 16
        }
        _ => short_to(unit.form, raw, target, i),
    }
}

fn branch_to(raw: u32, distance: u32) -> u32 {
    let sign = (distance << 7) as i32 >> 31;
    let flipped = distance ^ !sign as u32;
    let first = 0xF000 | sign as u32 & 0x400 | distance >> 12 & 0x3FF;
    let second = raw >> 16 & 0xD000 | (flipped >> 23 & 1) << 13 | (flipped >> 22 & 1) << 11 | distance >> 1 & 0x7FF;
    first | second << 16
}

/// A target that is out of reach leaves the instruction as it is.
fn short_to(form: u32, raw: u32, target: u32, i: u32) -> u32 {
    let pc = i.wrapping_add(4);
    let half = if form == 1 {
        raw & 0xFF00 | target.wrapping_sub(pc & !3) >> 2 & 0xFF
    } else {
        let mask = (1 << form) - 1;
        raw & !mask | target.wrapping_sub(pc) >> 1 & mask
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
