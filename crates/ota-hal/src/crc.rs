//! CRC-32 as in zip and Ethernet, a nibble at a time: 64 bytes of table, four times the speed of the bitwise form.
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
        register = step(step(register));
    }
    register
}

fn step(register: u32) -> u32 {
    // Sixteen entries and four bits: the index is always inside.
    (register >> 4) ^ TABLE[(register & 15) as usize]
}

const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut n = 0;
    while n < 16 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
};

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
