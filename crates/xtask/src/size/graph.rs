//! Who calls whom, and how deep the stack gets.

use super::decode::{Decoder, Flow};
use super::elf::{Elf, Kind, Machine, Section};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A function of the program.
#[derive(Debug, Default)]
pub(crate) struct Function {
    pub(crate) symbol: String,
    pub(crate) size: u32,
    /// Bytes of stack of its own.
    pub(crate) frame: u32,
    /// Functions that it calls and that come back.
    calls: BTreeSet<u32>,
    /// Functions that it leaves for, its frame given back.
    leaves: BTreeSet<u32>,
    /// It calls what a register holds.
    pub(crate) indirect: bool,
    /// Addresses and numbers in its code.
    pub(crate) constants: BTreeSet<u32>,
}

/// All functions by address.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) functions: BTreeMap<u32, Function>,
    /// Those whose address is stored or passed: what an indirect call may reach.
    pub(crate) taken: BTreeSet<u32>,
}

/// The deepest stack from one function on.
#[derive(Debug, Default, Clone)]
pub(crate) struct Depth {
    pub(crate) bytes: u32,
    /// Outermost first.
    pub(crate) path: Vec<u32>,
}

impl Graph {
    /// Reads the code of a program.
    pub(crate) fn new(elf: &Elf) -> Result<Self> {
        let text = elf.section(".text").context("the program has no .text")?;
        let frames: BTreeMap<u32, u32> = elf.stack_sizes()?.into_iter().collect();
        let mut functions = BTreeMap::<u32, Function>::new();
        for symbol in elf.symbols.iter().filter(|symbol| symbol.kind == Kind::Function && symbol.size > 0) {
            let function = functions.entry(symbol.addr).or_default();
            if symbol.size > function.size {
                *function = Function { symbol: symbol.name.clone(), size: symbol.size, ..Function::default() };
            }
        }
        let data = data_in_code(elf, text);
        let entries: Vec<(u32, u32)> = functions.iter().map(|(addr, function)| (*addr, function.size)).collect();
        for (addr, function) in &mut functions {
            read_code(elf, text, &data, &entries, *addr, function);
            if let Some(frame) = frames.get(addr) {
                function.frame = *frame;
            }
        }
        let taken = taken(elf, text, &data, &functions);
        let mut graph = Self { functions, taken };
        for function in graph.functions.values_mut().filter(|function| function.indirect) {
            function.calls.extend(&graph.taken);
        }
        Ok(graph)
    }

    /// The function of this name.
    pub(crate) fn find(&self, symbol: &str) -> Option<u32> {
        self.functions.iter().find(|(_, function)| function.symbol == symbol).map(|(addr, _)| *addr)
    }

    /// Functions that call or leave for `callee`.
    pub(crate) fn callers(&self, callee: u32) -> impl Iterator<Item = &Function> {
        self.functions
            .values()
            .filter(move |function| function.calls.contains(&callee) || function.leaves.contains(&callee))
    }

    /// The deepest stack from `root` on, and the functions that call themselves, for which it is no bound.
    pub(crate) fn deepest(&self, root: u32) -> (Depth, BTreeSet<u32>) {
        let mut walk = Walk { graph: self, known: BTreeMap::new(), open: Vec::new(), recursive: BTreeSet::new() };
        let depth = walk.depth(root);
        (depth, walk.recursive)
    }
}

struct Walk<'g> {
    graph: &'g Graph,
    known: BTreeMap<u32, Depth>,
    open: Vec<u32>,
    recursive: BTreeSet<u32>,
}

impl Walk<'_> {
    fn depth(&mut self, addr: u32) -> Depth {
        if let Some(known) = self.known.get(&addr) {
            return known.clone();
        }
        if let Some(from) = self.open.iter().position(|open| *open == addr) {
            self.recursive.extend(&self.open[from..]);
            return Depth::default();
        }
        let Some(function) = self.graph.functions.get(&addr) else { return Depth::default() };
        self.open.push(addr);
        let mut deepest = Depth { bytes: function.frame, path: Vec::new() };
        for callee in &function.calls {
            let below = self.depth(*callee);
            if function.frame + below.bytes > deepest.bytes {
                deepest = Depth { bytes: function.frame + below.bytes, path: below.path };
            }
        }
        for next in &function.leaves {
            let instead = self.depth(*next);
            if instead.bytes > deepest.bytes {
                deepest = instead;
            }
        }
        self.open.pop();
        deepest.path.insert(0, addr);
        self.known.insert(addr, deepest.clone());
        deepest
    }
}

/// Ranges of `.text` that hold no instructions: literal pools and jump tables.
fn data_in_code(elf: &Elf, text: &Section) -> Vec<(u32, u32)> {
    let mut marks: Vec<(u32, bool)> = elf
        .symbols
        .iter()
        .filter_map(|symbol| match symbol.kind {
            Kind::Mapping(code) if text.holds(symbol.addr) => Some((symbol.addr, code)),
            _ => None,
        })
        .collect();
    marks.sort_unstable();
    let ends = marks.iter().skip(1).map(|(addr, _)| *addr).chain([text.addr + text.size]);
    marks.iter().zip(ends).filter(|((_, code), _)| !code).map(|((addr, _), end)| (*addr, end)).collect()
}

fn read_code(
    elf: &Elf,
    text: &Section,
    data: &[(u32, u32)],
    entries: &[(u32, u32)],
    addr: u32,
    function: &mut Function,
) {
    let end = addr + function.size;
    let mut decoder = Decoder::new(text, elf.machine);
    let mut pc = addr;
    let mut jumps = 0;
    let inside = |target: u32| (addr..end).contains(&target);
    while pc < end {
        if let Some((_, after)) = data.iter().find(|(from, to)| (*from..*to).contains(&pc)) {
            pc = *after;
            continue;
        }
        let Some(instruction) = decoder.at(pc) else { break };
        pc += instruction.len;
        function.frame += instruction.stack;
        function.constants.extend(instruction.constant);
        match instruction.flow {
            // Cortex-M0 jumps far within a large function by a call instruction.
            Flow::Call(target) if inside(target) && target != addr => {}
            Flow::Call(target) => {
                function.calls.extend(entry_of(entries, target));
            }
            // Back to the start of the same function: a loop.
            Flow::Jump(target) if !inside(target) => {
                function.leaves.extend(entry_of(entries, target));
            }
            Flow::CallRegister => function.indirect = true,
            Flow::JumpRegister => jumps += 1,
            Flow::None | Flow::Jump(_) => {}
        }
    }
    // A jump by register with a table of addresses of the same function is a `match`.
    if jumps > jump_tables(elf, function, &inside) {
        function.indirect = true;
    }
}

fn jump_tables(elf: &Elf, function: &Function, inside: &impl Fn(u32) -> bool) -> usize {
    if elf.machine == Machine::Thumb {
        return 0;
    }
    let Some(rodata) = elf.section(".rodata") else { return 0 };
    let starts =
        |addr: &&u32| rodata.word_at(**addr).is_some_and(|word| inside(word) || inside(addr.wrapping_add(word)));
    function.constants.iter().filter(starts).count()
}

/// The function that holds an address.
fn entry_of(entries: &[(u32, u32)], target: u32) -> Option<u32> {
    let at = entries.partition_point(|(addr, _)| *addr <= target).checked_sub(1)?;
    let (addr, size) = entries[at];
    (target - addr < size).then_some(addr)
}

fn taken(elf: &Elf, text: &Section, data: &[(u32, u32)], functions: &BTreeMap<u32, Function>) -> BTreeSet<u32> {
    let bit = u32::from(elf.machine == Machine::Thumb);
    let as_function = |word: u32| {
        let addr = word.wrapping_sub(bit);
        functions.contains_key(&addr).then_some(addr)
    };
    let mut taken = BTreeSet::new();
    for name in [".rodata", ".data"] {
        let words = elf.section(name).map_or(&[][..], |section| &section.bytes);
        taken.extend(words.chunks_exact(4).filter_map(|word| as_function(u32::from_le_bytes(word.try_into().ok()?))));
    }
    for (from, to) in data {
        taken.extend((*from..*to).step_by(2).filter_map(|at| as_function(text.word_at(at)?)));
    }
    for function in functions.values() {
        taken.extend(function.constants.iter().filter_map(|constant| as_function(*constant)));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(functions: &[(u32, u32, &[u32], &[u32])]) -> Graph {
        let functions = functions.iter().map(|(addr, frame, calls, leaves)| {
            let (calls, leaves) = (calls.iter().copied().collect(), leaves.iter().copied().collect());
            (*addr, Function { frame: *frame, calls, leaves, ..Function::default() })
        });
        Graph { functions: functions.collect(), taken: BTreeSet::new() }
    }

    #[test]
    fn the_deepest_path_is_found() {
        let graph = graph(&[(1, 10, &[2, 3], &[]), (2, 5, &[4], &[]), (3, 20, &[], &[]), (4, 30, &[], &[])]);
        let (depth, recursive) = graph.deepest(1);
        assert_eq!((depth.bytes, depth.path), (45, vec![1, 2, 4]));
        assert!(recursive.is_empty());
    }

    #[test]
    fn a_last_call_gives_the_frame_back() {
        let graph = graph(&[(1, 10, &[2], &[]), (2, 50, &[], &[3]), (3, 60, &[], &[])]);
        assert_eq!(graph.deepest(1).0.bytes, 70);
    }

    #[test]
    fn recursion_is_reported() {
        let graph = graph(&[(1, 10, &[2], &[]), (2, 5, &[3], &[]), (3, 5, &[2], &[]), (4, 1, &[4], &[])]);
        assert_eq!(graph.deepest(1).1.into_iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(graph.deepest(4).1.into_iter().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn an_address_belongs_to_the_function_around_it() {
        let entries = [(0x10, 8), (0x20, 4)];
        assert_eq!(entry_of(&entries, 0x12), Some(0x10));
        assert_eq!(entry_of(&entries, 0x18), None);
        assert_eq!(entry_of(&entries, 0x8), None);
    }
}
