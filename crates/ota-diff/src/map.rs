//! What the decoder has learned about moved addresses: a small sorted table, nearest neighbour wins.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One known point: addresses around `key` moved by `shift`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Entry {
    pub(crate) key: u32,
    /// The shift in the upper 24 bits, in the lowest 8 how many insertions ago it was last of use.
    shift_age: u32,
}

impl Entry {
    pub(crate) const UNUSED: Self = Self { key: 0, shift_age: 0 };

    const fn new(key: u32, shift: i32) -> Self {
        Self { key, shift_age: (shift as u32) << 8 }
    }

    pub(crate) const fn shift(self) -> i32 {
        self.shift_age as i32 >> 8
    }

    const fn age(self) -> u32 {
        self.shift_age & 0xFF
    }

    fn touch(&mut self) {
        self.shift_age &= !0xFF;
    }
}

/// Shifts that do not fit an entry are not learned.
const fn fits(shift: i32) -> bool {
    shift >= -0x80_0000 && shift < 0x80_0000
}

/// What the table says about an address.
#[derive(Clone, Copy)]
pub(crate) struct Guess {
    pub(crate) shift: i32,
    pub(crate) distance: u32,
    /// How sure that is: 2 for the address itself, 1 when both neighbours agree, else 0.
    pub(crate) trust: u32,
    /// What the neighbour on the other side says.
    pub(crate) other: i32,
}

/// How many entries have a smaller key.
fn lower_bound(entries: &[Entry], len: u32, key: u32) -> u32 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = (low + high) / 2;
        if at(entries, middle).key < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The entry at an index; outside the table, as before the first, one that says nothing.
fn at(entries: &[Entry], index: u32) -> Entry {
    entries.get(index as usize).copied().unwrap_or(Entry::UNUSED)
}

/// Asks a table, of which the first `len` entries are in use, about an address.
#[inline(never)]
pub(crate) fn guess(entries: &mut [Entry], len: u32, key: u32) -> Option<Guess> {
    if len == 0 {
        return None;
    }
    let place = lower_bound(entries, len, key);
    let (below, above) = (at(entries, place.wrapping_sub(1)), at(entries, place));
    let down = if place == 0 { u32::MAX } else { key.wrapping_sub(below.key) };
    let up = if place >= len { u32::MAX } else { above.key.wrapping_sub(key) };
    let is_below = down <= up;
    let index = if is_below { place.wrapping_sub(1) } else { place };
    let nearest = entries.get_mut(index as usize)?;
    nearest.touch();
    let shift = nearest.shift();
    let lonely = down.max(up) == u32::MAX;
    let other = if lonely {
        shift
    } else if is_below {
        above.shift()
    } else {
        below.shift()
    };
    let trust = if down.min(up) == 0 { 2 } else { u32::from(other == shift) };
    Some(Guess { shift, distance: down.min(up), trust, other })
}

/// Enters what became of an address.
#[inline(never)]
pub(crate) fn learn(entries: &mut [Entry], len: &mut u32, key: u32, shift: i32) {
    if !fits(shift) {
        return;
    }
    let place = lower_bound(entries, *len, key);
    let says_so = |index: u32| index < *len && at(entries, index).shift() == shift;
    let mut hole = place;
    if place >= *len || at(entries, place).key != key {
        if says_so(place) && says_so(place.wrapping_sub(1)) {
            return;
        }
        hole = *len;
        if hole as usize >= entries.len() {
            hole = grow_old(entries);
        } else {
            *len += 1;
        }
    }
    let to = if hole < place { place - 1 } else { place };
    let mut carried = Entry::new(key, shift);
    let run = entries.get_mut(hole.min(to) as usize..=hole.max(to) as usize).unwrap_or_default().iter_mut();
    let shove = |slot: &mut Entry| core::mem::swap(slot, &mut carried);
    if hole < to { run.rev().for_each(shove) } else { run.for_each(shove) }
}

/// Lets every entry age and returns the first of the oldest.
fn grow_old(entries: &mut [Entry]) -> u32 {
    let (mut oldest, mut oldest_age) = (0, 0);
    for (index, entry) in (0..).zip(entries.iter_mut()) {
        if entry.age() < 0xFF {
            entry.shift_age += 1;
        }
        if entry.age() > oldest_age {
            (oldest, oldest_age) = (index, entry.age());
        }
    }
    oldest
}
