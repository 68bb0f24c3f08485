//! The saved form of a decoder: every field in turn, little-endian, written and read by the same walk.

/// A walk over a decoder's fields. Who saves looks at the bytes of each, who resumes sets them.
///
/// One type for both ways, so that the walk is compiled once.
pub(crate) struct Tape<'a>(pub(crate) &'a mut dyn FnMut(&mut [u8]));

impl Tape<'_> {
    #[inline(never)]
    pub(crate) fn bytes(&mut self, fields: &mut [u8]) {
        (self.0)(fields);
    }

    #[inline(never)]
    pub(crate) fn halves(&mut self, fields: &mut [u16]) {
        for field in fields {
            let mut raw = field.to_le_bytes();
            self.bytes(&mut raw);
            *field = u16::from_le_bytes(raw);
        }
    }

    #[inline(never)]
    pub(crate) fn word(&mut self, field: &mut u32) {
        let mut raw = field.to_le_bytes();
        self.bytes(&mut raw);
        *field = u32::from_le_bytes(raw);
    }

    #[inline(never)]
    pub(crate) fn words(&mut self, fields: &mut [u32]) {
        fields.iter_mut().for_each(|field| self.word(field));
    }

    #[inline(never)]
    pub(crate) fn shifts(&mut self, fields: &mut [i32]) {
        for field in fields {
            let mut word = *field as u32;
            self.word(&mut word);
            *field = word as i32;
        }
    }

    /// A number below 256.
    #[inline(never)]
    pub(crate) fn small(&mut self, field: &mut u32) {
        let mut byte = *field as u8;
        self.bytes(core::slice::from_mut(&mut byte));
        *field = u32::from(byte);
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self, field: &mut bool) {
        let mut number = u32::from(*field);
        self.small(&mut number);
        *field = number != 0;
    }
}
