//! A medium without its type, so that the readers of formats exist once whatever they read from.

use crate::image::Header;
use crate::{VerifyError, Why};
use core::convert::Infallible;
use ota_hal::ReadAt;

/// Bytes to read. A failed read only says so: [`over`] keeps the reason.
pub(crate) struct Medium<'a> {
    read: &'a mut dyn FnMut(u32, &mut [u8]) -> bool,
    len: u32,
}

impl<'a> Medium<'a> {
    pub(crate) fn new(len: u32, read: &'a mut dyn FnMut(u32, &mut [u8]) -> bool) -> Self {
        Self { read, len }
    }
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
    /// Fills `bytes` from `offset`. The caller gives up with any error: [`over`] replaces it.
    pub(crate) fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Why> {
        if (self.read)(offset, bytes) { Ok(()) } else { Err(Why::READ) }
    }
    /// Two little-endian numbers of 16 bits, the first in the lower half.
    #[inline(never)]
    pub(crate) fn two_words(&mut self, offset: u32) -> Result<u32, Why> {
        let mut raw = [0; 4];
        self.read(offset, &mut raw)?;
        Ok(u32::from_le_bytes(raw))
    }
}

/// Does `work`, which only looks at the form of `image`, whose header is `header` if `work` refuses a flag.
///
/// # Errors
/// When a read failed or the form was refused.
pub(crate) fn form_of<R: ReadAt, T>(
    image: &mut R,
    work: impl FnOnce(&mut Medium<'_>) -> Result<T, Why>,
) -> Result<T, VerifyError<R::Error>> {
    over(image, work).map_err(VerifyError::Read)?.map_err(|why| whole(why.error(&Header::NONE, 0, 0)))
}

/// The error as the caller's; [`over`] has seen that no read failed.
pub(crate) fn whole<E>(error: Option<VerifyError<Infallible>>) -> VerifyError<E> {
    match error {
        Some(VerifyError::Refused(error)) => error.into(),
        Some(VerifyError::Format(error)) => error.into(),
        _ => crate::FormatError::Truncated.into(),
    }
}

/// Does `work` on `image`.
///
/// # Errors
/// When any read failed, whatever `work` made of it.
pub(crate) fn over<R: ReadAt, T>(image: &mut R, work: impl FnOnce(&mut Medium<'_>) -> T) -> Result<T, R::Error> {
    let len = image.len();
    let mut state = Ok(());
    let mut read = |offset, bytes: &mut [u8]| {
        let done = image.read_at(offset, bytes);
        let good = done.is_ok();
        if !good {
            state = done;
        }
        good
    };
    let result = work(&mut Medium::new(len, &mut read));
    state.map(|()| result)
}
