//! How much the search has to do: counted, not timed.

use super::*;
use crate::encode::space::Terms;
use crate::encode::views::blank;
use crate::isa::{self, Arch, Context, Kind, Space, Unit};
use crate::{Every, encode::views};

/// Where the second release has `GAP` bytes more.
const CUT: u32 = 10_000;
const GAP: u32 = 12;

const THUMB: Terms = Terms { arch: Arch::Thumb, space: Space::NONE };

/// Thumb code, every eighth instruction a call to anywhere; behind `CUT` everything is moved by `gap`.
fn release(len: usize, gap: u32) -> Vec<u8> {
    let place = |at: u32| if at >= CUT { at + gap } else { at };
    let (mut image, mut dice, mut at) = (Vec::new(), 1_u32, 0);
    while at < len as u32 {
        image.resize(place(at) as usize, 0xBF);
        dice = dice.wrapping_mul(0x2C92_77B5).wrapping_add(0xAC56_4B05);
        if (dice >> 8).is_multiple_of(8) {
            let key = place(((dice >> 4) % len as u32) & !1);
            let unit = Unit { kind: Kind::Branch, len: 4, key, form: 0, is_offset: true };
            let call = isa::moved::<Every>(&unit, 0xD000_F000, place(at), 0, Arch::Thumb, &Context::at(0));
            image.extend(call.to_le_bytes());
            at += 4;
        } else {
            image.extend((((dice >> 8) % 0x4000) as u16).to_le_bytes());
            at += 2;
        }
    }
    image
}

/// At how many of a thousand bytes something else is looked for.
fn permille(old: &[u8], new: &[u8]) -> usize {
    let blanks = [old, new].map(|image| blank(image, &THUMB));
    let [raw, blank] = [old, &blanks[0]].map(views::Index::new);
    let pair = Pair {
        old,
        new,
        blank_old: &blanks[0],
        blank_new: &blanks[1],
        raw: &raw,
        blank: Some(&blank),
        history: &History::new(&blanks[1]),
    };
    let mut beam = Beam::new(&pair, None, Costs::TYPICAL);
    beam.walk(&mut |_| ());
    beam.branches * 1000 / new.len()
}

#[test]
fn moved_code_is_not_searched_again_and_again_however_much_it_is() {
    for len in [1 << 15, 1 << 17, 1 << 19] {
        let permille = permille(&release(len, 0), &release(len, GAP));
        assert!(permille < 30, "{permille} of 1000 bytes of {len}");
    }
}

#[test]
fn images_that_repeat_themselves_are_not_searched_at_every_byte() {
    let len = 1 << 18;
    let period: Vec<u8> = b"abc".iter().copied().cycle().take(len).collect();
    for [old, new] in
        [[std::vec![0; len], std::vec![0; len + 99]], [period[1..].to_vec(), period], [Vec::new(), std::vec![0; len]]]
    {
        let permille = permille(&old, &new);
        assert!(permille < 30, "{permille} of 1000 bytes");
    }
}

fn noise(len: usize, mut dice: u32) -> Vec<u8> {
    let mut next = || {
        dice = dice.wrapping_mul(0x2C92_77B5).wrapping_add(0xAC56_4B05);
        (dice >> 24) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

#[test]
fn where_nothing_matches_little_is_looked_for() {
    let permille = permille(&noise(1 << 16, 1), &noise(1 << 16, 2));
    assert!(permille < 160, "{permille} of 1000 bytes");
}

#[test]
fn what_matches_behind_much_that_does_not_is_copied_from_its_first_byte_on() {
    let old = noise(5000, 1);
    for start in 6000..6017 {
        let new = [noise(start, 2), old[1000..1200].to_vec()].concat();
        let (raw, history) = (Index::new(&old), History::new(&new));
        let pair =
            Pair { old: &old, new: &new, blank_old: &old, blank_new: &new, raw: &raw, blank: None, history: &history };
        let plan = parse(&pair, None, Costs::TYPICAL, &mut |_| ());
        let copies = plan.iter().filter(|op| op.source == Source::Old && op.len > 50);
        assert_eq!(copies.map(|op| (op.from, op.len)).collect::<Vec<_>>(), [(1000, 200)], "{start}");
    }
}
