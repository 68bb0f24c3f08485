//! EMSA-PKCS1-v1_5 with SHA-256: the one encoded message there is, compared as a whole. Nothing is parsed, so there
//! is no padding to be lenient about.
//!
//! # Source
//! RFC 8017 §9.2 and its note 1.

/// DER of DigestInfo for SHA-256, up to the digest; the NULL parameters are part of it.
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// Whether `message` is 00 01 FF … FF 00 DigestInfo digest.
pub(super) fn matches(message: &[u8], digest: &[u8; 32]) -> bool {
    let Some((rest, hash)) = message.split_last_chunk::<32>() else {
        return false;
    };
    let Some((rest, info)) = rest.split_last_chunk::<19>() else {
        return false;
    };
    let [0, 1, padding @ .., 0] = rest else {
        return false;
    };
    // Both fixed fields and the modulus size fix how much padding there is: at least 8 bytes for any size we have.
    padding.iter().all(|b| *b == 0xFF) && *info == DIGEST_INFO && hash == digest
}
