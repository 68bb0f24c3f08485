//! Digests of what is really on the medium, read back through a small buffer.

use crate::Why;
use crate::medium::{Medium, over};
use crate::sha256::Sha256;
#[cfg(feature = "md5")]
use md5::Digest;
use ota_hal::ReadAt;

/// Bytes read at once. A multiple of the hash block; the buffer lives on the stack.
const CHUNK: usize = 256;

/// SHA-256 of the first `len` bytes.
///
/// # Errors
/// When the medium fails or has fewer bytes.
pub fn digest_region<R: ReadAt>(image: &mut R, len: u32) -> Result<[u8; 32], R::Error> {
    digest_region_with(image, len, |_| {})
}

/// As [`digest_region`]; calls `progress` with the number of bytes done, at least every 256 bytes
/// (feed the watchdog there).
///
/// # Errors
/// When the medium fails or has fewer bytes.
pub fn digest_region_with<R: ReadAt>(
    image: &mut R,
    len: u32,
    mut progress: impl FnMut(u32),
) -> Result<[u8; 32], R::Error> {
    let mut digest = [0; 32];
    // A failed read is the only error there is, and `over` has it.
    let _ = over(image, |medium| digest_medium(medium, len, &mut progress, &mut digest))?;
    Ok(digest)
}

// Not inlined, so that buffer and hash state leave the stack before a signature is checked.
#[inline(never)]
pub(crate) fn digest_medium(
    medium: &mut Medium<'_>,
    len: u32,
    progress: &mut dyn FnMut(u32),
    digest: &mut [u8; 32],
) -> Result<(), Why> {
    let mut hash = Sha256::NONE;
    hash.start();
    let done = for_each_chunk(medium, len, progress, |bytes| hash.update(bytes));
    hash.finish(digest);
    done
}

/// MD5 of the first `len` bytes: a transport checksum of old clouds. It proves nothing.
///
/// # Errors
/// When the medium fails or has fewer bytes.
#[cfg(feature = "md5")]
pub fn md5_region<R: ReadAt>(image: &mut R, len: u32) -> Result<[u8; 16], R::Error> {
    md5_region_with(image, len, |_| {})
}

/// As [`md5_region`], with the callback of [`digest_region_with`].
///
/// # Errors
/// When the medium fails or has fewer bytes.
#[cfg(feature = "md5")]
pub fn md5_region_with<R: ReadAt>(
    image: &mut R,
    len: u32,
    mut progress: impl FnMut(u32),
) -> Result<[u8; 16], R::Error> {
    let mut hash = md5::Md5::new();
    let _ = over(image, |medium| for_each_chunk(medium, len, &mut progress, |bytes| hash.update(bytes)))?;
    Ok(hash.finalize().into())
}

fn for_each_chunk(
    medium: &mut Medium<'_>,
    len: u32,
    progress: &mut dyn FnMut(u32),
    mut take: impl FnMut(&[u8]),
) -> Result<(), Why> {
    let mut buf = [0; CHUNK];
    let mut at = 0;
    while at < len {
        let n = (len - at).min(CHUNK as u32);
        // `n` is at most CHUNK: the slice exists.
        let part = buf.get_mut(..n as usize).unwrap_or_default();
        medium.read(at, part)?;
        take(part);
        at += n;
        progress(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn digests_across_chunk_edges_match_one_shot() {
        let data: [u8; 1000] = core::array::from_fn(|i| i as u8);
        for len in [0, 1, 255, 256, 257, 511, 512, 513, 1000] {
            let got = digest_region(&mut &data[..], len).unwrap();
            assert_eq!(got, <[u8; 32]>::from(Sha256::digest(&data[..len as usize])));
        }
        assert!(digest_region(&mut &data[..], 1001).is_err());
    }

    #[test]
    fn progress_ends_at_the_length() {
        let mut seen = [0; 4];
        let mut n = 0;
        digest_region_with(&mut &[0; 700][..], 700, |at| {
            seen[n] = at;
            n += 1;
        })
        .unwrap();
        assert_eq!(&seen[..n], &[256, 512, 700]);
    }

    #[cfg(feature = "md5")]
    #[test]
    fn md5_matches_rfc_1321() {
        let got = md5_region(&mut &b"abc"[..], 3).unwrap();
        assert_eq!(got, *b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72");
    }
}
