//! A verified payload on its way to execution.

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use ota_hal::ReadAt;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::Range;
use std::os::fd::AsFd;

/// An executable in memory that nobody can change any more.
#[derive(Debug)]
pub struct Sealed(File);

/// Why a payload was not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The flash gave other bytes than those the loader verified: changed in between. Nothing is run.
    #[error("the flash changed between verification and execution")]
    Changed,
    /// The range lies outside the slot, or the flash failed.
    #[error("the slot cannot be read")]
    Flash,
    /// Linux refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Sealed {
    /// Copies `payload` (a range of `slot`) to memory, seals the copy, and hashes the image again with the payload
    /// taken from the copy: what is executed is what was verified, even if the file changes meanwhile.
    ///
    /// `image` is the range that the verified `digest` covers.
    ///
    /// # Errors
    /// [`SealError`]; nothing is executable then.
    pub fn copy<R: ReadAt>(
        slot: &mut R,
        image: Range<u32>,
        payload: Range<u32>,
        digest: &[u8; 32],
    ) -> Result<Self, SealError> {
        if payload.start < image.start || payload.end > image.end || payload.start > payload.end {
            return Err(SealError::Flash);
        }
        let mut copy = File::from(memory()?);
        let mut hash = Sha256::new();
        read_out(slot, image.start..payload.start, |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        read_out(slot, payload.clone(), |bytes| copy.write_all(bytes))?;
        seal(&copy)?;
        copy.rewind()?;
        io::copy(&mut copy, &mut HashWriter(&mut hash))?;
        read_out(slot, payload.end..image.end, |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        if hash.finalize().as_slice() == digest { Ok(Self(copy)) } else { Err(SealError::Changed) }
    }

    /// Seals an executable that needs no verification: for tests of the board itself.
    ///
    /// # Errors
    /// When Linux refuses.
    pub fn unverified(bytes: &[u8]) -> io::Result<Self> {
        let mut copy = File::from(memory()?);
        copy.write_all(bytes)?;
        seal(&copy)?;
        Ok(Self(copy))
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

struct HashWriter<'a>(&'a mut Sha256);
impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn memory() -> io::Result<std::os::fd::OwnedFd> {
    Ok(memfd_create("payload", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC)?)
}

fn seal(file: impl AsFd) -> io::Result<()> {
    let all = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(file, FcntlArg::F_ADD_SEALS(all))?;
    Ok(())
}

fn read_out<R: ReadAt>(
    slot: &mut R,
    range: Range<u32>,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), SealError> {
    let mut bytes = vec![0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let n = (range.end - at).min(64 * 1024);
        let part = &mut bytes[..n as usize];
        slot.read_at(at, part).map_err(|_| SealError::Flash)?;
        take(part)?;
        at += n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot whose bytes change after the first pass over them: the attack the second hash is for.
    struct Flips {
        bytes: Vec<u8>,
        at: usize,
    }
    impl ReadAt for Flips {
        type Error = ();
        fn len(&self) -> u32 {
            u32::try_from(self.bytes.len()).unwrap()
        }
        fn read_at(&mut self, offset: u32, out: &mut [u8]) -> Result<(), ()> {
            let from = offset as usize;
            out.copy_from_slice(self.bytes.get(from..from + out.len()).ok_or(())?);
            if let Some(byte) = self.at.checked_sub(from).and_then(|at| out.get_mut(at)) {
                *byte ^= 1;
            }
            Ok(())
        }
    }

    fn image() -> (Vec<u8>, [u8; 32]) {
        let bytes: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let digest = Sha256::digest(&bytes).into();
        (bytes, digest)
    }

    #[test]
    fn the_copy_is_the_verified_payload_and_cannot_change() {
        let (bytes, digest) = image();
        let sealed = Sealed::copy(&mut &bytes[..], 0..200_000, 32..199_000, &digest).unwrap();
        let mut file = sealed.file().try_clone().unwrap();
        file.rewind().unwrap();
        assert_eq!(io::read_to_string(&file).map(|s| s.len()).unwrap_or(0), 0, "binary, not text");
        assert_eq!(file.write(&[0]).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(file.set_len(3).is_err());
    }

    #[test]
    fn a_byte_that_changes_between_verification_and_copy_is_noticed() {
        let (bytes, digest) = image();
        // In the header, at the payload's edges, inside it, and in the protected area behind it.
        for at in [0, 31, 32, 100_000, 198_999, 199_000, 199_999] {
            let mut slot = Flips { bytes: bytes.clone(), at };
            let result = Sealed::copy(&mut slot, 0..200_000, 32..199_000, &digest);
            assert!(matches!(result, Err(SealError::Changed)), "byte {at}");
        }
    }

    #[test]
    fn ranges_outside_the_slot_are_refused() {
        let (bytes, digest) = image();
        for (image, payload) in [(0..200_001, 32..100), (0..100, 32..101), (50..100, 32..60)] {
            let result = Sealed::copy(&mut &bytes[..], image, payload, &digest);
            assert!(matches!(result, Err(SealError::Flash)));
        }
    }
}
