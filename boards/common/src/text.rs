//! Text for a person or a test at the other end of a line.

/// A line that bytes are sent to, polled.
pub trait Line: Copy {
    /// Sends a byte.
    fn send(self, byte: u8);

    /// Sends text.
    fn write(self, text: &str) {
        text.bytes().for_each(|byte| self.send(byte));
    }
    /// Sends each part in turn.
    fn write_all(self, parts: &[&str]) {
        for part in parts {
            self.write(part);
        }
    }
    /// Sends a number in decimal.
    fn write_number(self, mut number: u32) {
        // A u32 has at most ten digits.
        let mut digits = [0; 10];
        let mut first = digits.len();
        while let Some(digit) = first.checked_sub(1).and_then(|at| digits.get_mut(at)) {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            first -= 1;
            if number == 0 {
                break;
            }
        }
        digits.get(first..).unwrap_or_default().iter().for_each(|&digit| self.send(digit));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Line;
    use std::cell::RefCell;
    use std::vec::Vec;

    #[derive(Clone, Copy)]
    struct Tape<'t>(&'t RefCell<Vec<u8>>);
    impl Line for Tape<'_> {
        fn send(self, byte: u8) {
            self.0.borrow_mut().push(byte);
        }
    }

    #[test]
    fn numbers_are_written_without_a_leading_zero() {
        let sent = RefCell::new(Vec::new());
        let tape = Tape(&sent);
        for number in [0, 7, 10, 4_294_967_295] {
            tape.write_number(number);
            tape.write_all(&[" ", "|", " "]);
        }
        assert_eq!(sent.into_inner(), b"0 | 7 | 10 | 4294967295 | ");
    }
}
