//! What a linked program weighs, and what of it counts.

use super::elf::{Elf, Kind};
use super::graph::Graph;
use super::names::{crate_of, heading, readable};
use super::plan::Profile;
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// One symbol that takes room.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) heading: String,
    pub(crate) size: u32,
    pub(crate) counted: bool,
}

/// One profile on one target.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Bytes that count: all, less the empty program, the board and what is listed apart.
    pub(crate) rom: u32,
    /// Bytes of everything but the empty program.
    pub(crate) rom_whole: u32,
    pub(crate) fixed: u32,
    pub(crate) stack: u32,
    /// Frames on the deepest path: function, bytes.
    pub(crate) path: Vec<(String, u32)>,
    /// Functions that call themselves: the stack has no bound.
    pub(crate) recursive: Vec<String>,
    /// Functions that call through a register; each may reach all whose address is taken.
    pub(crate) indirect: Vec<String>,
    pub(crate) taken: usize,
    /// Functions that may panic; `None` when no panic path is linked.
    pub(crate) panics: Vec<String>,
    /// Symbols of text formatting.
    pub(crate) fmt: Vec<String>,
    /// Symbols of a heap.
    pub(crate) heap: Vec<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) statics: Vec<Item>,
}

const CODE: [&str; 3] = [".text", ".rodata", ".data"];
const MEMORY: [&str; 2] = [".data", ".bss"];

fn total(elf: &Elf, sections: &[&str]) -> u32 {
    sections.iter().map(|name| elf.size_of(name)).sum()
}

/// Weighs `elf`, less the `empty` program.
pub(crate) fn measure(elf: &Elf, empty: &Elf, profile: &Profile) -> Result<Measured> {
    let graph = Graph::new(elf)?;
    let items = code(elf, &graph, profile);
    let statics = statics(elf, profile);
    let rom_whole = total(elf, &CODE).saturating_sub(total(empty, &CODE));
    // What the empty program has of the board is in both.
    let board: u32 = code(empty, &Graph::new(empty)?, profile).iter().filter(|i| !i.counted).map(|i| i.size).sum();
    let apart: u32 = items.iter().filter(|item| !item.counted).map(|item| item.size).sum();
    let static_apart: u32 = statics.iter().filter(|item| !item.counted).map(|item| item.size).sum();
    let start = graph.find("_start").context("the program has no _start")?;
    let (deepest, recursive) = graph.deepest(start);
    let name = |addr: &u32| graph.functions.get(addr).map(|f| (readable(&f.symbol), f.frame));
    Ok(Measured {
        rom: rom_whole.saturating_sub(apart.saturating_sub(board)),
        rom_whole,
        fixed: total(elf, &MEMORY).saturating_sub(total(empty, &MEMORY)).saturating_sub(static_apart),
        stack: deepest.bytes
            + recursive.iter().filter_map(|addr| graph.functions.get(addr)).map(|f| f.frame).sum::<u32>(),
        path: deepest.path.iter().filter_map(name).collect(),
        recursive: recursive.iter().filter_map(name).map(|(name, _)| name).collect(),
        indirect: graph.functions.values().filter(|f| f.indirect).map(|f| readable(&f.symbol)).collect(),
        taken: graph.taken.len(),
        panics: panics(&graph),
        fmt: symbols(elf, |name| name.contains("core::fmt")),
        heap: symbols(elf, |name| {
            ["alloc::", "<alloc::"].iter().any(|start| name.starts_with(start))
                || ["__rust_alloc", "__rg_alloc", "malloc"].iter().any(|part| name.contains(part))
        }),
        items,
        statics,
    })
}

fn symbols(elf: &Elf, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    elf.symbols.iter().map(|symbol| readable(&symbol.name)).filter(|name| wanted(name)).collect()
}

/// The functions from which the panic machinery of `core` is entered.
fn panics(graph: &Graph) -> Vec<String> {
    let machinery = |symbol: &str| {
        let name = readable(symbol);
        ["core::panicking::", "core::option::", "core::result::", "core::slice::", "core::str::", "core::cell::"]
            .iter()
            .any(|start| name.starts_with(start))
            && ["panic", "fail", "unwrap", "expect"].iter().any(|part| name.contains(part))
            || name.contains("rust_begin_unwind")
            || name.starts_with("board::panic")
    };
    let mut from = Vec::new();
    for (addr, _) in graph.functions.iter().filter(|(_, function)| machinery(&function.symbol)) {
        from.extend(graph.callers(*addr).filter(|f| !machinery(&f.symbol)).map(|f| readable(&f.symbol)));
    }
    from.sort();
    from.dedup();
    from
}

/// Functions and constants. A constant without a name belongs to the first function that refers to it.
fn code(elf: &Elf, graph: &Graph, profile: &Profile) -> Vec<Item> {
    let mut items: Vec<Item> =
        graph.functions.values().map(|function| item(&function.symbol, function.size, profile)).collect();
    for (symbol, _) in objects(elf, &[".rodata", ".data"]) {
        if crate_of(&symbol.name).is_some() {
            items.push(item(&symbol.name, symbol.size, profile));
            continue;
        }
        let range = symbol.addr..symbol.addr + symbol.size;
        let user = graph.functions.values().find(|function| function.constants.range(range.clone()).next().is_some());
        let mut owned = item(user.map_or("", |function| &function.symbol), symbol.size, profile);
        if user.is_none() {
            owned.heading = "constants of constants".into();
        }
        owned.name = format!("constant of {}", if owned.name.is_empty() { "a constant" } else { &owned.name });
        items.push(owned);
    }
    // Padding, and constants that were merged with others of their size.
    let named: u32 = items.iter().map(|item| item.size).sum();
    let size = total(elf, &CODE).saturating_sub(named);
    items.push(Item { name: "no symbol".into(), heading: "padding, merged constants".into(), size, counted: true });
    items.sort_by_key(|item| std::cmp::Reverse(item.size));
    items
}

fn statics(elf: &Elf, profile: &Profile) -> Vec<Item> {
    let mut items: Vec<Item> =
        objects(elf, &MEMORY).map(|(symbol, _)| item(&symbol.name, symbol.size, profile)).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.size));
    items
}

fn objects<'e>(elf: &'e Elf, sections: &'e [&str]) -> impl Iterator<Item = (&'e super::elf::Symbol, ())> {
    let holds = |addr| sections.iter().any(|name| elf.section(name).is_some_and(|section| section.holds(addr)));
    let mut seen = std::collections::BTreeSet::new();
    elf.symbols
        .iter()
        .filter(move |symbol| matches!(symbol.kind, Kind::Object) && symbol.size > 0 && holds(symbol.addr))
        .filter(move |symbol| seen.insert(symbol.addr))
        .map(|symbol| (symbol, ()))
}

fn item(symbol: &str, size: u32, profile: &Profile) -> Item {
    let krate = crate_of(symbol);
    let name = readable(symbol);
    let listed = krate.as_ref().is_some_and(|krate| krate == "board" || profile.apart.contains(krate));
    let last = name.rsplit("::").next().unwrap_or_default();
    let by_static = profile.apart_statics.iter().any(|start| last.starts_with(start));
    Item { heading: heading(symbol, krate.as_deref()), name, size, counted: !(listed || by_static) }
}

/// Bytes by heading, largest first; what does not count comes last.
pub(crate) fn by_heading(items: &[Item]) -> Vec<(String, u32, bool)> {
    let mut sums = BTreeMap::<(bool, &str), u32>::new();
    for item in items {
        *sums.entry((!item.counted, &item.heading)).or_default() += item.size;
    }
    let mut sums: Vec<_> = sums.into_iter().map(|((apart, name), size)| (name.to_owned(), size, !apart)).collect();
    sums.sort_by_key(|(_, size, counted)| (!counted, std::cmp::Reverse(*size)));
    sums
}
