//! The calls of embassy-boot that a device makes, each on the same simulated part.

use crate::part::{self, PAGE, Part};
use embassy_boot::{
    BlockingFirmwareUpdater, BootError, BootLoader, BootLoaderConfig, FirmwareUpdaterConfig, FirmwareUpdaterError,
    State,
};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use ota_testkit::{Tear, WriteRule};
use std::cell::RefCell;

/// The part, shared by its partitions.
pub(crate) type Shared<const W: usize> = Mutex<NoopRawMutex, RefCell<Part<W>>>;
/// One of its partitions.
pub(crate) type Partition<'a, const W: usize> = BlockingPartition<'a, NoopRawMutex, Part<W>>;

/// The loader copies this much at once.
const COPY: usize = PAGE / 2;

/// A device whose loader and application are built on embassy-boot.
pub(crate) struct Device<const W: usize> {
    part: Shared<W>,
}

impl<const W: usize> Device<W> {
    /// A device from the factory: `image` in ACTIVE, marked as booted.
    pub(crate) fn factory(rule: WriteRule, image: &[u8]) -> Self {
        let mut part = Part::new(rule);
        part.program(image);
        let device = Self { part: Mutex::new(RefCell::new(part)) };
        device.mark_booted().expect("nothing is in the way");
        device
    }
    /// The same device once more, with a cut to come.
    pub(crate) fn armed(&self, cut: Option<(u64, Tear)>, seed: u64) -> Self {
        let mut part = self.with(|part| part.clone());
        part.arm(cut, seed);
        Self { part: Mutex::new(RefCell::new(part)) }
    }
    /// Looks at the part itself.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Part<W>) -> T) -> T {
        self.part.lock(|part| look(&mut part.borrow_mut()))
    }

    /// What the loader does at each start. `call` is its name in the list of operations.
    pub(crate) fn boot(&self, call: &'static str) -> Result<State, BootError> {
        self.with(|part| part.call = call);
        let (active, dfu, state) = (part::active(&self.part), part::dfu(&self.part), part::state(&self.part));
        BootLoader::new(BootLoaderConfig { active, dfu, state }).prepare_boot(&mut [0; COPY])
    }
    /// What the loader left for the application to know.
    pub(crate) fn state(&self) -> Result<State, FirmwareUpdaterError> {
        self.update("get_state", |updater| updater.get_state())
    }
    /// The application writes an update, piece by piece, and asks for the swap.
    pub(crate) fn install(&self, image: &[u8]) -> Result<(), FirmwareUpdaterError> {
        self.update("write_firmware", |updater| {
            let mut pieces = image.chunks(COPY).zip((0..).step_by(COPY));
            pieces.try_for_each(|(piece, offset)| updater.write_firmware(offset, piece))
        })?;
        self.update("mark_updated", |updater| updater.mark_updated())
    }
    /// The application accepts what it runs.
    pub(crate) fn mark_booted(&self) -> Result<(), FirmwareUpdaterError> {
        self.update("mark_booted", |updater| updater.mark_booted())
    }

    fn update<T>(
        &self,
        call: &'static str,
        with: impl FnOnce(&mut BlockingFirmwareUpdater<'_, Partition<'_, W>, Partition<'_, W>>) -> T,
    ) -> T {
        self.with(|part| part.call = call);
        let config = FirmwareUpdaterConfig { dfu: part::dfu(&self.part), state: part::state(&self.part) };
        with(&mut BlockingFirmwareUpdater::new(config, &mut [0; W]))
    }
}
