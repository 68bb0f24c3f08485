//! Firmware that never was: functions with calls, pointers and constants, laid out by a small linker; and its next
//! release, in which some functions were edited, some came and some went, so that everything behind them moved.

/// A pseudo-random sequence (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Small numbers often, large ones seldom.
    fn skewed(&mut self, bound: usize) -> usize {
        let once = self.below(bound);
        let twice = self.below(once + 1);
        self.below(twice + 1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone, Copy)]
enum Item {
    /// A Thumb instruction without an address.
    Plain(u16),
    /// BL to the function with this identity.
    Call(u32),
    /// A word in the literal pool: the address of a function.
    Pointer(u32),
    /// A word of data.
    Data(u32),
}

#[derive(Clone)]
struct Function {
    id: u32,
    items: Vec<Item>,
}

/// The source of a firmware.
struct Source {
    dice: Dice,
    functions: Vec<Function>,
    next_id: u32,
    /// Instructions in the order of how often they occur.
    common: Vec<u16>,
}

/// Where the firmware is linked.
const BASE: u32 = 0x0800_0000;
/// Of the functions: one in so many is edited, removed, or follows a new one.
const EDITED: usize = 60;
const REPLACED: usize = 400;

/// Two releases of about `len` bytes; the same for the same seed.
pub(super) fn releases(len: usize, seed: u64) -> [Vec<u8>; 2] {
    let mut source = Source::new(len, seed);
    let old = source.link();
    source.release();
    [old, source.link()]
}

/// Bytes that resemble nothing.
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed << 32);
    std::iter::repeat_with(|| dice.next().to_le_bytes()).take(len / 8).flatten().collect()
}

impl Source {
    fn new(len: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let common = (0..4096).map(|_| plain(&mut dice)).collect();
        let mut source = Self { dice, functions: Vec::new(), next_id: 0, common };
        let mut left = len;
        while left > 0 {
            let function = source.function();
            left = left.saturating_sub(function.len());
            source.functions.push(function);
        }
        source
    }

    fn function(&mut self) -> Function {
        let id = self.next_id;
        self.next_id += 1;
        let count = 8 + self.dice.skewed(300);
        let mut items: Vec<Item> = (0..count).map(|_| self.instruction()).collect();
        let pool = (0..self.dice.below(6)).map(|_| {
            if self.dice.one_in(3) { Item::Data(self.dice.next() as u32) } else { Item::Pointer(self.neighbour()) }
        });
        items.extend(pool.collect::<Vec<_>>());
        Function { id, items }
    }

    fn instruction(&mut self) -> Item {
        if self.dice.one_in(10) && self.next_id > 0 {
            return Item::Call(self.neighbour());
        }
        Item::Plain(self.common[self.dice.skewed(4096)])
    }

    /// A function that is not far away: BL reaches 16 MiB.
    fn neighbour(&mut self) -> u32 {
        let far = (self.next_id as usize).min(20_000);
        self.next_id.saturating_sub(1 + self.dice.skewed(far) as u32)
    }

    /// The next release.
    fn release(&mut self) {
        let mut functions = Vec::new();
        for mut function in std::mem::take(&mut self.functions) {
            if self.dice.one_in(EDITED) {
                for _ in 0..1 + self.dice.below(4) {
                    let at = self.dice.below(function.items.len());
                    let item = self.instruction();
                    if self.dice.one_in(2) { function.items[at] = item } else { function.items.insert(at, item) }
                }
            }
            if self.dice.one_in(REPLACED) {
                functions.push(self.function());
            }
            if !self.dice.one_in(REPLACED) {
                functions.push(function);
            }
        }
        self.functions = functions;
    }

    /// Lays the functions out; a call or pointer to one that is gone goes to the first.
    fn link(&self) -> Vec<u8> {
        let mut places = vec![BASE; self.next_id as usize];
        let mut at = BASE;
        for function in &self.functions {
            places[function.id as usize] = at;
            at += function.len() as u32;
        }
        let mut image = Vec::new();
        for function in &self.functions {
            for item in &function.items {
                match *item {
                    Item::Plain(code) => image.extend(code.to_le_bytes()),
                    Item::Call(id) => image.extend(call(BASE + image.len() as u32, places[id as usize])),
                    Item::Pointer(id) => word(&mut image, places[id as usize] | 1),
                    Item::Data(value) => word(&mut image, value),
                }
            }
            image.resize(image.len().next_multiple_of(4), 0);
        }
        image
    }
}

impl Function {
    /// With the padding to a word, of itself and of its pool.
    fn len(&self) -> usize {
        let mut len = 0_usize;
        for item in &self.items {
            len = match item {
                Item::Plain(_) => len + 2,
                Item::Call(_) => len + 4,
                Item::Pointer(_) | Item::Data(_) => len.next_multiple_of(4) + 4,
            };
        }
        len.next_multiple_of(4)
    }
}

/// Aligned, as a literal pool is.
fn word(image: &mut Vec<u8>, value: u32) {
    image.resize(image.len().next_multiple_of(4), 0);
    image.extend(value.to_le_bytes());
}

/// A 16-bit instruction that is neither half of a wide one nor a branch.
fn plain(dice: &mut Dice) -> u16 {
    (dice.below(0xD000)) as u16
}

/// BL, encoding T1: ±16 MiB, as far as the distance fits.
fn call(from: u32, to: u32) -> [u8; 4] {
    let distance = to.wrapping_sub(from + 4);
    let (sign, low) = (distance >> 24 & 1, distance >> 1);
    let [j1, j2] = [distance >> 23 & 1, distance >> 22 & 1].map(|bit| bit ^ sign ^ 1);
    let high = 0xF000 | sign << 10 | low >> 11 & 0x3FF;
    let low = 0xD000 | j1 << 13 | j2 << 11 | low & 0x7FF;
    let [a, b] = (high as u16).to_le_bytes();
    let [c, d] = (low as u16).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_the_same_for_a_seed_and_resemble_each_other() {
        let [old, new] = releases(50_000, 7);
        assert_eq!([old.clone(), new.clone()], releases(50_000, 7));
        assert_ne!(old, releases(50_000, 8)[0]);
        assert!((50_000..52_000).contains(&old.len()), "{}", old.len());
        assert_ne!(old, new);
        // A window of the old one is found in the new one more often than not.
        let found = old.chunks_exact(16).filter(|chunk| new.windows(16).any(|window| window == *chunk)).count();
        assert!(found * 2 > old.len() / 16, "{found} of {}", old.len() / 16);
    }

    #[test]
    fn calls_are_encoded_as_the_architecture_says() {
        // As an assembler does: bl .+4, bl .-4, bl .+0x100000.
        assert_eq!(call(0x100, 0x104), [0x00, 0xF0, 0x00, 0xF8]);
        assert_eq!(call(0x100, 0xFC), [0xFF, 0xF7, 0xFC, 0xFF]);
        assert_eq!(call(0, 0x10_0000), [0xFF, 0xF0, 0xFE, 0xFF]);
    }
}
