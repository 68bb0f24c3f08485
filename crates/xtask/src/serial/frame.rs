//! The serial protocol of `boards/microbit`, the other side's half, written from its description: text for people, and
//! between it frames with a CRC.

/// First byte of a frame.
const START: u8 = 0xA5;
const PAYLOAD_MAX: usize = 248;
/// Text without an end is cut here.
const LINE_MAX: usize = 400;

/// What came over the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A line for people.
    Line(String),
    /// A request.
    Frame { kind: u8, sequence: u8, payload: Vec<u8> },
}

/// Takes bytes apart.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    /// A frame so far, without its first byte.
    frame: Option<Vec<u8>>,
}

impl Parser {
    /// Takes a byte; `out` gets what it completes.
    pub(crate) fn push(&mut self, byte: u8, out: &mut Vec<Item>) {
        let Some(frame) = &mut self.frame else {
            match byte {
                START => self.frame = Some(Vec::new()),
                b'\n' => out.push(Item::Line(String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned())),
                _ if self.line.len() < LINE_MAX => self.line.push(byte),
                _ => {}
            }
            return;
        };
        frame.push(byte);
        let len = frame.get(2).map(|len| usize::from(*len));
        if len.is_none_or(|len| len <= PAYLOAD_MAX && frame.len() < 3 + len + 4) {
            return;
        }
        let frame = self.frame.take().unwrap_or_default();
        match decode(&frame) {
            Some(item) => out.push(item),
            // A device that was reset in the middle of a frame goes on with text: its first byte began no frame.
            None => frame.into_iter().for_each(|byte| self.push(byte, out)),
        }
    }
}

fn decode(frame: &[u8]) -> Option<Item> {
    let (body, sum) = frame.split_last_chunk::<4>()?;
    let [kind, sequence, len, payload @ ..] = body else { return None };
    let whole = payload.len() == usize::from(*len) && crc32(body).to_le_bytes() == *sum;
    whole.then(|| Item::Frame { kind: *kind, sequence: *sequence, payload: payload.to_vec() })
}

/// A frame's bytes.
pub(crate) fn encode(kind: u8, sequence: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).ok().filter(|len| usize::from(*len) <= PAYLOAD_MAX);
    let body = [&[kind, sequence, len.expect("answers are short")], payload].concat();
    [&[START][..], &body, &crc32(&body).to_le_bytes()].concat()
}

/// CRC-32 as in zip and Ethernet.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |r, _| if r & 1 == 1 { r >> 1 ^ 0xEDB8_8320 } else { r >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Vec<Item> {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        bytes.iter().for_each(|byte| parser.push(*byte, &mut out));
        out
    }
    fn frame(kind: u8, sequence: u8, payload: &[u8]) -> Item {
        Item::Frame { kind, sequence, payload: payload.to_vec() }
    }

    #[test]
    fn the_documented_bytes_are_a_frame() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(encode(2, 7, b"X"), [&[0xA5, 2, 7, 1, b'X'][..], &0xF2A9_E995_u32.to_le_bytes()].concat());
    }

    #[test]
    fn frames_and_text_are_told_apart() {
        let bytes = [b"boot: slot A\n".to_vec(), encode(1, 3, &[START, b'\n']), b"app\n".to_vec()].concat();
        let items = [Item::Line("boot: slot A".into()), frame(1, 3, &[START, b'\n']), Item::Line("app".into())];
        assert_eq!(parsed(&bytes), items);
    }

    #[test]
    fn what_follows_a_torn_or_damaged_frame_is_not_lost() {
        let whole = encode(4, 8, &[1; 20]);
        for cut in 1..whole.len() {
            let text = format!("boot: {}\n", "x".repeat(300));
            let bytes = [&whole[..cut], text.as_bytes(), &encode(1, 1, b"")].concat();
            let items = parsed(&bytes);
            assert!(items.contains(&frame(1, 1, b"")), "cut at {cut}: {items:?}");
            assert!(
                items.iter().any(|item| matches!(item, Item::Line(line) if line.ends_with(text.trim_end()))),
                "{cut}"
            );
        }
    }
}
