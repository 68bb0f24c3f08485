//! Just enough of ELF: sections and symbols of a 32-bit little-endian program.

use anyhow::{Context, Result, bail, ensure};

/// The processors of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Cortex-M: Thumb code only; the lowest bit of a code address is set and means nothing.
    Thumb,
    /// RV32 with compressed instructions.
    RiscV,
}

/// A linked program.
#[derive(Debug)]
pub(crate) struct Elf {
    pub(crate) machine: Machine,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) addr: u32,
    /// In memory.
    pub(crate) size: u32,
    /// In the file; empty for zeroed memory.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Object,
    /// Where code (`true`) or data within code (`false`) starts.
    Mapping(bool),
    Other,
}

#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) addr: u32,
    pub(crate) size: u32,
    pub(crate) kind: Kind,
}

const NOBITS: u32 = 8;

impl Elf {
    /// Reads a program.
    pub(crate) fn parse(file: &[u8]) -> Result<Self> {
        ensure!(file.starts_with(b"\x7FELF\x01\x01"), "not a 32-bit little-endian ELF file");
        let machine = match half(file, 18)? {
            40 => Machine::Thumb,
            243 => Machine::RiscV,
            other => bail!("ELF machine {other} is not supported"),
        };
        let (table, count, names) = (word(file, 32)?, half(file, 48)?, half(file, 50)?);
        let headers =
            (0..count).map(|n| header(file, table as usize + usize::from(n) * 40)).collect::<Result<Vec<_>>>()?;
        let strings = headers.get(usize::from(names)).context("no section names")?;
        let mut sections = Vec::new();
        let mut symbols = Vec::new();
        for head in &headers {
            let bytes = if head.kind == NOBITS { &[][..] } else { slice(file, head.offset, head.size)? };
            let name = text(slice(file, strings.offset, strings.size)?, head.name)?;
            if head.kind == 2 {
                let strings = headers.get(head.link as usize).context("no symbol names")?;
                let strings = slice(file, strings.offset, strings.size)?;
                for entry in bytes.chunks_exact(16) {
                    symbols.extend(symbol(entry, strings, machine)?);
                }
            }
            sections.push(Section { name, addr: head.addr, size: head.size, bytes: bytes.to_vec() });
        }
        Ok(Self { machine, sections, symbols })
    }

    /// The section of this name; an empty one when there is none.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Its size; 0 when there is none.
    pub(crate) fn size_of(&self, name: &str) -> u32 {
        self.section(name).map_or(0, |section| section.size)
    }

    /// Frame sizes that the compiler wrote down: address of a function, bytes.
    pub(crate) fn stack_sizes(&self) -> Result<Vec<(u32, u32)>> {
        let mut rest = self.section(".stack_sizes").map_or(&[][..], |section| &section.bytes);
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            let addr = word(rest, 0)?;
            let mut at = 4;
            let (mut size, mut shift) = (0u32, 0);
            loop {
                let byte = *rest.get(at).context("torn .stack_sizes")?;
                size |= u32::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
                (at, shift) = (at + 1, shift + 7);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            sizes.push((self.code_addr(addr), size));
            rest = &rest[at..];
        }
        Ok(sizes)
    }

    /// A code address without the Thumb bit.
    pub(crate) fn code_addr(&self, addr: u32) -> u32 {
        if self.machine == Machine::Thumb { addr & !1 } else { addr }
    }
}

impl Section {
    /// The word at an address.
    pub(crate) fn word_at(&self, addr: u32) -> Option<u32> {
        word(&self.bytes, addr.checked_sub(self.addr)? as usize).ok()
    }
    /// The half-word at an address.
    pub(crate) fn half_at(&self, addr: u32) -> Option<u16> {
        half(&self.bytes, addr.checked_sub(self.addr)? as usize).ok()
    }
    /// Whether the address lies in it.
    pub(crate) fn holds(&self, addr: u32) -> bool {
        addr.checked_sub(self.addr).is_some_and(|offset| offset < self.size)
    }
}

struct Header {
    name: u32,
    kind: u32,
    addr: u32,
    offset: u32,
    size: u32,
    link: u32,
}

fn header(file: &[u8], at: usize) -> Result<Header> {
    let field = |n: usize| word(file, at + 4 * n);
    Ok(Header {
        name: field(0)?,
        kind: field(1)?,
        addr: field(3)?,
        offset: field(4)?,
        size: field(5)?,
        link: field(6)?,
    })
}

fn symbol(entry: &[u8], strings: &[u8], machine: Machine) -> Result<Option<Symbol>> {
    let (addr, size) = (word(entry, 4)?, word(entry, 8)?);
    let section = half(entry, 14)?;
    let name = text(strings, word(entry, 0)?)?;
    let mapping = name.split('.').next().unwrap_or_default();
    let kind = match (mapping, entry[12] & 15) {
        ("$t" | "$x", _) => Kind::Mapping(true),
        ("$d", _) => Kind::Mapping(false),
        (_, 1) => Kind::Object,
        (_, 2) => Kind::Function,
        _ => Kind::Other,
    };
    // Absolute and undefined symbols are no part of the program.
    if section == 0 || section >= 0xFF00 || matches!(kind, Kind::Other) && name.is_empty() {
        return Ok(None);
    }
    let thumb = machine == Machine::Thumb && kind == Kind::Function;
    Ok(Some(Symbol { name, addr: if thumb { addr & !1 } else { addr }, size, kind }))
}

fn slice(file: &[u8], offset: u32, size: u32) -> Result<&[u8]> {
    let (offset, size) = (offset as usize, size as usize);
    file.get(offset..offset.saturating_add(size)).context("a section lies outside the file")
}
fn text(strings: &[u8], at: u32) -> Result<String> {
    let rest = strings.get(at as usize..).context("a name lies outside the string table")?;
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}
/// Four bytes at an offset.
pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..at + 4).context("a torn ELF file")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}
/// Two bytes at an offset.
pub(crate) fn half(bytes: &[u8], at: usize) -> Result<u16> {
    let bytes = bytes.get(at..at + 2).context("a torn ELF file")?;
    Ok(u16::from_le_bytes(bytes.try_into()?))
}
