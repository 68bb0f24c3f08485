//! NOR flash in a file, with the rules of a real part enforced.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use nix::fcntl::{Flock, FlockArg};
use ota_hal::Flash;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of one erase unit.
pub const SECTOR: u32 = 4096;
/// Bytes of one program unit. A unit is programmed once between two erases, like a part with ECC.
pub const WRITE: u32 = 8;

/// How long a starting device waits for the last process of its predecessor to be gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A NOR flash part whose cells are the bytes of a file.
///
/// The file is the truth: nothing is cached, so ending the process with SIGKILL at any moment is a power cut.
/// Reads, programs and erases are one `pread` or `pwrite` each.
///
/// # Examples
/// ```
/// use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
/// use ota_board_linux::{FileFlash, FlashFault};
///
/// let dir = tempfile::tempdir()?;
/// let mut flash = FileFlash::create(&dir.path().join("flash.bin"), 8192)?;
/// flash.write(8, &[0x5A; 8])?;
/// // Programming again without an erase is what a real part would not forgive.
/// assert_eq!(flash.write(8, &[0x00; 8]), Err(FlashFault::NotErased { at: 8 }));
/// flash.erase(0, 4096)?;
/// flash.write(8, &[0x00; 8])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileFlash {
    file: File,
    len: u32,
}

/// Why the part refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlashFault {
    /// Offset or length is not a multiple of the unit. Nothing was touched.
    #[error("not aligned to the write or sector size")]
    NotAligned,
    /// The range ends past the part. Nothing was touched.
    #[error("outside the flash")]
    OutOfBounds,
    /// A unit was programmed already; erase its sector first. Nothing was touched.
    #[error("the write unit at {at:#x} is not erased")]
    NotErased {
        /// Offset of the first such unit.
        at: u32,
    },
    /// The file system failed; the content of the range is unknown.
    #[error("flash file: {0}")]
    Io(io::ErrorKind),
}

impl From<io::Error> for FlashFault {
    fn from(e: io::Error) -> Self {
        Self::Io(e.kind())
    }
}

impl NorFlashError for FlashFault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotErased { .. } | Self::Io(_) => NorFlashErrorKind::Other,
        }
    }
}

impl FileFlash {
    /// Opens the flash in `path`; a missing file becomes an erased part of `len` bytes.
    ///
    /// # Errors
    /// When the file cannot be opened, or has another length (it belongs to another layout).
    pub fn create(path: &Path, len: u32) -> io::Result<Self> {
        if path.exists() {
            return Self::open(path, len);
        }
        // Filled under another name: a cut while creating leaves no half-made part behind. Locked, so that of several
        // who find no part only one makes it; the others find it made when they get the lock.
        let fresh = PathBuf::from(format!("{}.new", path.display()));
        let fail = |e| named(&e, "cannot make the flash file", path, "is its directory there, and writable?");
        let make = || OpenOptions::new().write(true).create(true).truncate(false).open(&fresh).map_err(fail);
        let lock = lock(make, path)?;
        if path.exists() {
            // Ours only if the maker had renamed its own already; nobody fills it any more.
            let _ = std::fs::remove_file(&fresh);
        } else {
            let filled = lock.set_len(0).and_then(|()| lock.write_all_at(&vec![0xFF; len as usize], 0));
            filled.and_then(|()| std::fs::rename(&fresh, path)).map_err(fail)?;
        }
        Self::open(path, len)
    }

    /// Opens the flash in `path`.
    ///
    /// # Errors
    /// When the file cannot be opened or is not `len` bytes long.
    pub fn open(path: &Path, len: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| cannot_open(&e, path))?;
        let actual = file.metadata().map_err(|e| cannot_open(&e, path))?.len();
        if actual != u64::from(len) {
            let path = path.display();
            let text =
                format!("{path} has {actual} bytes, this board's flash has {len}: give the flash file of this board");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self { file, len })
    }

    fn check(&self, offset: u32, len: usize, unit: u32) -> Result<(), FlashFault> {
        let len = u32::try_from(len).map_err(|_| FlashFault::OutOfBounds)?;
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(FlashFault::NotAligned);
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(FlashFault::OutOfBounds),
        }
    }

    fn check_erased(&self, offset: u32, len: usize) -> Result<(), FlashFault> {
        let mut old = vec![0; len];
        self.file.read_exact_at(&mut old, u64::from(offset))?;
        for (at, unit) in (offset..).step_by(WRITE as usize).zip(old.chunks(WRITE as usize)) {
            if unit.iter().any(|&cell| cell != 0xFF) {
                return Err(FlashFault::NotErased { at });
            }
        }
        Ok(())
    }
}

impl ErrorType for FileFlash {
    type Error = FlashFault;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashFault> {
        self.check(offset, bytes.len(), 1)?;
        Ok(self.file.read_exact_at(bytes, u64::from(offset))?)
    }
    fn capacity(&self) -> usize {
        self.len as usize
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = WRITE as usize;
    const ERASE_SIZE: usize = SECTOR as usize;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashFault> {
        let len = to.checked_sub(from).ok_or(FlashFault::OutOfBounds)? as usize;
        self.check(from, len, SECTOR)?;
        Ok(self.file.write_all_at(&vec![0xFF; len], u64::from(from))?)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashFault> {
        self.check(offset, bytes.len(), WRITE)?;
        self.check_erased(offset, bytes.len())?;
        Ok(self.file.write_all_at(bytes, u64::from(offset))?)
    }
}

impl Flash for FileFlash {}

/// Holds the device: while it lives, no second device starts on the same flash file.
///
/// The lock belongs to the open file, which the device's processes inherit. So after a SIGKILL of the board the next
/// one waits until the application, too, is gone: two devices never write one flash.
#[derive(Debug)]
pub struct DeviceLock(Flock<File>);

impl DeviceLock {
    /// Waits up to two seconds for the predecessor to be gone.
    ///
    /// # Errors
    /// When a device still runs on this flash file, or the file cannot be opened.
    pub fn take(path: &Path) -> io::Result<Self> {
        lock(|| File::open(path).map_err(|e| cannot_open(&e, path)), path).map(Self)
    }

    /// The locked file, to be inherited.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

/// The error `e`, saying what could not be done with which file, and what to do about it.
pub(crate) fn named(e: &io::Error, what: &str, path: &Path, advice: &str) -> io::Error {
    io::Error::new(e.kind(), format!("{what} {}: {e}; {advice}", path.display()))
}

fn cannot_open(e: &io::Error, path: &Path) -> io::Error {
    let advice = match e.kind() {
        io::ErrorKind::NotFound => "make it with `ota-board-linux flash --flash FILE IMAGE`",
        _ => "give the flash file of this board, readable and writable",
    };
    named(e, "cannot open the flash file", path, advice)
}

/// Waits up to [`LOCK_PATIENCE`] for the lock on what `open` opens, on behalf of the part in `path`.
fn lock(open: impl Fn() -> io::Result<File>, path: &Path) -> io::Result<Flock<File>> {
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                let text = format!("a device is already running on {}; stop it first", path.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            Err((_, e)) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> (tempfile::TempDir, FileFlash) {
        let dir = tempfile::tempdir().unwrap();
        let flash = FileFlash::create(&dir.path().join("f"), 4 * SECTOR).unwrap();
        (dir, flash)
    }
    fn bytes(flash: &mut FileFlash, offset: u32, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        flash.read(offset, &mut out).unwrap();
        out
    }

    #[test]
    fn a_new_part_is_erased_and_keeps_what_is_written() {
        let (dir, mut flash) = part();
        assert_eq!(bytes(&mut flash, 0, 4 * SECTOR as usize), vec![0xFF; 4 * SECTOR as usize]);
        flash.write(4096, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        drop(flash);
        let mut again = FileFlash::create(&dir.path().join("f"), 4 * SECTOR).unwrap();
        assert_eq!(bytes(&mut again, 4095, 10), [0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF]);
    }

    #[test]
    fn a_unit_is_programmed_once_between_erases() {
        let (_dir, mut flash) = part();
        flash.write(16, &[0xF0; 8]).unwrap();
        // Clearing more bits would be possible in the cells, but not with the unit's ECC.
        assert_eq!(flash.write(16, &[0x00; 8]), Err(FlashFault::NotErased { at: 16 }));
        // A longer write names the unit, and leaves the erased ones before it alone.
        assert_eq!(flash.write(8, &[0; 16]), Err(FlashFault::NotErased { at: 16 }));
        assert_eq!(bytes(&mut flash, 8, 8), [0xFF; 8]);
        flash.erase(0, SECTOR).unwrap();
        flash.write(16, &[0; 8]).unwrap();
    }

    #[test]
    fn erase_takes_whole_sectors_and_no_more() {
        let (_dir, mut flash) = part();
        flash.write(SECTOR - 8, &[0; 16]).unwrap();
        flash.erase(SECTOR, 2 * SECTOR).unwrap();
        assert_eq!(bytes(&mut flash, SECTOR - 8, 8), [0; 8]);
        assert_eq!(bytes(&mut flash, SECTOR, 8), [0xFF; 8]);
    }

    #[test]
    fn misuse_is_refused_and_touches_nothing() {
        let (_dir, mut flash) = part();
        assert_eq!(flash.write(4, &[0; 8]), Err(FlashFault::NotAligned));
        assert_eq!(flash.write(8, &[0; 7]), Err(FlashFault::NotAligned));
        assert_eq!(flash.erase(8, SECTOR), Err(FlashFault::NotAligned));
        assert_eq!(flash.erase(SECTOR, 0), Err(FlashFault::OutOfBounds));
        assert_eq!(flash.write(4 * SECTOR, &[0; 8]), Err(FlashFault::OutOfBounds));
        assert_eq!(flash.write(u32::MAX - 7, &[0; 16]), Err(FlashFault::OutOfBounds));
        assert_eq!(flash.erase(3 * SECTOR, 5 * SECTOR), Err(FlashFault::OutOfBounds));
        assert_eq!(flash.read(4 * SECTOR - 1, &mut [0; 2]), Err(FlashFault::OutOfBounds));
        assert_eq!(bytes(&mut flash, 0, 4 * SECTOR as usize), vec![0xFF; 4 * SECTOR as usize]);
    }

    #[test]
    fn a_file_of_another_layout_is_refused() {
        let (dir, _flash) = part();
        let e = FileFlash::open(&dir.path().join("f"), 8 * SECTOR).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn several_who_make_the_same_part_make_it_once() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            let start = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                for n in 0..8_u8 {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        start.wait();
                        let mut flash = FileFlash::create(path, 4 * SECTOR).unwrap();
                        flash.write(u32::from(n) * WRITE, &[n; WRITE as usize]).unwrap();
                    });
                }
            });
            let expected: Vec<u8> = (0..8).flat_map(|n| [n; WRITE as usize]).collect();
            assert_eq!(bytes(&mut FileFlash::open(&path, 4 * SECTOR).unwrap(), 0, 64), expected);
            assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing else is left behind");
        }
    }

    #[test]
    fn one_flash_carries_one_device() {
        let (dir, _flash) = part();
        let path = dir.path().join("f");
        let first = DeviceLock::take(&path).unwrap();
        assert_eq!(DeviceLock::take(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        DeviceLock::take(&path).unwrap();
    }
}
