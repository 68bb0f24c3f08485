//! Writes the package format that `ota-verify` reads.

use crate::files;
use crate::keys::{KeyRing, PrivateKey, Scheme};
use anyhow::{Context, Result, anyhow, bail, ensure};
use ota_hal::SlotId;
use ota_verify::manifest::{Accepts, ComponentHead, Encoding, ForSlot, Head, NAME_MAX, Payload, SCHEMA};
use ota_verify::package::{ENVELOPE_MAX, HEAD_LEN, MAGIC, signed_digest};
use ota_verify::{Envelope, Identity, Manifest, PackageError, Refusal, Rules, Version};

/// One payload, still in memory.
#[derive(Debug, Clone)]
pub struct PayloadSpec {
    /// Which slot it is for.
    pub slot: ForSlot,
    /// How it becomes the image.
    pub encoding: Encoding,
    /// Bytes of the complete image.
    pub image_size: u32,
    /// SHA-256 of the complete image.
    pub image_digest: [u8; 32],
    /// The bytes of the payload.
    pub bytes: Vec<u8>,
}

impl PayloadSpec {
    /// A complete image as it is.
    #[must_use]
    pub fn full(slot: ForSlot, bytes: Vec<u8>) -> Self {
        let image_size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { slot, encoding: Encoding::Raw, image_size, image_digest: files::sha256(&bytes), bytes }
    }

    /// The same image as a delta from `base`, or compressed.
    #[must_use]
    pub fn encoded(&self, base: Option<&[u8]>, bytes: Vec<u8>) -> Self {
        let encoding = base.map_or(Encoding::Compressed, |base| Encoding::Delta { base: files::sha256(base) });
        Self { encoding, bytes, ..*self }
    }
}

/// One component of a package to be written.
#[derive(Debug, Clone)]
pub struct ComponentSpec {
    /// Name; empty for the firmware.
    pub name: String,
    /// Version of the image.
    pub version: Version,
    /// Its security counter.
    pub security_counter: u32,
    /// Its payloads.
    pub payloads: Vec<PayloadSpec>,
}

/// A package to be written.
#[derive(Debug, Clone)]
pub struct PackageSpec {
    /// Vendor and class.
    pub identity: Identity,
    /// Sequence number of the manifest.
    pub sequence: u32,
    /// Components.
    pub components: Vec<ComponentSpec>,
}

impl PackageSpec {
    /// Builds and signs a package, then has the device's reader open it and select every payload.
    ///
    /// # Errors
    /// When it does not fit the format, or the result would be refused.
    pub fn build(&self, keys: &[(PrivateKey, Scheme)]) -> Result<Vec<u8>> {
        self.check()?;
        ensure!(!keys.is_empty(), "a package needs at least one signing key");
        let (end, envelope) = self.fitted(keys)?;
        let mut package = MAGIC.to_vec();
        package.extend(u16::try_from(envelope.len())?.to_le_bytes());
        package.extend([0, 0]);
        package.extend(envelope);
        package.resize(end as usize, 0);
        self.components.iter().flat_map(|c| &c.payloads).for_each(|p| package.extend(&p.bytes));
        self.read_back(&package, keys).context("the package does not verify: a defect of this tool")?;
        Ok(package)
    }

    /// Finds out, before payloads are encoded, whether manifest and signatures have room. Payloads without bytes stand in:
    /// the real ones need no less.
    ///
    /// # Errors
    /// When they do not.
    pub fn check_room(&self, keys: &[(PrivateKey, Scheme)]) -> Result<()> {
        self.fitted(keys).map(drop)
    }

    /// Where the payloads begin, and what comes before them, without the first bytes.
    fn fitted(&self, keys: &[(PrivateKey, Scheme)]) -> Result<(u32, Vec<u8>)> {
        // The manifest holds absolute offsets, and their length on the wire depends on their values: the envelope
        // grows until it fits itself.
        let mut end = HEAD_LEN as u32;
        let mut envelope = self.envelope(end, keys)?;
        for _ in 0..4 {
            let needed = HEAD_LEN as u32 + u32::try_from(envelope.len())?;
            if needed == end {
                break;
            }
            end = needed.max(end);
            envelope = self.envelope(end, keys)?;
            // A P-256 signature has 70 to 72 bytes; a shorter envelope is fine, payloads then start after a gap.
        }
        let head = HEAD_LEN + envelope.len();
        ensure!(
            head <= ENVELOPE_MAX && head <= end as usize,
            "manifest and signatures take {head} bytes, {ENVELOPE_MAX} are allowed: use fewer components, payloads (--from) or signatures"
        );
        Ok((end, envelope))
    }

    fn check(&self) -> Result<()> {
        for (i, c) in self.components.iter().enumerate() {
            ensure!(c.name.len() <= NAME_MAX, "the component name `{}` is longer than {NAME_MAX} bytes", c.name);
            ensure!(
                self.components.iter().skip(i + 1).all(|other| other.name != c.name),
                "the component `{}` is given twice; variants of one component differ in slot, version and counter must agree",
                c.name
            );
        }
        Ok(())
    }

    fn envelope(&self, first_offset: u32, keys: &[(PrivateKey, Scheme)]) -> Result<Vec<u8>> {
        let manifest = self.manifest(first_offset)?;
        let digest = signed_digest(&manifest);
        let mut out = u16::try_from(manifest.len()).context("the manifest is too long")?.to_le_bytes().to_vec();
        out.extend(&manifest);
        out.push(u8::try_from(keys.len()).context("too many signatures")?);
        for (key, scheme) in keys {
            let public = key.public()?;
            let signature = key.sign(*scheme, &digest)?;
            out.push(public.algorithm(*scheme) as u8);
            out.extend(public.id()?.0);
            out.extend(u16::try_from(signature.len())?.to_le_bytes());
            out.extend(signature);
        }
        Ok(out)
    }

    fn manifest(&self, first_offset: u32) -> Result<Vec<u8>> {
        let Identity { vendor, class } = self.identity;
        let components = u8::try_from(self.components.len()).context("too many components")?;
        let mut out =
            postcard::to_stdvec(&Head { schema: SCHEMA, sequence: self.sequence, vendor, class, components })?;
        let mut offset = first_offset;
        for c in &self.components {
            let ComponentSpec { version, security_counter, .. } = *c;
            let payloads = u8::try_from(c.payloads.len()).context("too many payloads")?;
            out.extend(postcard::to_stdvec(&ComponentHead { name: &c.name, version, security_counter, payloads })?);
            for p in &c.payloads {
                let (length, digest) = (u32::try_from(p.bytes.len())?, files::sha256(&p.bytes));
                let PayloadSpec { slot, encoding, image_size, image_digest, .. } = *p;
                out.extend(postcard::to_stdvec(&Payload {
                    slot,
                    encoding,
                    image_size,
                    image_digest,
                    offset,
                    length,
                    digest,
                })?);
                offset = offset.checked_add(length).context("the package is larger than 4 GiB")?;
            }
        }
        Ok(out)
    }

    fn read_back(&self, package: &[u8], keys: &[(PrivateKey, Scheme)]) -> Result<()> {
        // Each key alone must do: a device may hold just one of them.
        for (key, scheme) in keys {
            let mut ring = KeyRing::new();
            ring.add(&key.public()?, *scheme)?;
            let manifest = open(package, &ring, self.identity, 0)?;
            check_payloads(package, &manifest)?;
            for (spec, payload) in self.components.iter().flat_map(|c| c.payloads.iter().map(move |p| (c, p))) {
                let slot = if payload.slot == ForSlot::B { SlotId::B } else { SlotId::A };
                let (accepts, base) = match payload.encoding {
                    Encoding::Raw => (Accepts::RAW, None),
                    Encoding::Compressed => (Accepts { delta: 0, ..Accepts::ALL }, None),
                    Encoding::Delta { base } => (Accepts::ALL, Some(base)),
                };
                let selected = manifest
                    .select(&spec.name, slot, accepts, &mut |held| base.as_ref() == Some(held))
                    .map_err(|e| anyhow!("{}", explain(&e)))?;
                ensure!(selected.version == spec.version, "a version reads back differently");
            }
        }
        Ok(())
    }
}

/// Opens a package with the device's own reader.
///
/// # Errors
/// The rule that is broken.
pub fn open<'a>(package: &'a [u8], ring: &KeyRing, identity: Identity, floor: u32) -> Result<Manifest<'a>> {
    let keys = ring.keys();
    let rules = Rules { keys: &keys.as_slice(), identity, floor };
    Envelope::open(package, &rules).map_err(|e| anyhow!("{}", explain(&e)))
}

/// Compares every payload with the digest the manifest gives.
///
/// # Errors
/// When a payload is cut short or differs.
pub fn check_payloads(package: &[u8], manifest: &Manifest<'_>) -> Result<()> {
    for component in manifest.components() {
        for payload in component.payloads() {
            payload_bytes(package, &payload).map(drop)?;
        }
    }
    Ok(())
}

/// The bytes of one payload, if they are what the manifest says.
///
/// # Errors
/// When the payload is cut short or differs.
pub fn payload_bytes<'a>(package: &'a [u8], payload: &Payload) -> Result<&'a [u8]> {
    let Some(bytes) = package.get(payload.offset as usize..payload.end() as usize) else {
        bail!("the payload at offset {} ends past the file: the package is cut short", payload.offset);
    };
    ensure!(
        files::sha256(bytes) == payload.digest,
        "the payload at offset {} does not match its digest",
        payload.offset
    );
    Ok(bytes)
}

/// The error's text with its numbers.
pub fn explain(e: &PackageError) -> String {
    match e {
        PackageError::Refused(Refusal::CounterTooLow { counter, floor }) => {
            format!("security counter {counter} is below the floor {floor} (downgrade)")
        }
        PackageError::Schema(n) => format!("{} ({n})", e.text()),
        other => other.text().to_owned(),
    }
}
