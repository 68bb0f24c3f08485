//! The search for operations: a beam over alignments, cheapest path wins.

mod tidy;

use super::history::History;
use super::oracle::Oracle;
use super::views::{Index, MATCH_MIN, common};
use crate::coder::{Op, Source};
use std::vec::Vec;

/// What things cost, in bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub(crate) literal: f32,
    pub(crate) begin_literal: f32,
    pub(crate) begin_old: f32,
    pub(crate) begin_new: f32,
    pub(crate) resume: f32,
    pub(crate) same: f32,
    pub(crate) moved: f32,
    pub(crate) unsure: f32,
    pub(crate) changed: f32,
}

impl Costs {
    pub(crate) const TYPICAL: Self = Self {
        literal: 5.5,
        begin_literal: 6.0,
        begin_old: 24.0,
        begin_new: 20.0,
        resume: 8.0,
        same: 0.02,
        moved: 1.0,
        unsure: 2.0,
        changed: 9.0,
    };
}

/// States that are this much dearer than the best are given up.
const MARGIN: f32 = 64.0;
/// States kept.
const BEAM: usize = 24;
/// Behind a match of this length the next ones are not looked for at every byte.
const MATCH_LONG: usize = 64;
const STRIDE: usize = 8;

/// Every time that so many bytes were literals, what is looked at becomes half as much, so often.
const DULL: usize = 256;
const DULL_MOST: usize = 3;

/// A copy that goes on for more than this is left alone until so much of it is left, so that a better one is found in time.
const SURE_LEAST: usize = 24;
/// How far that is looked at.
const SURE_MOST: usize = 4096;

/// Both images, raw and blank, with the suffixes of the old ones.
pub(crate) struct Pair<'a> {
    pub(crate) old: &'a [u8],
    pub(crate) new: &'a [u8],
    pub(crate) blank_old: &'a [u8],
    pub(crate) blank_new: &'a [u8],
    pub(crate) raw: &'a Index<'a>,
    /// Unless the blank view is the same.
    pub(crate) blank: Option<&'a Index<'a>>,
    /// Of the new image, blank.
    pub(crate) history: &'a History<'a>,
}

#[derive(Clone, Copy)]
struct State {
    source: Source,
    /// Source offset minus new offset.
    alignment: i64,
    cost: f32,
    node: u32,
}

/// An operation on the way back from a state.
#[derive(Clone, Copy)]
struct Node {
    start: u32,
    source: Source,
    alignment: i64,
    parent: u32,
}

const ROOT: u32 = 0;

struct Beam<'a> {
    pair: &'a Pair<'a>,
    oracle: Option<&'a Oracle<'a>>,
    costs: Costs,
    states: Vec<State>,
    nodes: Vec<Node>,
    nodes_max: usize,
    /// At how many places something else was looked for.
    #[cfg(test)]
    branches: usize,
}

/// Finds the operations that make the new image.
pub(crate) fn parse(
    pair: &Pair<'_>,
    oracle: Option<&Oracle<'_>>,
    costs: Costs,
    progress: &mut dyn FnMut(usize),
) -> Vec<Op> {
    let mut beam = Beam::new(pair, oracle, costs);
    beam.walk(progress);
    let mut path = beam.path();
    tidy::prolong(pair, &mut path);
    tidy::tidy(&path)
}

impl<'a> Beam<'a> {
    fn new(pair: &'a Pair<'a>, oracle: Option<&'a Oracle<'a>>, costs: Costs) -> Self {
        let root = Node { start: 0, source: Source::Literal, alignment: 0, parent: ROOT };
        Self {
            pair,
            oracle,
            costs,
            states: std::vec![State { source: Source::Literal, alignment: 0, cost: 0.0, node: 1 }],
            nodes: std::vec![root; 2],
            nodes_max: 1 << 20,
            #[cfg(test)]
            branches: 0,
        }
    }

    /// Goes over the new image.
    fn walk(&mut self, progress: &mut dyn FnMut(usize)) {
        let (mut search_from, mut sure_until) = (0, 0);
        for i in 0..self.pair.new.len() {
            if i % (1 << 16) == 0 {
                progress(i);
            }
            if i >= sure_until {
                sure_until = i + self.sure_len(i);
            }
            if i >= sure_until && i.is_multiple_of(self.stride(i)) {
                search_from = self.branch(i, search_from);
            }
            self.advance(i);
        }
        progress(self.pair.new.len());
    }

    fn best(&self) -> State {
        let cheapest = self.states.iter().copied().min_by(|a, b| a.cost.total_cmp(&b.cost));
        cheapest.unwrap_or(State { source: Source::Literal, alignment: 0, cost: 0.0, node: ROOT })
    }

    /// Where nothing has paid for long, nothing is looked for at most bytes. Copies found late are prolonged in the end.
    fn stride(&self, i: usize) -> usize {
        let best = self.best();
        let run = i - self.nodes[best.node as usize].start as usize;
        if best.source == Source::Literal { 1 << (run / DULL).min(DULL_MOST) } else { 1 }
    }

    /// For how many bytes a copy goes on so well that nothing else is worth a try.
    fn sure_len(&self, i: usize) -> usize {
        let state = self.best();
        let [from, to] = match state.source {
            Source::Literal => return 0,
            Source::Old => [self.pair.blank_old, self.pair.blank_new],
            Source::New => [self.pair.new; 2],
        };
        let from = usize::try_from(i as i64 + state.alignment).ok().and_then(|q| from.get(q..)).unwrap_or(&[]);
        let len = common(&from[..from.len().min(SURE_MOST)], &to[i..]);
        len.saturating_sub(SURE_LEAST)
    }

    /// The alignment of the last copy from the old image on the way to a node.
    fn alignment_before(&self, mut node: u32, steps: usize) -> Option<i64> {
        for _ in 0..steps {
            let Node { source, alignment, parent, .. } = self.nodes[node as usize];
            if node == ROOT {
                return None;
            }
            if source == Source::Old {
                return Some(alignment);
            }
            node = parent;
        }
        None
    }

    /// Offers whatever may begin at `i`; returns from where on matches are to be searched again.
    fn branch(&mut self, i: usize, search_from: usize) -> usize {
        #[cfg(test)]
        {
            self.branches += 1;
        }
        let best = self.best();
        let main = self.alignment_before(best.node, 8);
        self.offer(i, best, Source::Literal, 0, self.costs.begin_literal);
        let mut then = search_from;
        if i >= search_from {
            if self.search(i, best, main.unwrap_or(0)) > MATCH_LONG {
                then = i + STRIDE;
            }
            for from in self.pair.history.matches(i).into_iter().flatten() {
                self.offer(i, best, Source::New, from as i64 - i as i64, self.costs.begin_new);
            }
        }
        if let Some(alignment) = main {
            self.offer(i, best, Source::Old, alignment, self.costs.resume);
        }
        then
    }

    fn offer(&mut self, i: usize, from: State, source: Source, alignment: i64, price: f32) {
        let cost = from.cost + price;
        let node = self.nodes.len() as u32;
        let rival = self.states.iter_mut().find(|state| state.source == source && state.alignment == alignment);
        match rival {
            Some(rival) if rival.cost <= cost => return,
            Some(rival) => (rival.cost, rival.node) = (cost, node),
            None => self.states.push(State { source, alignment, cost, node }),
        }
        self.nodes.push(Node { start: i as u32, source, alignment, parent: from.node });
    }

    /// Offers the longest matches at `i`; returns the length of the blank one.
    fn search(&mut self, i: usize, best: State, main: i64) -> usize {
        let near = i as i64 + main;
        let (at, len) = self.pair.raw.longest(&self.pair.new[i..], near);
        if len >= MATCH_MIN {
            self.offer(i, best, Source::Old, at as i64 - i as i64, self.costs.begin_old);
        }
        let Some(blank) = self.pair.blank else { return len };
        let (at, len) = blank.longest(&self.pair.blank_new[i..], near);
        if len >= MATCH_MIN {
            self.offer(i, best, Source::Old, at as i64 - i as i64, self.costs.begin_old);
        }
        len
    }

    /// Charges every state for the byte at `i` and drops those that fall behind.
    fn advance(&mut self, i: usize) {
        let mut states = std::mem::take(&mut self.states);
        states.retain_mut(|state| match self.price(i, state) {
            Some(price) => {
                state.cost += price;
                true
            }
            None => false,
        });
        let best = states.iter().map(|state| state.cost).fold(f32::MAX, f32::min);
        states.retain(|state| state.cost <= best + MARGIN);
        if states.len() > BEAM {
            states.select_nth_unstable_by(BEAM, |a, b| a.cost.total_cmp(&b.cost));
            states.truncate(BEAM);
        }
        // Costs are kept small: floats would lose what a byte costs.
        for state in &mut states {
            state.cost -= best;
        }
        self.states = states;
        if self.nodes.len() > self.nodes_max {
            self.sweep();
        }
    }

    fn price(&self, i: usize, state: &State) -> Option<f32> {
        if state.source == Source::Literal {
            return Some(self.costs.literal);
        }
        let q = usize::try_from(i as i64 + state.alignment).ok()?;
        let pair = self.pair;
        if state.source == Source::New {
            let blank_same = pair.blank_new.get(q)? == pair.blank_new.get(i)?;
            let same = pair.new[q] == pair.new[i];
            return Some(match (same, blank_same) {
                (true, true) => self.costs.same,
                (_, true) => self.costs.same + self.costs.moved,
                _ => self.costs.changed,
            });
        }
        let old = *pair.old.get(q)?;
        Some(if old == pair.new[i] {
            self.costs.same
        } else if let Some(oracle) = self.oracle {
            match (oracle.explains(q, i), pair.blank_old[q] == pair.blank_new[i]) {
                (true, _) => self.costs.moved,
                (false, true) => self.costs.unsure,
                (false, false) => self.costs.changed,
            }
        } else if pair.blank_old[q] == pair.blank_new[i] {
            self.costs.same + self.costs.moved
        } else {
            self.costs.changed
        })
    }

    /// Forgets nodes that no state leads back to.
    fn sweep(&mut self) {
        let mut places: Vec<u32> = std::vec![u32::MAX; self.nodes.len()];
        places[ROOT as usize] = ROOT;
        for state in &self.states {
            let mut node = state.node;
            while places[node as usize] == u32::MAX {
                places[node as usize] = ROOT;
                node = self.nodes[node as usize].parent;
            }
        }
        let mut kept = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if places[index] != u32::MAX {
                places[index] = kept.len() as u32;
                kept.push(Node { parent: places[node.parent as usize], ..*node });
            }
        }
        for state in &mut self.states {
            state.node = places[state.node as usize];
        }
        self.nodes_max = (1 << 20).max(kept.len() * 2);
        self.nodes = kept;
    }

    /// The operations on the cheapest path.
    fn path(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut end = self.pair.new.len() as u32;
        let mut node = self.best().node;
        while node != ROOT {
            let Node { start, source, alignment, parent } = self.nodes[node as usize];
            if end > start {
                let from = if source == Source::Literal { 0 } else { (i64::from(start) + alignment) as u32 };
                ops.push(Op { source, from, len: end - start });
                end = start;
            }
            node = parent;
        }
        ops.reverse();
        ops
    }
}

#[cfg(test)]
mod tests;
