//! A guess at what numbers in an image mean: where code and data lie in memory.

use crate::Arch;
use crate::isa::{Space, WINDOWS, Window};
use std::collections::BTreeMap;
use std::vec::Vec;

/// What numbers mean, and in which instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) arch: Arch,
    pub(crate) space: Space,
}

/// How often words fall into each 64 KiB of the address space.
struct Census(BTreeMap<u32, u32>);

impl Census {
    fn words(image: &[u8], step: usize, of: impl Fn(u32) -> bool) -> Self {
        let mut counts = BTreeMap::new();
        for raw in image.windows(4).step_by(step) {
            let word = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
            if of(word) {
                *counts.entry(word >> 16).or_default() += 1;
            }
        }
        Self(counts)
    }

    fn within(&self, start: u32, span: u32) -> u32 {
        self.0.range(start..start.saturating_add(span)).map(|(_, count)| count).sum()
    }

    /// The start of the most popular span among those that `may` start one.
    fn best(&self, span: u32, may: impl Fn(u32) -> bool) -> Option<u32> {
        let starts = self.0.keys().copied().filter(|start| may(*start));
        let popular = starts.map(|start| {
            let score = self.within(start, span);
            // Small numbers are mostly no addresses.
            (if start < 0x10 { score / 4 } else { score }, std::cmp::Reverse(start))
        });
        popular.max().map(|(_, std::cmp::Reverse(start))| start)
    }
}

/// The space of an instruction set, judged by the old image, or by the new one when there is no old one.
pub(crate) fn guess(arch: Arch, old: &[u8], new: &[u8]) -> Terms {
    let image = if old.is_empty() { new } else { old };
    let mut space = Space::NONE;
    let windows = match arch {
        Arch::None => Vec::new(),
        Arch::Thumb => thumb(image),
        Arch::RiscV if image.first() == Some(&0xE9) => esp32_riscv(),
        Arch::RiscV => riscv(image),
        Arch::Xtensa => esp_segments(image).unwrap_or_else(|| xtensa(image)),
    };
    for (place, window) in space.windows.iter_mut().zip(windows) {
        *place = window;
    }
    Terms { arch, space }
}

fn span_of(image: &[u8], more: u32) -> u32 {
    (image.len() as u32).div_ceil(0x1_0000) + more
}

fn window(start: u32, span: u32, is_code: bool) -> Window {
    // Numbers below 512 are rarely addresses.
    let first = if start == 0 { 0x200 } else { start << 16 };
    Window { start: first, len: ((start + span) << 16) - first, is_code: is_code.into() }
}

fn thumb(image: &[u8]) -> Vec<Window> {
    let census = Census::words(image, 4, |_| true);
    let span = span_of(image, 1);
    let code = census.best(span, |start| start < 0x1800);
    let inside = |start: u32| code.is_some_and(|code| (code..code + span).contains(&start));
    let data = census.best(4, |start| matches!(start >> 12, 1 | 2) && !inside(start));
    let data = data.map(|start| window(start, 4, false));
    code.map(|start| window(start, span, true)).into_iter().chain(data).collect()
}

fn xtensa(image: &[u8]) -> Vec<Window> {
    let census = Census::words(image, 4, |_| true);
    let span = span_of(image, 8);
    let code = census.best(span, |start| matches!(start >> 12, 1 | 4) && start >= 0x4000);
    let inside = |start: u32| code.is_some_and(|code| (code..code + span).contains(&start));
    let data = census.best(8, |start| matches!(start >> 8, 0x3C | 0x3F | 0x40 | 0x42) && !inside(start));
    let data = data.map(|start| window(start, 8, false));
    code.map(|start| window(start, span, true)).into_iter().chain(data).collect()
}

/// Instruction RAM and flash of the RISC-V members of the ESP32 family.
fn esp32_riscv() -> Vec<Window> {
    std::vec![
        Window { start: 0x3C00_0000, len: 0x100_0000 - 0x100, is_code: 1 },
        Window { start: 0x3FC8_0000, len: 0x38_0000, is_code: 0 },
        Window { start: 0x4000_0000, len: 0x100_0000 - 0x100, is_code: 0 },
        Window { start: 0x4200_0000, len: 0x100_0000 - 0x100, is_code: 0 },
    ]
}

/// Addresses are made by LUI here, if at all.
fn riscv(image: &[u8]) -> Vec<Window> {
    let census = Census::words(image, 2, |word| word & 0x7F == 0x37);
    let code = census.best(2, |start| start > 0);
    let inside = |start: u32| code.is_some_and(|code| (code.saturating_sub(2)..code + 2).contains(&start));
    let data = census.best(2, |start| start > 0 && !inside(start));
    let data = data.map(|start| window(start, 2, false));
    code.map(|start| window(start, 2, true)).into_iter().chain(data).collect()
}

/// The segments that the header of an ESP image lists.
fn esp_segments(image: &[u8]) -> Option<Vec<Window>> {
    let count = usize::from(*image.get(1)?);
    if image.first() != Some(&0xE9) || !(3..=16).contains(&count) {
        return None;
    }
    let word = |at: usize| image.get(at..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw));
    let mut windows: Vec<Window> = Vec::new();
    let mut at = 24;
    for _ in 0..count {
        let (address, len) = (word(at)?, word(at + 4)?);
        at = at.checked_add(8)?.checked_add(len as usize)?;
        if at > image.len() || !matches!(address >> 24, 0x3C | 0x3F | 0x40 | 0x42 | 0x50) {
            return None;
        }
        let start = address & !0xFFFF;
        let more = if address >> 24 == 0x3F { 0x4_0000 } else { 0x4000 };
        let len = (address - start + len + more + 0xFF) & !0xFF;
        windows.push(Window {
            start,
            len: len.min(0xFF_FF00),
            is_code: u32::from(matches!(address >> 24, 0x40 | 0x42)),
        });
    }
    windows.sort_by_key(|window| std::cmp::Reverse(window.len));
    windows.truncate(WINDOWS);
    Some(windows)
}

/// Instruction sets that are worth a try, the likeliest first: those whose ways to return from a function abound.
pub(crate) fn candidates(old: &[u8], new: &[u8]) -> Vec<Arch> {
    let (mut thumb, mut riscv, mut xtensa) = (0, 0, 0);
    for pair in old.chunks_exact(2).chain(new.chunks_exact(2)) {
        match u16::from_le_bytes([pair[0], pair[1]]) {
            // BX LR; POP with PC.
            0x4770 | 0xBD00..=0xBDFF => thumb += 1,
            // C.JR RA; the first half of JALR X0, RA.
            0x8082 | 0x8067 => riscv += 1,
            // RET.N, RETW.N.
            0xF00D | 0xF01D => xtensa += 1,
            _ => {}
        }
    }
    // Xtensa's are at odd offsets as often.
    let mut counts = [(thumb, Arch::Thumb), (riscv, Arch::RiscV), (xtensa * 2, Arch::Xtensa)];
    counts.sort_by_key(|(count, arch)| (std::cmp::Reverse(*count), *arch as u8));
    let least = (old.len() + new.len()) / 8192;
    counts.into_iter().filter(|(count, _)| *count > least).map(|(_, arch)| arch).take(1).chain([Arch::None]).collect()
}

/// Spaces that differ in where the image lies: unknown, or where the code window begins.
pub(crate) fn bases(terms: &Terms) -> Vec<Terms> {
    let space = &terms.space;
    let code = space.windows.iter().find(|window| window.is_code != 0 && window.len > 0);
    let based = code.map(|window| Terms { space: Space { base: window.start & !0xFFFF, ..*space }, ..*terms });
    std::iter::once(*terms).chain(based).collect()
}
