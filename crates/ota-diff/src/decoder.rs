//! The stream decoder: patch bytes in, image bytes out, stopped and resumed at any byte.

use crate::coder::RangeDecoder;
use crate::copy::Fault;
use crate::isa::{Isas, knows};
use crate::model::Model;
use crate::output::Output;
use crate::{DecodeError, Every, HEADER_LEN, Header, Images, M, PatchError, Profile, S};
use core::marker::PhantomData;
use zerocopy::IntoBytes;

/// Decodes one patch. `P` says how much it may remember, `I` which instruction sets it knows.
///
/// All it remembers is in this struct: there is nothing on the heap, and images are read through [`Images`].
#[repr(C)]
pub struct Decoder<P: Profile, I: Isas = Every> {
    patch_len: u32,
    input: RangeDecoder,
    output: Output,
    model: Model<P>,
    isas: PhantomData<I>,
}

const _: () = assert!(size_of::<Decoder<M>>() <= 4096);
const _: () = assert!(size_of::<Decoder<S>>() <= 2304);
// A checkpoint with its own header fits one sector of 4 KiB.
const _: () = assert!(Decoder::<M>::SAVED_LEN <= 4000);

/// Changes with what a saved state means.
const STATE_VERSION: u32 = 1;

impl<P: Profile, I: Isas> Decoder<P, I> {
    /// Tells saved states apart: another build of the decoder whose states are not the same has another number.
    pub const SAVED_FORM: u32 = STATE_VERSION << 16 | Self::SAVED_LEN as u32;
    /// Bytes of a saved state.
    pub const SAVED_LEN: usize = size_of::<RangeDecoder>() + size_of::<Output>() + Model::<P>::SAVED_LEN;

    /// A decoder without work. All of it is zero: as a static it costs RAM only.
    #[must_use]
    pub const fn idle() -> Self {
        Self {
            input: RangeDecoder::idle(),
            output: Output::new(),
            model: Model::idle(),
            patch_len: 0,
            isas: PhantomData,
        }
    }

    /// Starts to decode what follows the header, in place: nothing of the decoder's size is on the stack.
    ///
    /// # Errors
    /// When the patch wants another profile, or an instruction set that is not in `I`.
    pub fn begin(&mut self, header: &Header) -> Result<(), PatchError> {
        if header.profile != P::ID {
            return Err(PatchError::Profile(header.profile));
        }
        if !knows::<I>(header.arch) {
            return Err(PatchError::Arch(header.arch));
        }
        self.patch_len = header.patch_len;
        self.input.begin(header.patch_len.saturating_sub(HEADER_LEN as u32));
        self.output = Output::new();
        self.model.begin(header.arch, header.old_size, header.new_size);
        Ok(())
    }

    /// A decoder that has begun, for those who have the stack for it.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn start(header: &Header) -> Result<Self, PatchError> {
        let mut decoder = Self::idle();
        decoder.begin(header)?;
        Ok(decoder)
    }

    /// Takes patch bytes and writes image bytes; returns how many patch bytes were taken.
    ///
    /// Stops when all are taken, when exactly `until` bytes of the image were written, or when the image is complete.
    /// Call with the rest again until [`Self::position`] is what is wanted; when all of the patch was taken, with nothing:
    /// what the decoder holds back may be good for many bytes more.
    ///
    /// # Errors
    /// At the first byte that cannot be right. What was written so far is of no use then, and neither is the decoder: until
    /// it begins or resumes, every call fails with [`PatchError::Idle`].
    ///
    /// # Power loss
    /// The decoder writes in order and reads back what it wrote. Resume from a state that was saved when `position` bytes
    /// were durable, and give it the patch from [`Self::consumed`] on.
    pub fn push<T: Images>(
        &mut self,
        patch: &[u8],
        until: u32,
        images: &mut T,
    ) -> Result<usize, DecodeError<T::Error>> {
        if self.patch_len == 0 {
            return Err(PatchError::Idle.into());
        }
        let taken = self.decode(patch, until, images);
        if taken.is_err() {
            self.patch_len = 0;
        }
        taken
    }

    fn decode<T: Images>(&mut self, patch: &[u8], until: u32, images: &mut T) -> Result<usize, DecodeError<T::Error>> {
        let mut taken = 0;
        loop {
            taken += self.input.feed(patch.get(taken..).unwrap_or(&[]));
            self.output.flush(images, until).map_err(DecodeError::Images)?;
            if self.output.written() >= until || self.output.produced() >= self.model.new_size {
                break;
            }
            if !self.input.is_ready() {
                break;
            }
            self.steps(images)?;
        }
        if self.is_done() && (taken < patch.len() || !self.input.is_used_up()) {
            return Err(PatchError::Trailing.into());
        }
        Ok(taken)
    }

    /// Runs steps as long as there is input for one and room for its output.
    #[inline(never)]
    fn steps<T: Images>(&mut self, images: &mut T) -> Result<(), DecodeError<T::Error>> {
        while self.input.is_ready() && self.output.has_room() && self.output.produced() < self.model.new_size {
            let at = self.output.produced();
            self.model.step::<I, _, _>(&mut self.input, &mut self.output, images).map_err(|fault| match fault {
                Fault::Range => PatchError::Range(at).into(),
                Fault::Images(error) => DecodeError::Images(error),
            })?;
            if self.input.is_past_end() {
                return Err(PatchError::Truncated(self.output.produced()).into());
            }
        }
        Ok(())
    }

    /// Bytes of the new image that were written.
    #[must_use]
    pub const fn position(&self) -> u32 {
        self.output.written()
    }

    /// Bytes of the patch that were taken, the header included.
    #[must_use]
    pub const fn consumed(&self) -> u32 {
        self.patch_len.saturating_sub(self.input.left())
    }

    /// Whether the image is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.output.written() == self.model.new_size
    }

    /// Is called when no patch byte is left.
    ///
    /// # Errors
    /// When the image is not complete, or the decoder failed before.
    pub const fn finish(&self) -> Result<(), PatchError> {
        if self.patch_len == 0 {
            Err(PatchError::Idle)
        } else if self.is_done() {
            Ok(())
        } else {
            Err(PatchError::Truncated(self.output.written()))
        }
    }

    /// Writes the state to the first `SAVED_LEN` bytes; fewer bytes are filled, but cannot be resumed from.
    pub fn save(&mut self, out: &mut [u8]) {
        let mut at = 0;
        self.save_to(&mut |bytes| {
            if let Some(place) = out.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
            at += bytes.len();
        });
    }

    /// Gives the state away in pieces, at most `SAVED_LEN` bytes in all: for those who have no room for a second copy.
    #[inline(never)]
    pub fn save_to(&mut self, put: &mut dyn FnMut(&[u8])) {
        self.pieces().into_iter().for_each(|piece| put(piece));
    }

    /// Continues where a decoder of the same patch was saved.
    ///
    /// # Errors
    /// When the bytes are not such a state, as far as can be seen. A state that was altered with care gives a wrong
    /// image or an error later, never a panic.
    pub fn resume(header: &Header, saved: &[u8]) -> Result<Self, PatchError> {
        let mut at = 0;
        let mut decoder = Self::idle();
        decoder.resume_in_place(header, &mut |bytes| {
            if let Some(place) = saved.get(at..at + bytes.len()) {
                bytes.copy_from_slice(place);
            }
            at += bytes.len();
        })?;
        if saved.len() < at { Err(PatchError::Saved) } else { Ok(decoder) }
    }

    /// As [`Self::resume`], where the decoder lies, from pieces that are asked for in the order in which
    /// [`Self::save_to`] gave them away.
    ///
    /// # Errors
    /// As [`Self::resume`]; the decoder has to begin anew then.
    #[inline(never)]
    pub fn resume_in_place(&mut self, header: &Header, take: &mut dyn FnMut(&mut [u8])) -> Result<(), PatchError> {
        self.begin(header)?;
        self.pieces().into_iter().for_each(take);
        if self.is_sound() {
            return Ok(());
        }
        self.patch_len = 0;
        Err(PatchError::Saved)
    }

    fn is_sound(&self) -> bool {
        self.input.is_sound(self.patch_len)
            && self.output.is_sound(self.model.new_size)
            && self.model.is_sound(self.output.produced())
    }

    /// All that must outlast a power cut.
    #[inline(never)]
    fn pieces(&mut self) -> [&mut [u8]; 7] {
        let [a, b, c, d, e] = self.model.pieces();
        [self.input.as_mut_bytes(), self.output.as_mut_bytes(), a, b, c, d, e]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, ProfileId};

    fn header(profile: ProfileId) -> Header {
        Header { profile, arch: Arch::None, patch_len: 100, old_size: 10, new_size: 10, base: [0; 8], target: [0; 8] }
    }

    /// Both images of ten bytes.
    struct Ten;

    impl Images for Ten {
        type Error = ();
        fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
            assert!(offset as usize + bytes.len() <= 10);
            Ok(())
        }
        fn read_new(&mut self, _: u32, _: &mut [u8]) -> Result<(), ()> {
            Ok(())
        }
        fn write(&mut self, _: &[u8]) -> Result<(), ()> {
            Ok(())
        }
    }

    #[test]
    fn what_failed_stays_failed() {
        let idle = Err(DecodeError::Patch(PatchError::Idle));
        let mut decoder = Decoder::<S>::idle();
        assert_eq!(decoder.push(&[1; 64], 10, &mut Ten), idle);
        decoder.begin(&header(ProfileId::S)).unwrap();
        let failed = decoder.push(&[0xFF; 64], 10, &mut Ten);
        assert!(matches!(failed, Err(DecodeError::Patch(_))) && failed != idle, "{failed:?}");
        assert_eq!(decoder.push(&[0xFF; 64], 10, &mut Ten), idle);
        assert_eq!(decoder.finish(), Err(PatchError::Idle));
        let refused = decoder.resume_in_place(&header(ProfileId::S), &mut |bytes| bytes.fill(0));
        assert_eq!(refused, Err(PatchError::Saved));
        assert_eq!(decoder.push(&[], 10, &mut Ten), idle);
        assert_eq!(decoder.consumed(), 0);
    }

    #[test]
    fn nothing_is_left_of_an_operation_before_the_first() {
        let mut decoder = Decoder::<S>::start(&header(ProfileId::S)).unwrap();
        assert!(decoder.is_sound());
        decoder.model.stand.left = 5;
        assert_eq!(decoder.model.stand.source, 3);
        assert!(!decoder.is_sound());
    }

    #[test]
    fn a_saved_state_is_as_long_as_it_says() {
        let (mut small, mut medium) = (0, 0);
        let mut decoder = Decoder::<S>::start(&header(ProfileId::S)).unwrap();
        decoder.save_to(&mut |bytes| small += bytes.len());
        let mut decoder = Decoder::<M>::start(&header(ProfileId::M)).unwrap();
        decoder.save_to(&mut |bytes| medium += bytes.len());
        assert_eq!((small, medium), (Decoder::<S>::SAVED_LEN, Decoder::<M>::SAVED_LEN));
    }
}
