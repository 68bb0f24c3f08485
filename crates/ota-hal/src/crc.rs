//! CRC-32 as in zip and Ethernet, two bits at a time: on a Cortex-M 26 instructions a byte, for 14 bytes of code more than
//! bit by bit, which takes 62. `docs/performance.md` has what it was chosen from.
//!
//! # Source
//! ITU-T V.42 §8.1.1.6.2; "CRC-32/ISO-HDLC" of the reveng catalogue (check value `CBF43926`).

/// The register before the first byte.
pub const INIT: u32 = 0xFFFF_FFFF;

/// What two bits that leave the register bring into it.
#[cfg(any(test, not(feature = "crc-table")))]
static PAIRS: [u32; 4] = [0, step(step(1)), step(step(2)), step(step(3))];

/// One bit leaves.
const fn step(register: u32) -> u32 {
    (register >> 1) ^ ((register & 1) * 0xEDB8_8320)
}

/// The register after `bytes`. The CRC is its complement, once all bytes went through.
#[inline(never)]
pub fn update(register: u32, bytes: &[u8]) -> u32 {
    #[cfg(feature = "crc-table")]
    return table::update(register, bytes);
    #[cfg(not(feature = "crc-table"))]
    return in_pairs(register, bytes);
}

#[cfg(any(test, not(feature = "crc-table")))]
#[inline(always)]
fn in_pairs(mut register: u32, bytes: &[u8]) -> u32 {
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..4 {
            register = (register >> 2) ^ PAIRS[(register & 3) as usize];
        }
    }
    register
}

/// The same a word at a time, for hosts that read millions of journals.
#[cfg(any(test, feature = "crc-table"))]
mod table {
    /// What a byte does that this many others follow.
    static BYTES: [[u32; 256]; 4] = {
        let (mut tables, mut place) = ([[0; 256]; 4], 0);
        while place < 4 * 256 {
            let (mut register, mut bit) = ((place % 256) as u32, 0);
            while bit < 8 * (1 + place / 256) {
                register = super::step(register);
                bit += 1;
            }
            tables[place / 256][place % 256] = register;
            place += 1;
        }
        tables
    };

    const fn byte(behind: usize, byte: u32) -> u32 {
        BYTES[behind][(byte & 0xFF) as usize]
    }

    pub(super) fn update(register: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<4>();
        let register = words.iter().fold(register, |register, word| {
            let word = register ^ u32::from_le_bytes(*word);
            byte(3, word) ^ byte(2, word >> 8) ^ byte(1, word >> 16) ^ byte(0, word >> 24)
        });
        rest.iter().fold(register, |register, last| (register >> 8) ^ byte(0, register ^ u32::from(*last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(!update(INIT, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn bit_by_bit_gives_the_same() {
        for byte in 0..=u8::MAX {
            let bitwise = (0..8).fold(INIT ^ u32::from(byte), |register, _| step(register));
            for other in [update(INIT, &[byte]), in_pairs(INIT, &[byte]), table::update(INIT, &[byte])] {
                assert_eq!(other, bitwise, "{byte}");
            }
        }
    }

    #[test]
    fn words_give_what_bytes_give() {
        let bytes: [u8; 67] = core::array::from_fn(|n| (n * 37) as u8);
        for end in 0..bytes.len() {
            let bytes = &bytes[end / 3..end];
            assert_eq!(table::update(INIT, bytes), in_pairs(INIT, bytes));
        }
    }

    #[test]
    fn pieces_equal_the_whole() {
        let whole = update(INIT, b"two pieces");
        assert_eq!(update(update(INIT, b"two p"), b"ieces"), whole);
        assert_eq!(update(INIT, b""), INIT);
    }
}
