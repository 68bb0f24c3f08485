//! A flash part that shows each write and erase to an observer before it is done.

use crate::Powered;
use core::fmt;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use ota_hal::Flash;

/// A write or an erase, with what it needs to be done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Bytes at an offset.
    Write(u32, Vec<u8>),
    /// A range.
    Erase(u32, u32),
}

impl Operation {
    /// Does it.
    ///
    /// # Errors
    /// That of the part.
    pub fn perform<F: NorFlash>(&self, flash: &mut F) -> Result<(), F::Error> {
        match self {
            Self::Write(at, bytes) => flash.write(*at, bytes),
            Self::Erase(from, to) => flash.erase(*from, *to),
        }
    }
}

type Observer<F> = Box<dyn FnMut(&F, Operation)>;

/// See the module.
pub struct Recorder<F> {
    /// The part itself.
    pub part: F,
    observer: Option<Observer<F>>,
}

impl<F> Recorder<F> {
    /// Nobody looks.
    pub const fn new(part: F) -> Self {
        Self { part, observer: None }
    }
    /// From now on `observer` sees the part as it is before each operation.
    pub fn observe(&mut self, observer: impl FnMut(&F, Operation) + 'static) {
        self.observer = Some(Box::new(observer));
    }
    /// Nobody looks any more.
    pub fn stop(&mut self) {
        self.observer = None;
    }
}

impl<F: fmt::Debug> fmt::Debug for Recorder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.fmt(f)
    }
}

impl<F: ErrorType> ErrorType for Recorder<F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> ReadNorFlash for Recorder<F> {
    const READ_SIZE: usize = F::READ_SIZE;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.part.read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        self.part.capacity()
    }
}

impl<F: NorFlash> NorFlash for Recorder<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        if let Some(observer) = &mut self.observer {
            observer(&self.part, Operation::Erase(from, to));
        }
        self.part.erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        if let Some(observer) = &mut self.observer {
            observer(&self.part, Operation::Write(offset, bytes.to_vec()));
        }
        self.part.write(offset, bytes)
    }
}

impl<F: Flash> Flash for Recorder<F> {
    const ERASE_VALUE: u8 = F::ERASE_VALUE;
    fn is_corrupt(error: &F::Error) -> bool {
        F::is_corrupt(error)
    }
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        self.part.sector_at(offset)
    }
}

impl<F: Powered> Powered for Recorder<F> {
    fn is_powered(&self) -> bool {
        self.part.is_powered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ota_testkit::SimFlash;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn each_operation_is_seen_before_it_is_done_and_can_be_done_again() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let mut flash = Recorder::new(SimFlash::<4>::new(8192));
        let copy = Rc::clone(&seen);
        flash.observe(move |part, operation| copy.borrow_mut().push((part.clone(), operation)));
        flash.write(8, &[1; 4]).unwrap();
        flash.erase(0, 4096).unwrap();
        flash.stop();
        flash.write(8, &[2; 4]).unwrap();
        let mut seen = seen.borrow_mut();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].0.cells()[8], 0xFF);
        let (part, operation) = &mut seen[1];
        assert_eq!((part.cells()[8], &*operation), (1, &Operation::Erase(0, 4096)));
        operation.perform(part).unwrap();
        assert_eq!(part.cells()[8], 0xFF);
    }
}
