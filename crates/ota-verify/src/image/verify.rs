//! From bytes on flash to a proof.

use super::tlv::Claims;
use crate::digest::digest_medium;
use crate::key::SIGNATURE_MAX;
use crate::medium::{Medium, over, whole};
use crate::{Algorithm, Identity, Keys, Pass, Refusal, Rules, SignatureError, Verified, VerifyError, Why};
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
    proof.pass(Pass::Second);
    let judged = over(image, |medium| judge(medium, rules, rules.floor, &mut progress, &mut proof, Pass::First))
        .map_err(VerifyError::Read)?;
    let (info, _, counter) = proof.parts();
    judged.map_err(|why| whole(why.error(&info.header(), *counter, rules.floor)))?;
    Ok(proof)
}

/// Room for one proof, for loaders: verifies one image after the other without moving what it finds.
#[derive(Debug)]
pub struct Candidate(Verified);

impl Candidate {
    /// Nothing is proven yet.
    pub const NONE: Self = Self(Verified::blank(SlotId::A));

    /// As [`verify_image_with`]; what was proven before is forgotten. `floor` counts where it is higher than that of the
    /// rules. The error is one word, without what the medium said.
    ///
    /// # Errors
    /// As [`verify_image`].
    pub fn verify<R: ReadAt, K: Keys>(
        &mut self,
        image: &mut R,
        slot: SlotId,
        rules: &Rules<'_, K>,
        floor: u32,
        progress: impl FnMut(u32),
    ) -> Result<&Verified, Why> {
        self.verify_in(Pass::First, image, slot, rules, floor, progress)?;
        self.0.pass(Pass::Second);
        Ok(&self.0)
    }

    /// As [`Candidate::verify`], for loaders, which verify what they start twice: only when both passes went well there
    /// is a proof.
    ///
    /// # Errors
    /// As [`verify_image`].
    pub fn verify_in<R: ReadAt, K: Keys>(
        &mut self,
        pass: Pass,
        image: &mut R,
        slot: SlotId,
        rules: &Rules<'_, K>,
        floor: u32,
        mut progress: impl FnMut(u32),
    ) -> Result<&Verified, Why> {
        self.0.begin(slot, pass);
        let len = image.len();
        let mut read = |offset, bytes: &mut [u8]| image.read_at(offset, bytes).is_ok();
        let medium = &mut Medium::new(len, &mut read);
        judge(medium, rules, floor.max(rules.floor), &mut progress, &mut self.0, pass)?;
        Ok(&self.0)
    }

    /// The proof, if the last image was verified, in both passes.
    pub fn into_proof(self) -> Option<Verified> {
        (self.0.doubt() == 0).then_some(self.0)
    }
}

/// The rules, in their order. `proof` is one when they all hold, and must be thrown away when not.
#[inline(never)]
fn judge<K: Keys>(
    medium: &mut Medium<'_>,
    rules: &Rules<'_, K>,
    floor: u32,
    progress: &mut dyn FnMut(u32),
    proof: &mut Verified,
    pass: Pass,
) -> Result<(), Why> {
    let (info, digest, counter) = proof.parts();
    let mut claims = Claims::NONE;
    let signed = info.locate(medium)?;
    info.raw.check_flags()?;
    claims.collect(info.tlvs_from(signed), medium)?;
    claims.require_all()?;
    digest_medium(medium, signed, progress, digest)?;
    if digest != claims.digest() {
        return Err(Refusal::Digest.into());
    }
    // For a key of one algorithm this is a constant, and only one of the two is linked.
    if rules.keys.longest() <= 256 {
        check_signature::<K, 256>(medium, &claims, rules.keys)?;
    } else {
        check_signature::<K, SIGNATURE_MAX>(medium, &claims, rules.keys)?;
    }
    check_identity(&rules.identity, claims.vendor(), claims.class())?;
    *counter = claims.security_counter();
    check_counter(*counter, floor)?;
    proof.pass(pass);
    Ok(())
}

#[inline(never)]
fn check_signature<K: Keys, const MAX: usize>(medium: &mut Medium<'_>, claims: &Claims, keys: &K) -> Result<(), Why> {
    let refused = |error| Why::from(Refusal::Signature(error));
    let Some(algorithm) = Algorithm::from_u8(claims.algorithm) else {
        return Err(refused(SignatureError::Malformed));
    };
    let mut buf = [0; MAX];
    // Longer than any key of the set makes them: of an algorithm that none has.
    let Some(signature) = buf.get_mut(..usize::from(claims.len)) else {
        return Err(refused(SignatureError::UnknownKey));
    };
    medium.read(claims.offset, signature)?;
    keys.verify(&claims.key_id(), algorithm, claims.digest(), signature).map_err(refused)
}

/// Vendor first: another vendor's class ids mean nothing.
// Inlined, so that a loader makes no error of which it only keeps the number.
#[inline(always)]
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
#[inline(always)]
pub(crate) const fn check_counter(counter: u32, floor: u32) -> Result<(), Refusal> {
    if counter < floor { Err(Refusal::CounterTooLow { counter, floor }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_verification_is_no_proof_and_leads_nowhere() {
        for passes in [&[][..], &[Pass::First], &[Pass::Second], &[Pass::First, Pass::First]] {
            let mut candidate = Candidate::NONE;
            passes.iter().for_each(|pass| candidate.0.pass(*pass));
            // Past the end of every slot.
            assert!(candidate.0.payload_offset() > 0x0400_0000, "{passes:?}");
            assert_eq!(candidate.into_proof(), None, "{passes:?}");
        }
        let mut candidate = Candidate::NONE;
        [Pass::First, Pass::Second].into_iter().for_each(|pass| candidate.0.pass(pass));
        assert_eq!(candidate.0.payload_offset(), 0);
        candidate.0.begin(SlotId::B, Pass::First);
        assert_eq!(candidate.into_proof(), None);
    }
}
