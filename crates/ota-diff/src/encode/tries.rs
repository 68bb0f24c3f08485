//! Streams for several instruction sets, of which the smallest wins.

use super::history::History;
use super::oracle::Oracle;
use super::parse::{self, Costs};
use super::range::RangeEncoder;
use super::space;
use super::views::{Index, blank};
use crate::coder::{Op, Source};
use crate::isa::Space;
use crate::model::Model;
use crate::output::Output;
use crate::patch::Memory;
use crate::{Arch, Every, Profile};
use std::vec::Vec;

/// Times the images are parsed at most per instruction set.
pub(super) const PASSES: usize = 2;
/// Without an instruction set, a plan of its own saves less than this part of what somebody else's plan takes.
const OWN_PLAN: usize = 32;
/// What is less than this part of the new image is not worth another plan.
const WORTH: usize = 64;
/// Spaces are compared by what they make of so many bytes.
const SAMPLE: usize = 2 << 20;

/// The images, and the suffixes of the old one.
struct Pair<'a> {
    old: &'a [u8],
    new: &'a [u8],
    index: Index<'a>,
}

/// What an instruction set gave.
struct Try {
    space: Space,
    stream: Vec<u8>,
    /// A plan that knows no instruction set would not do better.
    is_settled: bool,
}

/// The smallest stream, and the space that it begins with.
pub(super) fn best<P: Profile>(
    old: &[u8],
    new: &[u8],
    archs: &[Arch],
    progress: &mut dyn FnMut(usize),
) -> Option<(Space, Vec<u8>)> {
    let pair = Pair { old, new, index: Index::new(old) };
    let mut best: Option<Try> = None;
    for arch in archs {
        let made = match (*arch, &best) {
            (Arch::None, Some(best)) if best.is_settled => continue,
            (Arch::None, _) => pair.flat::<P>(progress),
            _ => pair.known::<P>(*arch, progress),
        };
        if best.as_ref().is_none_or(|best| made.stream.len() < best.stream.len()) {
            best = Some(made);
        }
    }
    best.map(|best| (best.space, best.stream))
}

impl Pair<'_> {
    /// Knowing an instruction set: a first plan teaches what moved, a second one makes use of it.
    fn known<P: Profile>(&self, arch: Arch, progress: &mut dyn FnMut(usize)) -> Try {
        let space = space::guess(arch, self.old, self.new);
        let blanks = [blank(self.old, &space), blank(self.new, &space)];
        let index = Index::new(&blanks[0]);
        let sight = parse::Pair {
            old: self.old,
            new: self.new,
            blank_old: &blanks[0],
            blank_new: &blanks[1],
            raw: &self.index,
            blank: Some(&index),
            history: &History::new(&blanks[1]),
        };
        let mut plan = parse::parse(&sight, None, Costs::TYPICAL, progress);
        let part = self.new.len() / WORTH;
        if copied(&plan, |source| source == Source::Old) >= part {
            let oracle = Oracle::new(self.old, self.new, space, self.lessons::<P>(&plan, space));
            plan = parse::parse(&sight, Some(&oracle), Costs::TYPICAL, progress);
        }
        let has_copies = copied(&plan, |source| source != Source::Literal) >= part;
        self.choose::<P>(&plan, space::bases(&space), has_copies)
    }

    /// The best space for a plan, and what it gives.
    fn choose<P: Profile>(&self, plan: &[Op], spaces: Vec<Space>, has_copies: bool) -> Try {
        let none = self.no_space();
        let made = spaces.into_iter().chain([none]).map(|space| (space, self.stream::<P>(plan, space, SAMPLE)));
        let made: Vec<_> = made.collect();
        let flat_len = made.last().map_or(0, |(_, stream)| stream.len());
        let (space, sample) = made.into_iter().min_by_key(|(_, stream)| stream.len()).unwrap_or((none, Vec::new()));
        let is_settled = !has_copies || sample.len() + sample.len() / OWN_PLAN < flat_len;
        let is_all = self.new.len() <= SAMPLE;
        let stream = if is_all { sample } else { self.stream::<P>(plan, space, self.new.len()) };
        Try { space, stream, is_settled }
    }

    /// Knowing none: nothing is blank, and there is nothing to learn.
    fn flat<P: Profile>(&self, progress: &mut dyn FnMut(usize)) -> Try {
        let (old, new) = (self.old, self.new);
        let sight = parse::Pair {
            old,
            new,
            blank_old: old,
            blank_new: new,
            raw: &self.index,
            blank: None,
            history: &History::new(new),
        };
        let plan = parse::parse(&sight, None, Costs::TYPICAL, progress);
        let space = self.no_space();
        Try { space, stream: self.stream::<P>(&plan, space, new.len()), is_settled: true }
    }

    fn no_space(&self) -> Space {
        space::guess(Arch::None, self.old, self.new)
    }

    /// What moved, as the model finds out on its way through a plan.
    fn lessons<P: Profile>(&self, plan: &[Op], space: Space) -> Vec<(u32, i32)> {
        let mut coder = RangeEncoder::new(self.new, plan);
        coder.lessons = Some(Vec::new());
        self.run::<P>(coder, space, self.new.len()).lessons.unwrap_or_default()
    }

    /// The stream of the first `len` bytes, or a few more.
    fn stream<P: Profile>(&self, plan: &[Op], space: Space, len: usize) -> Vec<u8> {
        self.run::<P>(RangeEncoder::new(self.new, plan), space, len).finish()
    }

    /// Runs the model over a plan until it has made `len` bytes.
    fn run<'a, P: Profile>(&self, mut coder: RangeEncoder<'a>, space: Space, len: usize) -> RangeEncoder<'a> {
        let mut model = Model::<P>::idle();
        model.begin(space, self.new.len() as u32);
        // What the stream begins with.
        model.space = space;
        let mut output = Output::new();
        let mut images = Memory { old: self.old, new: Vec::new() };
        while (output.produced() as usize) < len.min(self.new.len()) {
            // A plan that this refuses fails the self-check.
            if model.step::<Every, _, _>(&mut coder, &mut output, &mut images).is_err() {
                break;
            }
            let _ = output.flush(&mut images, u32::MAX);
        }
        coder
    }
}

/// How many bytes of a plan come from such sources.
fn copied(plan: &[Op], of: impl Fn(Source) -> bool) -> usize {
    plan.iter().filter(|op| of(op.source)).map(|op| op.len as usize).sum()
}
