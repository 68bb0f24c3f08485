//! The two images as the decoder sees them.

/// Both images as the decoder sees them: the old one is read, the new one is written in order and read back.
///
/// # For implementers
/// `write` is called with 1 to 32 bytes that follow on from the bytes before; collect them to the flash's write size,
/// but let `read_new` see them at once. The bytes that `read_old` returns must not change while a patch is applied.
pub trait Images {
    /// What can go wrong.
    type Error;

    /// Reads from the old image; the range always lies within the size that the header states.
    ///
    /// # Errors
    /// When the medium fails. Ends the decoding; it can go on from a saved state.
    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Reads what `write` was given so far; the range always lies within it.
    ///
    /// # Errors
    /// As for the old image.
    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Takes the next bytes of the new image.
    ///
    /// # Errors
    /// As for the old image.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<T: Images> Images for &mut T {
    type Error = T::Error;
    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        T::read_old(self, offset, bytes)
    }
    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        T::read_new(self, offset, bytes)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        T::write(self, bytes)
    }
}
