//! A medium without its type, so that the readers of formats exist once whatever they read from.

use crate::{FormatError, VerifyError};
use ota_hal::ReadAt;

/// Bytes to read. A failed read only says so: [`over`] keeps the reason.
pub(crate) struct Medium<'a> {
    read: &'a mut dyn FnMut(u32, &mut [u8]) -> bool,
    len: u32,
    why: FormatError,
}

/// The bytes are not of the accepted form; [`Medium::why`] knows more. Handed through many functions, the reason
/// itself costs more code than its one place here.
pub(crate) struct Refused;

impl Medium<'_> {
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
    /// Keeps the reason of a refusal.
    pub(crate) const fn refuse(&mut self, why: FormatError) -> Refused {
        self.why = why;
        Refused
    }
    /// The reason last kept.
    pub(crate) const fn why(&self) -> FormatError {
        self.why
    }
    /// Fills `bytes` from `offset`. On `false` the caller gives up with any error: [`over`] replaces it.
    #[must_use]
    pub(crate) fn read(&mut self, offset: u32, bytes: &mut [u8]) -> bool {
        (self.read)(offset, bytes)
    }
}

/// Does `work`, which only looks at the form of `image`.
///
/// # Errors
/// When a read failed or the form was refused.
pub(crate) fn form_of<R: ReadAt, T>(
    image: &mut R,
    work: impl FnOnce(&mut Medium<'_>) -> Result<T, Refused>,
) -> Result<T, VerifyError<R::Error>> {
    Ok(over(image, |medium| work(medium).map_err(|Refused| medium.why)).map_err(VerifyError::Read)??)
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
    let result = work(&mut Medium { read: &mut read, len, why: FormatError::Truncated });
    state.map(|()| result)
}
