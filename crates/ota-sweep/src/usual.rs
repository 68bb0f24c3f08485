//! The usual device: the one that the agent's own tests run.

use crate::build::{Draft, vendor};
use crate::peers;
use crate::world::{self, DATA_MAX, World};
use embedded_storage::nor_flash::NorFlash;
use ota_boot::{Config, Copied};
use ota_hal::{Flash, Layout, Partition, ResetCause, SlotId};
use ota_testkit::SimFlash;
use std::cell::RefCell;

/// Sector size.
pub const SECTOR: u32 = 4096;
/// Length of a slot.
pub const SLOT_LEN: u32 = 16 * SECTOR;
/// Where slots and journal are.
pub const LAYOUT: Layout = const {
    Layout::new(
        Partition::new(0, SLOT_LEN),
        Partition::new(SLOT_LEN, SLOT_LEN),
        Partition::new(2 * SLOT_LEN, 4 * SECTOR),
        SECTOR,
    )
};
/// The read buffer: no source delivers more at once.
pub const DATA: usize = DATA_MAX;
/// The flash part.
pub type Part = SimFlash<8>;

impl World {
    /// A device that runs image 1, in a factory-fresh state; the server holds `object`.
    #[must_use]
    pub fn new(object: Vec<u8>) -> Self {
        let mut flash = Part::new(2 * SLOT_LEN + 4 * SECTOR);
        program(&mut flash, 0, &Draft::new(1).image());
        Self::on(flash, LAYOUT, object)
    }

    /// A device that is offered a good package of version 2.
    #[must_use]
    pub fn offered() -> Self {
        let world = Self::new(Draft::new(2).package());
        world.offer("2.0.0");
        world
    }

    /// The device still runs `version`, confirmed, and a good update still works.
    pub fn is_well(&mut self, version: u8) {
        let loaded = self.load().unwrap();
        assert_eq!((loaded.0, loaded.2), (version, false), "another image, or a trial");
        self.cloud.to_device.borrow_mut().clear();
        self.server.script.borrow_mut().clear();
        self.product.ready.set(true);
        self.product.answers.borrow_mut().clear();
        self.server.no_ranges.set(false);
        self.server.no_length.set(false);
        self.server.endless.set(false);
        self.server.chunk.set(usize::MAX);
        self.product.gates.clear();
        self.policy.bare_image = false;
        self.policy.cloud_key = None;
        self.server.locator.replace(peers::LOCATOR.into());
        let linked = self.in_place.map(|placement| placement.address(loaded.1.other()));
        self.server.put(Draft { linked, ..Draft::new(9) }.package(), "\"good\"");
        self.offer("9.0.0");
        self.until_heard("version 9.0.0");
        assert_eq!(self.load().unwrap().0, 9);
        assert_eq!(self.flash.borrow().violation(), None);
    }
}

/// The loader of any part with this layout: the version and slot that start, and whether on trial.
pub fn load<F: Flash>(flash: &RefCell<F>, cause: ResetCause) -> Option<(u8, SlotId, bool)> {
    world::load(flash, &LAYOUT, &vendor().key(), cause, &Config::new(Copied))
}

/// Factory programming.
pub fn program(flash: &mut Part, at: u32, image: &[u8]) {
    let mut bytes = image.to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0xFF);
    let end = (at + bytes.len() as u32).next_multiple_of(SECTOR);
    flash.erase(at, end).unwrap();
    flash.write(at, &bytes).unwrap();
}
