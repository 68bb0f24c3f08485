//! Streams for several instruction sets, of which the smallest wins.

use super::history::History;
use super::oracle::Oracle;
use super::parse::{self, Costs};
use super::range::RangeEncoder;
use super::space::{self, Terms};
use super::views::{Index, blank};
use crate::coder::{Op, Source};
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
    /// The patch may do without an instruction set.
    may_be_flat: bool,
}

/// What an instruction set gave.
struct Try {
    terms: Terms,
    stream: Vec<u8>,
    /// A plan that knows no instruction set would not do better.
    is_settled: bool,
}

/// The smallest stream, and the terms that it begins with.
pub(super) fn best<P: Profile>(
    old: &[u8],
    new: &[u8],
    archs: &[Arch],
    progress: &mut dyn FnMut(usize),
) -> Option<(Terms, Vec<u8>)> {
    let pair = Pair { old, new, index: Index::new(old), may_be_flat: archs.contains(&Arch::None) };
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
    best.map(|best| (best.terms, best.stream))
}

impl Pair<'_> {
    /// Knowing an instruction set: a first plan teaches what moved, a second one makes use of it.
    fn known<P: Profile>(&self, arch: Arch, progress: &mut dyn FnMut(usize)) -> Try {
        let terms = space::guess(arch, self.old, self.new);
        let blanks = [blank(self.old, &terms), blank(self.new, &terms)];
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
            let oracle = Oracle::new(self.old, self.new, terms, self.lessons::<P>(&plan, terms));
            plan = parse::parse(&sight, Some(&oracle), Costs::TYPICAL, progress);
        }
        let has_copies = copied(&plan, |source| source != Source::Literal) >= part;
        self.choose::<P>(&plan, space::bases(&terms), has_copies)
    }

    /// The best terms for a plan, and what it gives.
    fn choose<P: Profile>(&self, plan: &[Op], all: Vec<Terms>, has_copies: bool) -> Try {
        let none = self.no_terms();
        let made = all.into_iter().chain([none]).map(|terms| (terms, self.stream::<P>(plan, terms, SAMPLE)));
        let made: Vec<_> = made.collect();
        let flat_len = made.last().map_or(0, |(_, stream)| stream.len());
        let candidates = if self.may_be_flat { made.len() } else { made.len() - 1 };
        let (terms, sample) =
            made.into_iter().take(candidates).min_by_key(|(_, stream)| stream.len()).unwrap_or((none, Vec::new()));
        let is_settled = !has_copies || sample.len() + sample.len() / OWN_PLAN < flat_len;
        let is_all = self.new.len() <= SAMPLE;
        let stream = if is_all { sample } else { self.stream::<P>(plan, terms, self.new.len()) };
        Try { terms, stream, is_settled }
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
        let terms = self.no_terms();
        Try { terms, stream: self.stream::<P>(&plan, terms, new.len()), is_settled: true }
    }

    fn no_terms(&self) -> Terms {
        space::guess(Arch::None, self.old, self.new)
    }

    /// What moved, as the model finds out on its way through a plan.
    fn lessons<P: Profile>(&self, plan: &[Op], terms: Terms) -> Vec<(u32, i32)> {
        let mut coder = RangeEncoder::new(self.new, plan);
        coder.lessons = Some(Vec::new());
        self.run::<P>(coder, terms, self.new.len()).lessons.unwrap_or_default()
    }

    /// The stream of the first `len` bytes, or a few more.
    fn stream<P: Profile>(&self, plan: &[Op], terms: Terms, len: usize) -> Vec<u8> {
        self.run::<P>(RangeEncoder::new(self.new, plan), terms, len).finish()
    }

    /// Runs the model over a plan until it has made `len` bytes.
    fn run<'a, P: Profile>(&self, mut coder: RangeEncoder<'a>, terms: Terms, len: usize) -> RangeEncoder<'a> {
        let mut model = Model::<P>::idle();
        model.begin(terms.arch, self.old.len() as u32, self.new.len() as u32);
        // What the stream begins with.
        model.stand.space = terms.space;
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
