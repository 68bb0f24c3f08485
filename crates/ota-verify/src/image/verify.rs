//! From bytes on flash to a proof.

use super::{ImageInfo, tlv::Collected};
use crate::digest::digest_region_with;
use crate::{FormatError, Identity, Keys, Refusal, Rules, Verified, VerifyError};
use crate::{KeyId, Uuid, image::SignatureTlv, key::SIGNATURE_MAX};
use ota_hal::{ReadAt, SlotId};

/// Reads the whole image in `slot` back and judges it by `rules`.
///
/// In this order: geometry and flags, TLV rules, digest, signature, vendor and class, security counter. Only when
/// all of it holds, the proof is made.
///
/// # Errors
/// The first rule that is broken. Vendor, class and counter errors are only given for authentic images.
pub fn verify_image<R: ReadAt, K: Keys>(
    image: &mut R,
    slot: SlotId,
    rules: &Rules<'_, K>,
) -> Result<Verified, VerifyError<R::Error>> {
    verify_image_with(image, slot, rules, |_| {})
}

/// As [`verify_image`]; calls `progress` with the number of bytes hashed so far, every 256 bytes
/// (feed the watchdog there).
///
/// # Errors
/// As [`verify_image`].
pub fn verify_image_with<R: ReadAt, K: Keys>(
    image: &mut R,
    slot: SlotId,
    rules: &Rules<'_, K>,
    progress: impl FnMut(u32),
) -> Result<Verified, VerifyError<R::Error>> {
    let info = ImageInfo::read(image)?;
    info.header().check_flags()?;
    let claims = info.collect(image)?;
    claims.require_all()?;
    let digest = digest_region_with(image, info.signed_len(), progress).map_err(VerifyError::Read)?;
    if digest != claims.digest {
        return Err(Refusal::Digest.into());
    }
    check_signature(image, &claims, rules.keys, &digest)?;
    check_identity(&rules.identity, Uuid(claims.vendor), Uuid(claims.class))?;
    let security_counter = u32::from_le_bytes(claims.security_counter);
    check_counter(security_counter, rules.floor)?;
    Ok(Verified::new(slot, digest, info, security_counter))
}

fn check_signature<R: ReadAt, K: Keys>(
    image: &mut R,
    claims: &Collected,
    keys: &K,
    digest: &[u8; 32],
) -> Result<(), VerifyError<R::Error>> {
    let SignatureTlv { algorithm, offset, len } = claims.signature;
    let mut buf = [0; SIGNATURE_MAX];
    let signature = buf.get_mut(..usize::from(len)).ok_or(FormatError::TlvLength(algorithm.tlv()))?;
    image.read_at(offset, signature).map_err(VerifyError::Read)?;
    keys.verify(&KeyId(claims.key_id), algorithm, digest, signature).map_err(|e| Refusal::Signature(e).into())
}

/// Vendor first: another vendor's class ids mean nothing.
pub(crate) fn check_identity(own: &Identity, vendor: Uuid, class: Uuid) -> Result<(), Refusal> {
    if vendor != own.vendor {
        return Err(Refusal::WrongVendor);
    }
    if class != own.class {
        return Err(Refusal::WrongClass);
    }
    Ok(())
}

/// The one place where a downgrade is refused, for images and manifests alike.
pub(crate) const fn check_counter(counter: u32, floor: u32) -> Result<(), Refusal> {
    if counter < floor { Err(Refusal::CounterTooLow { counter, floor }) } else { Ok(()) }
}
