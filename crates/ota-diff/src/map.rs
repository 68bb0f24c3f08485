//! What the decoder has learned about moved addresses: a small sorted table, nearest neighbour wins.

use crate::tape::Tape;

/// One known point: addresses around `key` moved by `shift`.
#[derive(Debug, Clone, Copy)]
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
pub(crate) const fn fits(shift: i32) -> bool {
    shift >= -0x80_0000 && shift < 0x80_0000
}

/// The table. `T` is an array of entries; those in use come first, sorted by key.
#[derive(Clone, Copy)]
pub(crate) struct Map<T> {
    entries: T,
    len: u32,
}

/// What the table says about an address.
#[derive(Clone, Copy)]
pub(crate) struct Guess {
    pub(crate) shift: i32,
    pub(crate) distance: u32,
    /// How sure that is: 3 for the address itself, 2 when both neighbours agree, 1 when one is much nearer, else 0.
    pub(crate) trust: u32,
    /// What the neighbour on the other side says.
    pub(crate) other: i32,
    /// The key of the next entry above the address, if there is one.
    pub(crate) above: Option<u32>,
}

impl<T: AsRef<[Entry]> + AsMut<[Entry]>> Map<T> {
    /// Bytes in a saved state.
    pub(crate) const SAVED_LEN: usize = 1 + size_of::<T>();

    pub(crate) const fn new(entries: T) -> Self {
        Self { entries, len: 0 }
    }

    pub(crate) fn begin(&mut self) {
        self.len = 0;
    }

    pub(crate) fn guess(&mut self, key: u32) -> Option<Guess> {
        guess(self.entries.as_mut(), self.len, key)
    }

    pub(crate) fn learn(&mut self, key: u32, shift: i32) {
        if fits(shift) {
            learn(self.entries.as_mut(), &mut self.len, Entry::new(key, shift));
        }
    }

    pub(crate) fn walk(&mut self, tape: &mut Tape<'_>) {
        tape.small(&mut self.len);
        walk(self.entries.as_mut(), tape);
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.entries.as_ref().get(..self.len as usize).is_some_and(is_sorted)
    }
}

#[inline(never)]
fn walk(entries: &mut [Entry], tape: &mut Tape<'_>) {
    for entry in entries {
        tape.word(&mut entry.key);
        tape.word(&mut entry.shift_age);
    }
}

#[inline(never)]
fn is_sorted(entries: &[Entry]) -> bool {
    entries.is_sorted_by(|a, b| a.key < b.key)
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

/// The entry at an index; out of range, which does not occur, one that says nothing.
fn at(entries: &[Entry], index: u32) -> Entry {
    entries.get(index as usize).copied().unwrap_or(Entry::UNUSED)
}

fn guess(entries: &mut [Entry], len: u32, key: u32) -> Option<Guess> {
    if len == 0 {
        return None;
    }
    let place = lower_bound(entries, len, key);
    let above = (place < len).then(|| at(entries, place));
    let below = (place > 0).then(|| at(entries, place - 1));
    let up = above.map_or(u32::MAX, |entry| entry.key - key);
    let down = below.map_or(u32::MAX, |entry| key - entry.key);
    let (index, distance) = if below.is_some() && down <= up { (place - 1, down) } else { (place, up) };
    let nearest = entries.get_mut(index as usize)?;
    nearest.touch();
    let shift = nearest.shift();
    let far = if index == place { down } else { up };
    let other = if index == place { below } else { above };
    let other = other.map_or(shift, Entry::shift);
    let trust = match distance {
        0 => 3,
        _ if other == shift => 2,
        _ if distance < far / 8 => 1,
        _ => 0,
    };
    Some(Guess { shift, distance, trust, other, above: above.map(|entry| entry.key) })
}

fn learn(entries: &mut [Entry], len: &mut u32, entry: Entry) {
    let place = lower_bound(entries, *len, entry.key);
    let says_so = |index: u32| index < *len && at(entries, index).shift() == entry.shift();
    let below = place > 0 && says_so(place - 1);
    let replaced = if place < *len && at(entries, place).key == entry.key {
        place
    } else if below && says_so(place) {
        return;
    } else if below && place > 1 && says_so(place - 2) {
        place - 1
    } else if says_so(place) && says_so(place + 1) {
        place
    } else {
        return insert(entries, len, place, entry);
    };
    if let Some(slot) = entries.get_mut(replaced as usize) {
        *slot = entry;
    }
}

fn insert(entries: &mut [Entry], len: &mut u32, mut place: u32, entry: Entry) {
    let mut hole = *len;
    if hole as usize >= entries.len() {
        hole = grow_old(entries);
        if hole < place {
            place -= 1;
        }
    } else {
        *len += 1;
    }
    while hole != place {
        let next = if hole < place { hole + 1 } else { hole - 1 };
        let moved = at(entries, next);
        if let Some(slot) = entries.get_mut(hole as usize) {
            *slot = moved;
        }
        hole = next;
    }
    if let Some(slot) = entries.get_mut(place as usize) {
        *slot = entry;
    }
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
