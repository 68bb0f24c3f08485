//! Frames of the serial protocol, between text for people on the same line.
//!
//! ```text
//! A5 │ kind │ sequence │ length n │ n bytes, at most 248 │ u32 CRC-32 of all from kind on
//! ```
//! Numbers are little-endian. Text is ASCII, so `A5` begins a frame wherever it stands outside of one.

use ota_hal::crc;

/// First byte of a frame.
pub const START: u8 = 0xA5;
/// Kind, sequence, length.
const HEAD: usize = 3;
/// Most bytes of payload.
pub const PAYLOAD_MAX: usize = 248;
const CRC: usize = 4;
const FRAME_MAX: usize = HEAD + PAYLOAD_MAX + CRC;

/// Sends a frame byte by byte; what does not fit is cut off, callers keep within [`PAYLOAD_MAX`].
pub fn write(kind: u8, sequence: u8, parts: &[&[u8]], mut send: impl FnMut(u8)) {
    let bytes = || parts.iter().flat_map(|part| part.iter()).take(PAYLOAD_MAX);
    // At most 248.
    let head = [kind, sequence, bytes().count() as u8];
    let mut register = crc::update(crc::INIT, &head);
    send(START);
    head.iter().for_each(|&byte| send(byte));
    for byte in bytes() {
        register = crc::update(register, &[*byte]);
        send(*byte);
    }
    (!register).to_le_bytes().iter().for_each(|&byte| send(byte));
}

/// A frame that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'b> {
    /// What it is.
    pub kind: u8,
    /// Which exchange it belongs to.
    pub sequence: u8,
    /// What it says.
    pub payload: &'b [u8],
}

/// Collects a frame.
#[derive(Debug)]
pub struct Receiver {
    bytes: [u8; FRAME_MAX],
    filled: usize,
    /// Inside a frame, that is after its first byte.
    inside: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { bytes: [0; FRAME_MAX], filled: 0, inside: false }
    }
}

impl Receiver {
    /// Forgets what was collected: a frame that stopped in the middle is not continued by the next one.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.inside = false;
    }

    /// Takes a byte; `true` when it completes a frame, which [`Self::frame`] then shows.
    /// A frame whose CRC is wrong is forgotten.
    pub fn push(&mut self, byte: u8) -> bool {
        if !self.inside {
            self.filled = 0;
            self.inside = byte == START;
            return false;
        }
        if let Some(place) = self.bytes.get_mut(self.filled) {
            *place = byte;
        }
        self.filled += 1;
        let len = self.len();
        if self.filled < HEAD || len.is_some_and(|len| self.filled < len + CRC) {
            return false;
        }
        self.inside = false;
        self.frame().is_some()
    }

    /// Bytes of the frame before its CRC; `None` when its length is not allowed.
    fn len(&self) -> Option<usize> {
        let payload = self.bytes.get(HEAD - 1).map(|n| usize::from(*n))?;
        (payload <= PAYLOAD_MAX).then_some(HEAD + payload)
    }

    /// The frame that is complete.
    pub fn frame(&self) -> Option<Frame<'_>> {
        let len = self.len().filter(|len| !self.inside && self.filled == len + CRC)?;
        let (body, check) = self.bytes.get(..self.filled)?.split_at_checked(len)?;
        let expected = (!crc::update(crc::INIT, body)).to_le_bytes();
        match body {
            [kind, sequence, _, payload @ ..] if check == expected => {
                Some(Frame { kind: *kind, sequence: *sequence, payload })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn encoded(kind: u8, sequence: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        write(kind, sequence, parts, |byte| out.push(byte));
        out
    }
    fn received(receiver: &mut Receiver, bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
        let mut out = Vec::new();
        for byte in bytes {
            if receiver.push(*byte) {
                let frame = receiver.frame().unwrap();
                out.push((frame.kind, frame.sequence, frame.payload.to_vec()));
            }
        }
        out
    }

    #[test]
    fn a_frame_of_every_length_comes_through_between_text() {
        let mut receiver = Receiver::default();
        for len in 0..=PAYLOAD_MAX {
            let payload: Vec<u8> = (0..len).map(|n| START ^ n as u8).collect();
            let mut line = b"boot: text\n".to_vec();
            line.extend(encoded(1, len as u8, &[&payload[..len / 2], &payload[len / 2..]]));
            line.extend(b"more\n");
            assert_eq!(received(&mut receiver, &line), [(1, len as u8, payload)]);
        }
    }

    #[test]
    fn the_bytes_of_a_frame_are_as_documented() {
        // CRC-32 of 02 07 01 58 by another implementation (Python's zlib).
        assert_eq!(encoded(2, 7, &[b"X"]), [&[0xA5, 2, 7, 1, b'X'][..], &0xF2A9_E995_u32.to_le_bytes()].concat());
    }

    #[test]
    fn no_damaged_byte_passes_and_the_next_frame_does() {
        let good = encoded(3, 9, &[b"payload"]);
        for at in 1..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let mut receiver = Receiver::default();
            assert_eq!(received(&mut receiver, &bad), [], "byte {at}");
            receiver.clear();
            assert_eq!(received(&mut receiver, &good).len(), 1);
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut receiver = Receiver::default();
        let mut state = 1_u32;
        for _ in 0..100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            receiver.push(if state >> 28 == 0 { START } else { (state >> 24) as u8 });
            assert!(receiver.filled <= FRAME_MAX);
        }
    }
}
