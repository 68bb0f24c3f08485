//! Made-up firmware with every kind of unit that docs/patch-format.md knows, linked anew after each edit.

use super::common::{Noise, call};
use ota_diff::Arch;

const BASE: u32 = 0x2000_0000;

#[derive(Clone)]
enum Item {
    /// An instruction without an address.
    Half(u16),
    /// A way to name a function, one of several, with a register and what stands between its two instructions.
    Names { way: usize, function: usize, register: u32, between: usize },
}

/// Functions by number, in the order they are linked in.
#[derive(Clone)]
pub(crate) struct Firmware(Vec<(usize, Vec<Item>)>);

impl Firmware {
    pub(crate) fn new(noise: &mut Noise, functions: usize) -> Self {
        let body = |noise: &mut Noise| (0..6 + noise.below(30)).map(|_| item(noise, functions)).collect();
        Self((0..functions).map(|number| (number, body(noise))).collect())
    }

    pub(crate) fn edit(&mut self, noise: &mut Noise) {
        let count = self.0.len();
        let at = noise.below(count);
        match noise.below(3) {
            0 => {
                let moved = self.0.remove(at);
                self.0.insert(noise.below(count), moved);
            }
            1 => self.0[at].1.insert(0, item(noise, count)),
            _ => self.0[at].1.truncate(4),
        }
    }

    pub(crate) fn link(&self, arch: Arch) -> Vec<u8> {
        let mut places = vec![0; self.0.len()];
        self.laid_out(arch, &mut places);
        self.laid_out(arch, &mut places)
    }

    /// The image with the places it was told; tells the places where things came to lie.
    fn laid_out(&self, arch: Arch, places: &mut [u32]) -> Vec<u8> {
        let told = places.to_vec();
        let mut image = Vec::new();
        for (number, body) in &self.0 {
            image.resize(image.len().next_multiple_of(4), 0);
            places[*number] = image.len() as u32;
            for item in body {
                match item {
                    Item::Half(half) => image.extend(half.to_le_bytes()),
                    Item::Names { way, function, register, between } => {
                        let (here, target) = (image.len() as u32, told[*function]);
                        let (first, second) = instructions(arch, *way, here, target, *register);
                        image.extend(&first.to_le_bytes()[..if arch == Arch::Xtensa { 3 } else { 4 }]);
                        if let Some(second) = second {
                            image.extend([0x01, 0x46].repeat(*between));
                            image.extend(second.to_le_bytes());
                        }
                    }
                }
            }
        }
        image
    }
}

fn item(noise: &mut Noise, functions: usize) -> Item {
    if noise.below(3) > 0 {
        let halves = [0x4770, 0x4601, 0xB510, 0x4803, 0xD003, 0xE00A, 0x4501, 0x6A8D];
        return Item::Half(halves[noise.below(8)] + noise.below(2) as u16);
    }
    Item::Names {
        way: noise.below(6),
        function: noise.below(functions),
        register: 1 + noise.below(15) as u32,
        between: noise.below(12),
    }
}

/// Bytes that a copy from just before makes: of periods 1 to 4, and of what Xtensa takes for the beginning of a call.
pub(crate) fn runs(noise: &mut Noise) -> Vec<u8> {
    let mut image = Vec::new();
    for period in 1..5 {
        image.extend(noise.bytes(period).repeat(40));
        image.extend([5, 0x10, 1, 0x93][..period].repeat(30));
    }
    image
}

/// One instruction or word, or two that belong together.
fn instructions(arch: Arch, way: usize, here: u32, target: u32, register: u32) -> (u32, Option<u32>) {
    let address = BASE + target + 1;
    let branch = call(arch, here, target);
    match (arch, way) {
        (Arch::Thumb, 0) => (branch, None),
        (Arch::Thumb, 1) => (branch & !(1 << 30), None),
        (Arch::Thumb, 2) => (branch & !(1 << 28 | 1 << 16), None),
        (Arch::Thumb, 3 | 4) => (mov(0xF240, address, register), Some(mov(0xF2C0, address >> 16, register))),
        (Arch::RiscV, 0) => (branch & !0xF80 | register << 7, None),
        (Arch::RiscV, 1 | 2) => upper_and_lower(0x37, address, register),
        (Arch::RiscV, 3 | 4) => upper_and_lower(0x17, target.wrapping_sub(here), register),
        (Arch::Xtensa, 0..=2) => (branch & 0xFF_FFFF | (way as u32) << 4, None),
        (Arch::Xtensa, 3 | 4) => (1 | register << 4 | (target.wrapping_sub((here + 3) & !3) >> 2 & 0xFFFF) << 8, None),
        _ => (address, None),
    }
}

/// MOVW or MOVT.
fn mov(opcode: u32, value: u32, register: u32) -> u32 {
    let first = opcode | value >> 12 & 15 | (value >> 11 & 1) << 10;
    first | ((value >> 8 & 7) << 12 | register << 8 | value & 0xFF) << 16
}

/// LUI or AUIPC, then ADDI, a load or a store.
fn upper_and_lower(opcode: u32, value: u32, register: u32) -> (u32, Option<u32>) {
    let upper = opcode | register << 7 | value.wrapping_add(0x800) & 0xFFFF_F000;
    let lower = match register & 3 {
        0 => 0x2023 | register << 15 | (value & 31) << 7 | (value >> 5 & 0x7F) << 25,
        1 => 0x2003 | register << 15 | (register + 1) << 7 | (value & 0xFFF) << 20,
        _ => 0x13 | register << 15 | register << 7 | (value & 0xFFF) << 20,
    };
    (upper, Some(lower))
}
