//! The loader as a program: where it begins, where it waits, and what its instructions are called.

use crate::size::elf::{Elf, Kind, Section};
use crate::size::names::readable;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Instructions that do nothing, of both lengths.
const NOTHING: [&[u8]; 2] = [&[0x00, 0xBF], &[0xAF, 0xF3, 0x00, 0x80]];
const WAIT_FOR_INTERRUPT: u16 = 0xBF30;

/// A linked loader.
pub(super) struct Program {
    pub(super) file: PathBuf,
    /// Its first instruction.
    pub(super) reset: u32,
    /// Where it waits when nothing may be started.
    pub(super) wait: u32,
    text: Section,
    /// Address, length and name of its functions.
    functions: Vec<(u32, u32, String)>,
}

impl Program {
    /// Reads it from an ELF file.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut elf = Elf::parse(&bytes)?;
        let functions = elf.symbols.iter().filter(|symbol| symbol.kind == Kind::Function);
        let functions: Vec<_> = functions.map(|f| (f.addr, f.size, readable(&f.name))).collect();
        let of = |wanted: &str| functions.iter().find(|(_, _, name)| name == wanted || name.ends_with(wanted));
        let reset = of("Reset").context("the loader has no reset handler")?.0;
        let (from, len, _) = of("::wait_for_reset").context("the loader has no function wait_for_reset")?;
        let text = elf.sections.iter().position(|section| section.name == ".text").context("the loader has no code")?;
        let text = elf.sections.swap_remove(text);
        let wait = (*from..from + len).step_by(2).find(|at| text.half_at(*at) == Some(WAIT_FOR_INTERRUPT));
        let wait = wait.context("the loader does not wait for an interrupt")?;
        Ok(Self { file: file.to_owned(), reset, wait, text, functions })
    }

    /// Whether the instruction at `at` is the loader's.
    pub(super) fn holds(&self, at: u32) -> bool {
        self.text.holds(at)
    }

    /// What stands for the instruction at `at` when it is left out, and the instruction.
    pub(super) fn nothing_for(&self, at: u32) -> Result<(&'static [u8], &[u8])> {
        let first = self.text.half_at(at).with_context(|| format!("{at:#x} is no code of the loader"))?;
        let nothing = NOTHING[usize::from(first >> 11 >= 0b11101)];
        let from = (at - self.text.addr) as usize;
        Ok((nothing, self.text.bytes.get(from..from + nothing.len()).context("a torn instruction")?))
    }

    /// The function that holds an address, without its generic arguments.
    pub(super) fn function(&self, at: u32) -> String {
        let holds = |(from, len, _): &&(u32, u32, String)| at.wrapping_sub(*from) < *len;
        self.functions.iter().find(holds).map_or("?".into(), |(_, _, name)| bare(name))
    }
}

/// A name without what stands in angle brackets at its end, and with the last two parts of its path.
fn bare(name: &str) -> String {
    let mut depth = 0i32;
    let kept = name.chars().filter(|c| {
        depth += i32::from(*c == '<');
        let keep = depth == 0;
        depth -= i32::from(*c == '>');
        keep
    });
    let kept: String = kept.collect();
    let parts: Vec<&str> = kept.split("::").filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { name.chars().take(60).collect() } else { parts[parts.len().saturating_sub(2)..].join("::") }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn names_are_short() {
        assert_eq!(bare("ota_verify::image::verify::judge::<ota_verify::rsa::RsaPss<64>>"), "verify::judge");
        assert_eq!(bare("Reset"), "Reset");
    }
}
