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

/// The same a byte at a time, for hosts that read millions of journals.
#[cfg(any(test, feature = "crc-table"))]
mod table {
    static BYTES: [u32; 256] = {
        let (mut table, mut byte) = ([0; 256], 0);
        while byte < 256 {
            let (mut register, mut bit) = (byte as u32, 0);
            while bit < 8 {
                register = super::step(register);
                bit += 1;
            }
            table[byte] = register;
            byte += 1;
        }
        table
    };

    pub(super) fn update(register: u32, bytes: &[u8]) -> u32 {
        bytes
            .iter()
            .fold(register, |register, byte| (register >> 8) ^ BYTES[((register ^ u32::from(*byte)) & 0xFF) as usize])
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
    fn pieces_equal_the_whole() {
        let whole = update(INIT, b"two pieces");
        assert_eq!(update(update(INIT, b"two p"), b"ieces"), whole);
        assert_eq!(update(INIT, b""), INIT);
    }
}
