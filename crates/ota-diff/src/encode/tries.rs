//! Streams for several instruction sets, of which the smallest wins.

use super::history::History;
use super::oracle::Oracle;
use super::parse::{self, Costs};
use super::range::RangeEncoder;
use super::space;
use super::views::{Index, blank};
use crate::coder::Op;
use crate::isa::Space;
use crate::model::Model;
use crate::output::Output;
use crate::{Arch, Every, Images, Profile};
use core::convert::Infallible;
use std::vec::Vec;

/// Times the images are parsed at most per instruction set.
pub(super) const PASSES: usize = 2;
/// Without an instruction set, a plan of its own saves less than this part of what somebody else's plan takes.
const OWN_PLAN: usize = 32;

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
    /// Bytes that the same operations take when no instruction set is known.
    flat_len: usize,
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
            (Arch::None, Some(best)) if best.stream.len() + best.stream.len() / OWN_PLAN < best.flat_len => continue,
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
        let plan = parse::parse(&sight, None, Costs::TYPICAL, progress);
        let mut coder = RangeEncoder::new(self.new, &plan);
        coder.lessons = Some(Vec::new());
        let lessons = self.run::<P>(coder, space).lessons.unwrap_or_default();
        let oracle = Oracle::new(self.old, self.new, space, lessons);
        let plan = parse::parse(&sight, Some(&oracle), Costs::TYPICAL, progress);
        let flat_len = self.stream::<P>(&plan, self.no_space()).len();
        let streams = space::bases(&space).into_iter().map(|space| (space, self.stream::<P>(&plan, space)));
        let (space, stream) = streams.min_by_key(|(_, stream)| stream.len()).unwrap_or((space, Vec::new()));
        Try { space, stream, flat_len }
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
        let stream = self.stream::<P>(&plan, self.no_space());
        Try { space: self.no_space(), flat_len: stream.len(), stream }
    }

    fn no_space(&self) -> Space {
        space::guess(Arch::None, self.old, self.new)
    }

    fn stream<P: Profile>(&self, plan: &[Op], space: Space) -> Vec<u8> {
        self.run::<P>(RangeEncoder::new(self.new, plan), space).finish()
    }

    /// Runs the model over a plan.
    fn run<'a, P: Profile>(&self, mut coder: RangeEncoder<'a>, space: Space) -> RangeEncoder<'a> {
        let mut model = Model::<P>::idle();
        model.begin(space, self.new.len() as u32);
        // What the stream begins with.
        model.space = space;
        let mut output = Output::new();
        let mut images = InMemory { old: self.old, new: self.new };
        while output.produced() < self.new.len() as u32 {
            // A plan that this refuses fails the self-check.
            if model.step::<Every, _, _>(&mut coder, &mut output, &mut images).is_err() {
                break;
            }
            let _ = output.flush(&mut images, u32::MAX);
        }
        coder
    }
}

struct InMemory<'a> {
    old: &'a [u8],
    new: &'a [u8],
}

impl Images for InMemory<'_> {
    type Error = Infallible;
    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.old[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.new[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}
