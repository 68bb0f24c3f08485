//! The saved form of a decoder: every field in turn, little-endian, written and read by the same walk.

/// One direction of the walk over a decoder's fields.
pub(crate) trait Tape {
    fn bytes(&mut self, field: &mut [u8]);

    fn halves(&mut self, field: &mut [u16]) {
        for half in field {
            let mut raw = half.to_le_bytes();
            self.bytes(&mut raw);
            *half = u16::from_le_bytes(raw);
        }
    }

    fn words(&mut self, field: &mut [u32]) {
        for word in field {
            let mut raw = word.to_le_bytes();
            self.bytes(&mut raw);
            *word = u32::from_le_bytes(raw);
        }
    }

    fn shifts(&mut self, field: &mut [i32]) {
        for shift in field {
            let mut word = *shift as u32;
            self.words(core::slice::from_mut(&mut word));
            *shift = word as i32;
        }
    }

    /// A number below 256.
    fn small(&mut self, field: &mut u32) {
        let mut byte = *field as u8;
        self.bytes(core::slice::from_mut(&mut byte));
        *field = u32::from(byte);
    }

    fn flag(&mut self, field: &mut bool) {
        let mut number = u32::from(*field);
        self.small(&mut number);
        *field = number != 0;
    }
}

/// Gives fields away.
pub(crate) struct Record<'a>(pub(crate) &'a mut dyn FnMut(&[u8]));

impl Tape for Record<'_> {
    fn bytes(&mut self, field: &mut [u8]) {
        (self.0)(field);
    }
}

/// Has fields filled in.
pub(crate) struct Replay<'a>(pub(crate) &'a mut dyn FnMut(&mut [u8]));

impl Tape for Replay<'_> {
    fn bytes(&mut self, field: &mut [u8]) {
        (self.0)(field);
    }
}
