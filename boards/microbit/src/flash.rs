//! The part's own flash, through its controller (NVMC). On the part the processor stands still while a page is erased
//! (21 ms) or a word programmed (46 µs): nothing is to arrive on the UART then.
#![expect(unsafe_code, reason = "flash is read and written through raw pointers, the controller can erase programs")]

use crate::addresses::{FLASH_LEN, JOURNAL, PAGE};
use crate::mmio::Reg;
use common::guard::{Fault, Guard};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use ota_hal::{Flash, Partition, Region, Shared};

/// Write unit in bytes.
pub const WRITE: u32 = 4;

// SAFETY: registers of the flash controller. What is written there reaches memory, so they stay in this module: a page is
// erased, and a word written, only where the guard allows it.
const READY: Reg = unsafe { Reg::at(0x4001_E400) };
// SAFETY: as above.
const CONFIG: Reg = unsafe { Reg::at(0x4001_E504) };
// SAFETY: as above.
const ERASE_PAGE: Reg = unsafe { Reg::at(0x4001_E508) };

const READ_ONLY: u32 = 0;
const WRITE_ENABLED: u32 = 1;
const ERASE_ENABLED: u32 = 2;

/// The flash, without the loader's pages: nothing here reads or writes them.
#[derive(Debug)]
pub struct Nvmc(Guard);

fn wait() {
    while READY.read() & 1 == 0 {}
}

impl Nvmc {
    /// The flash, with `protected` read-only: the slot the program executes from, or everything it never writes.
    /// `None` when it was taken before.
    pub fn take(protected: Partition) -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        // One program, no interrupt takes flash: a load and a store are enough (the part has no atomic swap).
        let taken = TAKEN.load(Ordering::Relaxed);
        TAKEN.store(true, Ordering::Relaxed);
        (!taken).then_some(Self(Guard { from: JOURNAL, end: FLASH_LEN, protected }))
    }
}

impl ErrorType for Nvmc {
    type Error = Fault;
}

impl ReadNorFlash for Nvmc {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.readable(offset, bytes.len())?;
        // SAFETY: within flash, which is mapped at address 0 and always readable, and not at address 0; the destination
        // is an exclusive slice elsewhere. Nobody writes meanwhile: there is one `Nvmc`, and it is borrowed.
        unsafe { core::ptr::copy_nonoverlapping(offset as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
    fn capacity(&self) -> usize {
        FLASH_LEN as usize
    }
}

impl NorFlash for Nvmc {
    const WRITE_SIZE: usize = WRITE as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        let len = to.checked_sub(from).ok_or(Fault::OutOfBounds)?;
        self.0.writable(from, len as usize, PAGE)?;
        CONFIG.write(ERASE_ENABLED);
        for page in (from..to).step_by(PAGE as usize) {
            ERASE_PAGE.write(page);
            wait();
        }
        CONFIG.write(READ_ONLY);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.writable(offset, bytes.len(), WRITE)?;
        CONFIG.write(WRITE_ENABLED);
        let done = (offset..).step_by(WRITE as usize).zip(bytes.as_chunks::<4>().0).try_for_each(|(at, word)| {
            // SAFETY: the guard keeps within flash, word-aligned, and off the code that runs there.
            unsafe {
                let cell = at as *mut u32;
                if cell.read_volatile() != u32::MAX {
                    return Err(Fault::NotErased);
                }
                cell.write_volatile(u32::from_le_bytes(*word));
            }
            wait();
            Ok(())
        });
        CONFIG.write(READ_ONLY);
        done
    }
}

impl Flash for Nvmc {}

/// The window `partition` of a flash that has several users.
pub const fn region(flash: &RefCell<Nvmc>, partition: Partition) -> Region<Shared<'_, Nvmc>> {
    Region::new(Shared::new(flash), partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::LAYOUT;
    use ota_hal::SlotId;

    #[test]
    fn neither_the_loader_nor_the_running_slot_can_be_changed() {
        let nvmc = Nvmc::take(LAYOUT.slot(SlotId::A)).unwrap();
        let b = LAYOUT.slot(SlotId::B).start;
        for (offset, len, unit, result) in [
            (JOURNAL, 4, WRITE, Ok(())),
            (b, PAGE as usize, PAGE, Ok(())),
            (FLASH_LEN - PAGE, PAGE as usize, PAGE, Ok(())),
            (0, 4, WRITE, Err(Fault::OutOfBounds)),
            (JOURNAL - PAGE, 2 * PAGE as usize, PAGE, Err(Fault::OutOfBounds)),
            (FLASH_LEN - 4, 8, WRITE, Err(Fault::OutOfBounds)),
            (u32::MAX - 3, 4, WRITE, Err(Fault::OutOfBounds)),
            (b - 4, 8, WRITE, Err(Fault::Protected)),
            (LAYOUT.slot(SlotId::A).start - PAGE, 2 * PAGE as usize, PAGE, Err(Fault::Protected)),
            (b + 2, 4, WRITE, Err(Fault::NotAligned)),
            (b, 6, WRITE, Err(Fault::NotAligned)),
            (b + WRITE, PAGE as usize, PAGE, Err(Fault::NotAligned)),
        ] {
            assert_eq!(nvmc.0.writable(offset, len, unit), result, "{offset:#x} {len}");
        }
        assert!(Nvmc::take(LAYOUT.slot(SlotId::A)).is_none());
    }
}
