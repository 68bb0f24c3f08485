//! One flash part with the three partitions that embassy-boot asks for, and a list of what was done to it.

use crate::subject::{Partition, Shared};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use ota_testkit::{Rng, SimError, SimFlash, Tear, WriteRule};
use std::fmt;
use std::sync::LazyLock;

/// Bytes of a page, the unit of erasing on all three partitions.
pub(crate) const PAGE: usize = 512;
/// Pages of ACTIVE. DFU has one more, as embassy-boot asks.
pub(crate) const PAGES: usize = 8;
/// Bytes of an image: it fills ACTIVE, so that every byte of it is looked at.
pub(crate) const IMAGE: usize = PAGE * PAGES;

const STATE_END: u32 = PAGE as u32;
const ACTIVE_END: u32 = STATE_END + IMAGE as u32;
const DFU_END: u32 = ACTIVE_END + (IMAGE + PAGE) as u32;

/// What was done, to which partition, and in which call of embassy-boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Op {
    /// The call.
    pub(crate) call: &'static str,
    /// "write" or "erase".
    pub(crate) kind: &'static str,
    /// "STATE", "ACTIVE" or "DFU".
    pub(crate) partition: &'static str,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {}", self.call, self.kind, self.partition)
    }
}

/// The part: `W` bytes are written at once, erased bytes are 0xFF.
#[derive(Clone)]
pub(crate) struct Part<const W: usize> {
    sim: SimFlash<W, 0xFF, PAGE>,
    /// The operations since [`Part::arm`].
    pub(crate) ops: Vec<Op>,
    /// The call that is being made.
    pub(crate) call: &'static str,
}

impl<const W: usize> Part<W> {
    /// An erased part.
    pub(crate) fn new(rule: WriteRule) -> Self {
        Self { sim: SimFlash::new(DFU_END).with_rule(rule), ops: Vec::new(), call: "" }
    }
    /// Starts to count operations, and cuts the power in one of them; the pattern of a random tear follows from `seed`.
    pub(crate) fn arm(&mut self, cut: Option<(u64, Tear)>, seed: u64) {
        self.sim = self.sim.clone().seeded(seed);
        self.sim.reset_counters();
        self.ops.clear();
        if let Some((op, tear)) = cut {
            self.sim.cut_at(op, tear);
        }
    }
    /// Whether there is power.
    pub(crate) fn is_powered(&self) -> bool {
        self.sim.is_powered()
    }
    /// Restores the power.
    pub(crate) fn power_on(&mut self) {
        self.sim.power_on();
    }
    /// The bytes that would be run.
    pub(crate) fn active(&self) -> &[u8] {
        &self.sim.cells()[STATE_END as usize..ACTIVE_END as usize]
    }
    /// Puts an image into ACTIVE, as the factory does.
    pub(crate) fn program(&mut self, image: &[u8]) {
        self.sim.write(STATE_END, image).expect("the part is erased");
    }

    fn note(&mut self, kind: &'static str, at: u32) {
        let partition = match at {
            ..STATE_END => "STATE",
            STATE_END..ACTIVE_END => "ACTIVE",
            _ => "DFU",
        };
        self.ops.push(Op { call: self.call, kind, partition });
    }
}

/// The state partition.
pub(crate) fn state<const W: usize>(part: &Shared<W>) -> Partition<'_, W> {
    Partition::new(part, 0, STATE_END)
}
/// The partition that is run.
pub(crate) fn active<const W: usize>(part: &Shared<W>) -> Partition<'_, W> {
    Partition::new(part, STATE_END, ACTIVE_END - STATE_END)
}
/// The partition that takes the update.
pub(crate) fn dfu<const W: usize>(part: &Shared<W>) -> Partition<'_, W> {
    Partition::new(part, ACTIVE_END, DFU_END - ACTIVE_END)
}

/// Image number `n` of three: random bytes, so that no two pages are alike.
pub(crate) fn image(n: usize) -> &'static [u8] {
    static IMAGES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| [1, 2, 3].map(|n| Rng::new(n).bytes(IMAGE)));
    &IMAGES[n - 1]
}

impl<const W: usize> ErrorType for Part<W> {
    type Error = SimError;
}

impl<const W: usize> ReadNorFlash for Part<W> {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimError> {
        self.sim.read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        self.sim.capacity()
    }
}

impl<const W: usize> NorFlash for Part<W> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = PAGE;
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimError> {
        self.note("write", offset);
        self.sim.write(offset, bytes)
    }
    fn erase(&mut self, from: u32, to: u32) -> Result<(), SimError> {
        self.note("erase", from);
        self.sim.erase(from, to)
    }
}
