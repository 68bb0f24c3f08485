//! Deltas and compressed images, beside the full ones.

use super::{Found, Input};
use crate::delta::Profile;
use crate::files;
use crate::output::Output;
use crate::package::{ComponentSpec, PayloadSpec};
use anyhow::{Context, Result, ensure};
use ota_diff::Options;
use ota_verify::image::ImageInfo;
use ota_verify::manifest::{Encoding, FIRMWARE, ForSlot, Form, Payload};
use ota_verify::package::Object;
use ota_verify::{Envelope, Identity, Manifest};

/// How firmware is encoded.
#[derive(Debug, clap::Args)]
pub(super) struct Encodings {
    /// Adds deltas from the firmware in OLD: `FILE[,slot=a|b]`, an image or a package. May be given several times
    #[arg(long, value_name = "OLD")]
    from: Vec<String>,
    /// Adds a compressed image for devices that do not hold the base of a delta
    #[arg(long)]
    compress: bool,
    /// Leaves the full firmware out: devices that can use none of the encoded payloads refuse the package
    #[arg(long)]
    no_full: bool,
    /// What decoder the devices have: s (2.25 KiB of RAM) or m (4 KiB)
    #[arg(long, value_enum, default_value = "m")]
    profile: Profile,
}

/// An image that devices run.
struct Base {
    slot: ForSlot,
    bytes: Vec<u8>,
}

impl Encodings {
    /// Adds what is asked for to the firmware. An OLD that no payload can start from is an error.
    pub(super) fn add(&self, components: &mut [ComponentSpec], identity: Identity, output: Output) -> Result<()> {
        let asked = !self.from.is_empty() || self.compress;
        ensure!(asked || !self.no_full, "--no-full leaves nothing to pack; give --from or --compress with it");
        let Some(firmware) = components.iter_mut().find(|c| c.name == FIRMWARE).filter(|_| asked) else {
            ensure!(!asked, "--from, --compress and --no-full are about firmware; there is none");
            return Ok(());
        };
        let full = firmware.payloads.clone();
        let bases = self.bases(&full, identity)?;
        let bar = output.bar((full.len() * (bases.len() + usize::from(self.compress))) as u64, "encoding");
        for new in &full {
            for old in bases.iter().filter(|old| old.leads_to(new)) {
                bar.inc(1);
                let delta = Encoding::Delta { base: files::sha256(&old.bytes) };
                // The same image may be in two OLD files.
                if firmware.payloads.iter().any(|other| other.slot == new.slot && other.encoding == delta) {
                    continue;
                }
                let bytes = ota_diff::encode(&old.bytes, &new.bytes, &mut self.options())?;
                firmware.payloads.extend(smaller(new.encoded(Some(&old.bytes), bytes), new));
            }
            if self.compress {
                let bytes = ota_diff::compress(&new.bytes, &mut self.options())?;
                bar.inc(1);
                firmware.payloads.extend(smaller(new.encoded(None, bytes), new));
            }
        }
        bar.finish_and_clear();
        if self.no_full {
            firmware.payloads.retain(|payload| payload.encoding.form() != Form::Raw);
            ensure!(!firmware.payloads.is_empty(), "no encoded payload is smaller than its full image");
        }
        Ok(())
    }

    /// The images in all OLD files.
    fn bases(&self, full: &[PayloadSpec], identity: Identity) -> Result<Vec<Base>> {
        let mut all = Vec::new();
        for text in &self.from {
            let found = bases(text)?;
            for base in &found {
                let image = Found::read(&base.bytes).with_context(|| text.clone())?;
                ensure!(image.identity == identity, "{text} is firmware of another vendor or class than the new one");
            }
            ensure!(
                found.iter().any(|base| full.iter().any(|new| base.leads_to(new))),
                "no delta can start from {text}: it is the new firmware, or runs in the slot that the new one is for"
            );
            all.extend(found);
        }
        Ok(all)
    }

    fn options(&self) -> Options<'static> {
        Options { profile: self.profile.id(), ..Options::default() }
    }
}

/// One that is not smaller than the image is of no use.
fn smaller(encoded: PayloadSpec, full: &PayloadSpec) -> Option<PayloadSpec> {
    (encoded.bytes.len() < full.bytes.len()).then_some(encoded)
}

impl Base {
    /// Whether a device that runs this image may be given that one: they take turns in the slots.
    fn leads_to(&self, new: &PayloadSpec) -> bool {
        let address = |bytes: &[u8]| ImageInfo::read(&mut &*bytes).ok().and_then(|info| info.header().rom_address());
        let (old_at, new_at) = (address(&self.bytes), address(&new.bytes));
        let same_slot = self.slot == new.slot && self.slot != ForSlot::Any;
        let same_place = old_at.is_some() && old_at == new_at;
        !same_slot && !same_place && self.bytes != new.bytes
    }
}

/// The firmware in a file.
fn bases(text: &str) -> Result<Vec<Base>> {
    let input = Input::parse(text)?;
    ensure!(input.component == FIRMWARE, "deltas are made of firmware only; `{text}` names a component");
    let bytes = files::read(&input.path)?;
    if bytes.first_chunk().and_then(Object::sniff) != Some(Object::Package) {
        let bytes = input.load()?.bytes;
        return Ok(vec![Base { slot: input.slot, bytes }]);
    }
    let broken = |e| anyhow::anyhow!("{}: {}", input.path.display(), crate::package::explain(&e));
    let envelope = Envelope::split(&bytes).map_err(broken)?;
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).map_err(broken)?;
    let firmware = manifest.component(FIRMWARE).with_context(|| format!("{text} holds no firmware"))?;
    let full = firmware.payloads().filter(|payload| payload.encoding.form() == Form::Raw);
    let base = |payload: Payload| {
        Ok(Base { slot: payload.slot, bytes: crate::package::payload_bytes(&bytes, &payload)?.to_vec() })
    };
    let bases = full.map(base).collect::<Result<Vec<_>>>()?;
    ensure!(!bases.is_empty(), "{text} holds no full firmware image to start from");
    Ok(bases)
}
