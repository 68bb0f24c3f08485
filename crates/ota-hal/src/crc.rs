//! CRC-32 as in zip and Ethernet, bit by bit: a device runs it over a few kilobytes per start, and a table would cost
//! more than it saves beside a signature.
//!
//! # Source
//! ITU-T V.42 §8.1.1.6.2; "CRC-32/ISO-HDLC" of the reveng catalogue (check value `CBF43926`).

/// The register before the first byte.
pub const INIT: u32 = 0xFFFF_FFFF;

/// The register after `bytes`. The CRC is its complement, once all bytes went through.
#[inline(never)]
pub fn update(mut register: u32, bytes: &[u8]) -> u32 {
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = (register >> 1) ^ ((register & 1) * 0xEDB8_8320);
        }
    }
    register
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(!update(INIT, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn pieces_equal_the_whole() {
        let whole = update(INIT, b"two pieces");
        assert_eq!(update(update(INIT, b"two p"), b"ieces"), whole);
        assert_eq!(update(INIT, b""), INIT);
    }
}
