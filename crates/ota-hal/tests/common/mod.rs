//! What the journal must hold, and a driver that performs the same steps on a simulated flash.
#![allow(dead_code, unreachable_pub, reason = "each test program includes this file and uses a part of it")]

use ota_hal::{Journal, JournalError, Kind, Partition, Region};
use ota_testkit::{Rng, SimError, SimFlash, Violation};

pub type Part<const W: usize, const E: u8, const S: usize, const R: usize> = SimFlash<W, E, S, R>;
pub type Fault = JournalError<SimError>;

/// One call on the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Append(Kind, Vec<u8>),
    Remove(Kind),
    Remount,
}

impl Step {
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Append(kind, _) | Self::Remove(kind) => Some(*kind),
            Self::Remount => None,
        }
    }
    pub fn random(rng: &mut Rng, len_max: u32) -> Self {
        let kind = Kind::ALL[rng.below(Kind::COUNT as u32) as usize];
        match rng.below(8) {
            0 => Self::Remove(kind),
            1 => Self::Remount,
            _ => {
                let len = rng.below(len_max + 1) as usize;
                Self::Append(kind, rng.bytes(len))
            }
        }
    }
    pub fn script(rng: &mut Rng, len: usize, len_max: u32) -> Vec<Self> {
        (0..len).map(|_| Self::random(rng, len_max)).collect()
    }
}

/// The latest record of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model([Option<Vec<u8>>; Kind::COUNT]);

impl Model {
    pub fn of(&self, kind: Kind) -> Option<&[u8]> {
        self.0[kind as usize].as_deref()
    }
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(kind, payload) => self.0[*kind as usize] = Some(payload.clone()),
            Step::Remove(kind) => self.0[*kind as usize] = None,
            Step::Remount => {}
        }
    }
    pub fn after(&self, step: &Step) -> Self {
        let mut next = self.clone();
        next.apply(step);
        next
    }
    /// What all records take on flash, each with its head and padding.
    pub fn size(&self, align: usize) -> usize {
        self.0.iter().flatten().map(|payload| (8 + payload.len()).next_multiple_of(align)).sum()
    }
}

/// A flash with a journal on it.
#[derive(Debug, Clone)]
pub struct Device<const W: usize, const E: u8, const S: usize, const R: usize, const UNIT: usize> {
    pub flash: Part<W, E, S, R>,
    pub partition: Partition,
}

impl<const W: usize, const E: u8, const S: usize, const R: usize, const UNIT: usize> Device<W, E, S, R, UNIT> {
    pub fn mount(&mut self) -> Result<Journal<&mut Part<W, E, S, R>, UNIT>, Fault> {
        Journal::mount_sized(Region::new(&mut self.flash, self.partition))
    }

    /// Performs the steps, and tells which one failed first.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), (usize, Fault)> {
        let partition = self.partition;
        let at = |n: usize| move |fault| (n, fault);
        let mut journal = self.mount().map_err(at(0))?;
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Append(kind, payload) => journal.append(*kind, payload).map_err(at(n))?,
                Step::Remove(kind) => journal.remove(*kind).map_err(at(n))?,
                Step::Remount => {
                    let Region { .. } = journal.into_region();
                    journal = Journal::mount_sized(Region::new(&mut self.flash, partition)).map_err(at(n))?;
                }
            }
        }
        Ok(())
    }

    /// Mounts, and reads everything. Panics when that fails or writes.
    pub fn state(&mut self) -> Model {
        let ops = self.flash.ops();
        let mut journal = self.mount().expect("mount");
        let model = read_all(&mut journal);
        assert_eq!(self.flash.ops(), ops, "mounting and reading must not write");
        model
    }

    /// Mounts, settles, and reads everything, in this session and in later ones: they must agree.
    pub fn settled(&mut self) -> Model {
        let mut journal = self.mount().expect("mount");
        journal.settle().expect("settle");
        let model = read_all(&mut journal);
        for _ in 0..3 {
            assert_eq!(self.state(), model, "settled, but a later mount finds something else: {:?}", self.flash);
        }
        model
    }

    /// No rule of the part was broken.
    pub fn assert_lawful(&self) {
        assert_eq!(self.flash.violation(), None::<Violation>, "{:?}", self.flash);
    }
}

pub fn read_all<F: ota_hal::Flash, const UNIT: usize>(journal: &mut Journal<F, UNIT>) -> Model {
    let mut buf = [0; 2048];
    Model(Kind::ALL.map(|kind| journal.read(kind, &mut buf).expect("read").map(<[u8]>::to_vec)))
}
