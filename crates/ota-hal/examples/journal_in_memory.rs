//! A journal on flash that lives in memory, through a restart and a power cut:
//! `cargo run -p ota-hal --example journal_in_memory`.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use ota_hal::{Flash, Journal, JournalError, Kind, Partition, Region};

/// Two sectors of 512 bytes. All of a driver that the journal needs.
struct MemoryFlash {
    cells: [u8; 1024],
    /// Bytes that may still be written before the power fails.
    power: usize,
}

impl ErrorType for MemoryFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for MemoryFlash {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let from = offset as usize;
        let cells = self.cells.get(from..from + bytes.len()).ok_or(NorFlashErrorKind::OutOfBounds)?;
        bytes.copy_from_slice(cells);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for MemoryFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 512;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        let cells = self.cells.get_mut(from as usize..to as usize).ok_or(NorFlashErrorKind::OutOfBounds)?;
        cells.fill(0xFF);
        Ok(())
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let from = offset as usize;
        let cells = self.cells.get_mut(from..from + bytes.len()).ok_or(NorFlashErrorKind::OutOfBounds)?;
        for (cell, byte) in cells.iter_mut().zip(bytes) {
            self.power = self.power.checked_sub(1).ok_or(NorFlashErrorKind::Other)?;
            *cell &= byte; // NOR: programming only clears bits
        }
        Ok(())
    }
}

impl Flash for MemoryFlash {}

fn mount(flash: &mut MemoryFlash) -> Result<Journal<&mut MemoryFlash>, JournalError<NorFlashErrorKind>> {
    Journal::mount(Region::new(flash, Partition::new(0, 1024)))
}

fn print(flash: &mut MemoryFlash, when: &str) -> Result<(), JournalError<NorFlashErrorKind>> {
    let mut buf = [0; 64];
    let text = mount(flash)?.read(Kind::App, &mut buf)?.map(String::from_utf8_lossy);
    println!("{when}: {text:?}");
    Ok(())
}

fn main() -> Result<(), JournalError<NorFlashErrorKind>> {
    let mut flash = MemoryFlash { cells: [0xFF; 1024], power: usize::MAX };
    print(&mut flash, "a fresh part")?;

    mount(&mut flash)?.append(Kind::App, b"name = kettle")?;
    print(&mut flash, "after the first record")?;

    for round in 0..100_u32 {
        // Many small records move the journal from bank to bank; the other kind comes along.
        mount(&mut flash)?.append(Kind::Progress, &round.to_le_bytes())?;
    }
    print(&mut flash, "after 100 records of another kind")?;

    flash.power = 10;
    let result = mount(&mut flash)?.append(Kind::App, b"name = teapot");
    println!("power fails after 10 bytes: {result:?}");
    flash.power = usize::MAX;
    print(&mut flash, "after the power cut")?;

    mount(&mut flash)?.append(Kind::App, b"name = teapot")?;
    print(&mut flash, "after the second try")
}
