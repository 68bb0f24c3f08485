//! From bytes on flash to a proof.

use super::{ImageInfo, SignatureTlv, tlv::Claims};
use crate::digest::digest_medium;
use crate::key::SIGNATURE_MAX;
use crate::medium::{Medium, Refused, over};
use crate::{Identity, Keys, Refusal, Rules, SignatureError, Verified, VerifyError};
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
    mut progress: impl FnMut(u32),
) -> Result<Verified, VerifyError<R::Error>> {
    let mut proof = Verified::blank(slot);
    over(image, |medium| judge(medium, rules, &mut progress, &mut proof)).map_err(VerifyError::Read)??;
    Ok(proof)
}

/// The rules, in their order. `proof` is one when they all hold, and must be thrown away when not.
#[inline(never)]
fn judge<K: Keys, E>(
    medium: &mut Medium<'_>,
    rules: &Rules<'_, K>,
    progress: &mut dyn FnMut(u32),
    proof: &mut Verified,
) -> Result<(), VerifyError<E>> {
    let (info, digest, counter) = proof.parts();
    let mut claims = Claims::NONE;
    if let Err(Refused) = check_form(medium, info, &mut claims) {
        return Err(medium.why().into());
    }
    if !digest_medium(medium, info.signed_len(), progress, digest) || digest != claims.digest() {
        return Err(Refusal::Digest.into());
    }
    // For a key of one algorithm this is a constant, and only one of the two is linked.
    let signed = if rules.keys.longest() <= 256 {
        check_signature::<K, 256>(medium, &claims, rules.keys)
    } else {
        check_signature::<K, SIGNATURE_MAX>(medium, &claims, rules.keys)
    };
    signed.map_err(Refusal::Signature)?;
    check_identity(&rules.identity, claims.vendor(), claims.class())?;
    *counter = claims.security_counter();
    check_counter(*counter, rules.floor)?;
    Ok(())
}

/// All that can be said without looking at the payload.
fn check_form(medium: &mut Medium<'_>, info: &mut ImageInfo, claims: &mut Claims) -> Result<(), Refused> {
    info.locate(medium)?;
    info.header().check_flags().map_err(|why| medium.refuse(why))?;
    info.collect(medium, claims)?;
    claims.require_all().map_err(|why| medium.refuse(why))
}

#[inline(never)]
fn check_signature<K: Keys, const MAX: usize>(
    medium: &mut Medium<'_>,
    claims: &Claims,
    keys: &K,
) -> Result<(), SignatureError> {
    let Some(SignatureTlv { algorithm, offset, len }) = claims.signature else {
        return Err(SignatureError::Malformed);
    };
    let mut buf = [0; MAX];
    // Longer than any key of the set makes them: of an algorithm that none has.
    let signature = buf.get_mut(..usize::from(len)).ok_or(SignatureError::UnknownKey)?;
    if !medium.read(offset, signature) {
        return Err(SignatureError::Malformed);
    }
    keys.verify(&claims.key_id, algorithm, claims.digest(), signature)
}

/// Vendor first: another vendor's class ids mean nothing.
pub(crate) fn check_identity(own: &Identity, vendor: &[u8; 16], class: &[u8; 16]) -> Result<(), Refusal> {
    if *vendor != own.vendor.0 {
        return Err(Refusal::WrongVendor);
    }
    if *class != own.class.0 {
        return Err(Refusal::WrongClass);
    }
    Ok(())
}

/// The one place where a downgrade is refused, for images and manifests alike.
pub(crate) const fn check_counter(counter: u32, floor: u32) -> Result<(), Refusal> {
    if counter < floor { Err(Refusal::CounterTooLow { counter, floor }) } else { Ok(()) }
}
