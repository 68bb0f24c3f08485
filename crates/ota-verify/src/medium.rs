//! A medium without its type, so that the readers of formats exist once whatever they read from.

use ota_hal::ReadAt;

/// Bytes to read. A failed read only says so: [`over`] keeps the reason.
pub(crate) struct Medium<'a> {
    read: &'a mut dyn FnMut(u32, &mut [u8]) -> bool,
    len: u32,
}

impl Medium<'_> {
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
    /// Fills `bytes` from `offset`. On `false` the caller gives up with any error: [`over`] replaces it.
    #[must_use]
    pub(crate) fn read(&mut self, offset: u32, bytes: &mut [u8]) -> bool {
        (self.read)(offset, bytes)
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
    let result = work(&mut Medium { read: &mut read, len });
    state.map(|()| result)
}
