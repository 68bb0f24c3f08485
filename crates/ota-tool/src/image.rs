//! Writes the image format that `ota-verify` reads.

use crate::keys::{KeyRing, PrivateKey, Scheme};
use anyhow::{Context, Result, anyhow, bail, ensure};
use ota_hal::SlotId;
use ota_verify::image::{HEADER_LEN, MAGIC, tlv};
use ota_verify::{Identity, Rules, Verified, Version, verify_image};
use sha2::{Digest, Sha256};

const ROM_FIXED: u32 = 0x100;
/// Slots start at a sector, and no part has smaller ones.
const SECTOR_MIN: u32 = 1024;

/// What goes into an image besides its payload.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// Version.
    pub version: Version,
    /// Security counter.
    pub security_counter: u32,
    /// Vendor and class.
    pub identity: Identity,
    /// Where the payload starts; at least 32.
    pub header_size: u16,
    /// Address of the slot the payload is linked for, when it runs in place: the payload lies `header_size` further.
    /// `None` when it runs from anywhere.
    pub rom_address: Option<u32>,
}

impl ImageSpec {
    /// Builds and signs an image, then has the device's reader verify it.
    ///
    /// # Errors
    /// When the payload is empty or too large, the header size impossible, or the result would be refused.
    pub fn build(&self, payload: &[u8], key: &PrivateKey, scheme: Scheme) -> Result<Vec<u8>> {
        let mut image = self.signed_part(payload)?;
        let digest: [u8; 32] = Sha256::digest(&image).into();
        let public = key.public()?;
        let mut area = Area::new(tlv::UNPROTECTED_MAGIC);
        area.push(tlv::SHA256, &digest)?;
        area.push(tlv::KEYHASH, &public.id()?.0)?;
        area.push(public.algorithm(scheme).tlv(), &key.sign(scheme, &digest)?)?;
        image.extend(area.finish()?);

        let mut ring = KeyRing::new();
        ring.add(&public, scheme)?;
        let proof = verify(&image, &ring, self.identity, 0)
            .context("the signed image does not verify: a defect of this tool")?;
        if proof.version() != self.version || proof.security_counter() != self.security_counter {
            bail!("the signed image reads back differently: a defect of this tool");
        }
        Ok(image)
    }

    fn signed_part(&self, payload: &[u8]) -> Result<Vec<u8>> {
        ensure!(!payload.is_empty(), "the payload is empty");
        ensure!(
            u32::from(self.header_size) >= HEADER_LEN && self.header_size.is_multiple_of(4),
            "the header size must be a multiple of 4, and at least {HEADER_LEN}"
        );
        self.check_rom_address(payload.len())?;
        let mut area = Area::new(tlv::PROTECTED_MAGIC);
        area.push(tlv::SEC_CNT, &self.security_counter.to_le_bytes())?;
        area.push(tlv::UUID_VID, &self.identity.vendor.0)?;
        area.push(tlv::UUID_CID, &self.identity.class.0)?;
        let area = area.finish()?;

        let size = u32::try_from(payload.len()).ok().context("the payload is larger than 4 GiB")?;
        let mut image = self.header(size, u16::try_from(area.len())?).to_vec();
        // Erased flash needs no programming, so padding is the value most parts erase to.
        image.resize(self.header_size.into(), 0xFF);
        image.extend(payload);
        image.extend(area);
        Ok(image)
    }

    /// The usual slip is to give the payload's address.
    fn check_rom_address(&self, payload_len: usize) -> Result<()> {
        let Some(address) = self.rom_address else { return Ok(()) };
        let before = address.checked_sub(self.header_size.into()).filter(|slot| slot.is_multiple_of(SECTOR_MIN));
        let hint = before.map_or_else(String::new, |slot| format!("; 0x{slot:x} perhaps?"));
        ensure!(
            address.is_multiple_of(SECTOR_MIN),
            "the ROM address 0x{address:x} is no slot's: slots start at a multiple of {SECTOR_MIN}{hint}"
        );
        let end = u64::from(address) + u64::from(self.header_size) + payload_len as u64;
        ensure!(end <= 1 << 32, "an image at 0x{address:x} would end past 4 GiB");
        Ok(())
    }

    fn header(&self, payload_len: u32, protected_len: u16) -> [u8; HEADER_LEN as usize] {
        let mut header = [0; HEADER_LEN as usize];
        let flags = if self.rom_address.is_some() { ROM_FIXED } else { 0 };
        header[..4].copy_from_slice(&MAGIC.to_le_bytes());
        header[4..8].copy_from_slice(&self.rom_address.unwrap_or(0).to_le_bytes());
        header[8..10].copy_from_slice(&self.header_size.to_le_bytes());
        header[10..12].copy_from_slice(&protected_len.to_le_bytes());
        header[12..16].copy_from_slice(&payload_len.to_le_bytes());
        header[16..20].copy_from_slice(&flags.to_le_bytes());
        header[20] = self.version.major;
        header[21] = self.version.minor;
        header[22..24].copy_from_slice(&self.version.revision.to_le_bytes());
        header[24..28].copy_from_slice(&self.version.build.to_le_bytes());
        header
    }
}

/// A TLV area under construction.
struct Area {
    magic: u16,
    entries: Vec<u8>,
}

impl Area {
    const fn new(magic: u16) -> Self {
        Self { magic, entries: Vec::new() }
    }
    fn push(&mut self, kind: u16, value: &[u8]) -> Result<()> {
        self.entries.extend(kind.to_le_bytes());
        self.entries.extend(u16::try_from(value.len()).context("TLV too long")?.to_le_bytes());
        self.entries.extend(value);
        Ok(())
    }
    fn finish(self) -> Result<Vec<u8>> {
        let total = u16::try_from(self.entries.len() + 4).context("TLV area too long")?;
        let mut out = self.magic.to_le_bytes().to_vec();
        out.extend(total.to_le_bytes());
        out.extend(self.entries);
        Ok(out)
    }
}

/// Judges an image with the device's own reader.
///
/// # Errors
/// The rule that is broken.
pub fn verify(image: &[u8], ring: &KeyRing, identity: Identity, floor: u32) -> Result<Verified> {
    let keys = ring.keys();
    let rules = Rules { keys: &keys.as_slice(), identity, floor };
    let mut medium = image;
    verify_image(&mut medium, SlotId::A, &rules).map_err(|e| anyhow!("{}", explain_in(image, &e)))
}

/// The error's text with its numbers, for an image that is all of `bytes`. A device that reads a slot sees an image
/// that is larger than the slot; who reads a file sees that its end is missing.
pub fn explain_in<E>(bytes: &[u8], e: &ota_verify::VerifyError<E>) -> String {
    use ota_verify::{FormatError, VerifyError};
    let VerifyError::Format(FormatError::PastEnd) = e else { return explain(e) };
    let header = bytes.first_chunk().and_then(|raw| ota_verify::image::Header::decode(raw).ok());
    let least = header.map_or(0, |h| u64::from(h.hdr_size) + u64::from(h.img_size) + u64::from(h.protect_tlv_size));
    let there = bytes.len();
    if least > there as u64 {
        format!("image: cut short: the header announces at least {least} bytes, {there} are there")
    } else {
        format!("image: cut short: its TLVs reach past the {there} bytes that are there")
    }
}

/// The error's text with its numbers.
pub fn explain<E>(e: &ota_verify::VerifyError<E>) -> String {
    use ota_verify::{FormatError as F, Refusal as R, VerifyError as V};
    match e {
        V::Format(
            f @ (F::TlvPastEnd(t)
            | F::TlvLength(t)
            | F::TlvArea(t)
            | F::TlvUnknown(t)
            | F::TlvDuplicate(t)
            | F::TlvMissing(t)),
        ) => format!("{} (type 0x{t:02x}, {})", f.text(), tlv_name(*t)),
        V::Format(F::UnknownFlags(bits)) => format!("image: unknown flags 0x{bits:x}"),
        V::Refused(R::CounterTooLow { counter, floor }) => {
            format!("security counter {counter} is below the floor {floor} (downgrade)")
        }
        other => other.text().to_owned(),
    }
}

/// A TLV type's name in MCUboot's documents.
pub const fn tlv_name(kind: u16) -> &'static str {
    match kind {
        tlv::KEYHASH => "KEYHASH",
        0x02 => "PUBKEY",
        tlv::SHA256 => "SHA256",
        0x11 => "SHA384",
        0x12 => "SHA512",
        tlv::RSA2048_PSS => "RSA2048_PSS",
        tlv::ECDSA => "ECDSA_SIG",
        tlv::RSA3072_PSS => "RSA3072_PSS",
        tlv::ED25519 => "ED25519",
        0x25 => "SIG_PURE",
        0x30..=0x34 => "ENC",
        tlv::DEPENDENCY => "DEPENDENCY",
        tlv::SEC_CNT => "SEC_CNT",
        tlv::BOOT_RECORD => "BOOT_RECORD",
        0x70..=0x73 => "DECOMP",
        tlv::UUID_VID => "UUID_VID",
        tlv::UUID_CID => "UUID_CID",
        tlv::RSA4096_PSS => "RSA4096_PSS",
        tlv::RSA2048_PKCS1 => "RSA2048_PKCS1",
        tlv::RSA3072_PKCS1 => "RSA3072_PKCS1",
        tlv::RSA4096_PKCS1 => "RSA4096_PKCS1",
        _ => "unknown",
    }
}
