//! Deltas and compressed images, beside the full ones.

use super::{Found, Input};
use crate::delta::Profile;
use crate::files;
use crate::inspect::package::{form_name, slot_name};
use crate::keys::{PrivateKey, Scheme};
use crate::output::Output;
use crate::package::{PackageSpec, PayloadSpec};
use anyhow::{Context, Result, bail, ensure};
use ota_diff::Options;
use ota_verify::image::ImageInfo;
use ota_verify::manifest::{FIRMWARE, ForSlot, Form, Payload};
use ota_verify::package::Object;
use ota_verify::{Envelope, Identity, Manifest};
use serde_json::{Value, json};

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
    /// The file it comes from.
    name: String,
}

impl Encodings {
    /// Each OLD.
    pub(super) fn inputs(&self) -> Result<Vec<Input>> {
        let parse = |text: &String| {
            let input = Input::parse(text)?;
            ensure!(input.component == FIRMWARE, "deltas are made of firmware only; `{text}` names a component");
            Ok(input)
        };
        self.from.iter().map(parse).collect()
    }

    /// Adds what is asked for to the firmware; what is left out, because the full image is no larger, is told. An OLD that
    /// no payload can start from is an error.
    pub(super) fn add(
        &self,
        spec: &mut PackageSpec,
        from: &[Input],
        keys: &[(PrivateKey, Scheme)],
        output: Output,
    ) -> Result<Vec<Value>> {
        let asked = !from.is_empty() || self.compress;
        ensure!(asked || !self.no_full, "--no-full leaves nothing to pack; give --from or --compress with it");
        let firmware = spec.components.iter().position(|c| c.name == FIRMWARE).filter(|_| asked);
        let Some(firmware) = firmware else {
            ensure!(!asked, "--from, --compress and --no-full are about firmware; there is none");
            return Ok(Vec::new());
        };
        let full = spec.components[firmware].payloads.clone();
        let bases = bases(from, &full, spec.identity)?;
        let planned = self.planned(&full, &bases);
        let kept = if self.no_full { Vec::new() } else { full.clone() };
        spec.components[firmware].payloads =
            kept.iter().cloned().chain(planned.iter().map(Planned::stand_in)).collect();
        spec.check_room(keys).context("nothing was encoded yet")?;
        let (encoded, left_out) = self.encode(&planned, output)?;
        for new in full.iter().filter(|_| self.no_full) {
            ensure!(
                encoded.iter().any(|payload| payload.slot == new.slot),
                "with --no-full, nothing is left for slot {}: {}; leave --no-full away, or give --from an image that \
                 devices run when this slot is free, or --compress",
                slot_name(new.slot),
                if planned.iter().any(|plan| plan.new.slot == new.slot) {
                    "no encoded payload is smaller than its full image"
                } else {
                    "no delta for it can start from what --from gives"
                }
            );
        }
        spec.components[firmware].payloads = kept.into_iter().chain(encoded).collect();
        Ok(left_out)
    }

    /// What is to be encoded: for each image the deltas, then the image on its own.
    fn planned<'a>(&self, full: &'a [PayloadSpec], bases: &'a [Base]) -> Vec<Planned<'a>> {
        let mut all: Vec<Planned<'_>> = Vec::new();
        for new in full {
            for base in bases.iter().filter(|base| base.leads_to(new)) {
                // The same image may be in two OLD files.
                let again = |plan: &Planned<'_>| {
                    plan.new.slot == new.slot && plan.base.is_some_and(|other| other.bytes == base.bytes)
                };
                if !all.iter().any(again) {
                    all.push(Planned { new, base: Some(base) });
                }
            }
            all.extend(self.compress.then_some(Planned { new, base: None }));
        }
        all
    }

    /// The payloads, and what is told of those that are of no use.
    fn encode(&self, planned: &[Planned<'_>], output: Output) -> Result<(Vec<PayloadSpec>, Vec<Value>)> {
        let bar = output.bar(planned.len() as u64, "encoding");
        let (mut encoded, mut left_out) = (Vec::new(), Vec::new());
        for plan in planned {
            let options = &mut Options { profile: self.profile.id(), ..Options::default() };
            let bytes = match plan.base {
                Some(base) => ota_diff::encode(&base.bytes, &plan.new.bytes, options)?,
                None => ota_diff::compress(&plan.new.bytes, options)?,
            };
            bar.inc(1);
            if bytes.len() < plan.new.bytes.len() {
                encoded.push(plan.payload(bytes));
            } else {
                bar.suspend(|| output.warn(&plan.left_out_text(bytes.len())));
                left_out.push(plan.left_out(bytes.len()));
            }
        }
        bar.finish_and_clear();
        Ok((encoded, left_out))
    }
}

/// One payload that is to be encoded.
struct Planned<'a> {
    new: &'a PayloadSpec,
    base: Option<&'a Base>,
}

impl Planned<'_> {
    fn payload(&self, bytes: Vec<u8>) -> PayloadSpec {
        self.new.encoded(self.base.map(|base| &base.bytes[..]), bytes)
    }

    /// What is known of it already.
    fn stand_in(&self) -> PayloadSpec {
        self.payload(Vec::new())
    }

    /// As JSON, when it is of no use.
    fn left_out(&self, bytes: usize) -> Value {
        json!({
            "slot": slot_name(self.new.slot),
            "encoding": form_name(self.stand_in().encoding.form()),
            "from": self.base.map(|base| &base.name),
            "bytes": bytes,
            "image_bytes": self.new.image_size,
        })
    }

    fn left_out_text(&self, bytes: usize) -> String {
        let what = match self.base {
            Some(base) => format!("the delta from {}", base.name),
            None => "the compressed image".to_owned(),
        };
        let (slot, image) = (slot_name(self.new.slot), self.new.image_size);
        format!("{what} for slot {slot} is left out: it has {bytes} bytes, the full image {image}")
    }
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

/// The images in all OLD files.
fn bases(from: &[Input], full: &[PayloadSpec], identity: Identity) -> Result<Vec<Base>> {
    let mut all = Vec::new();
    for input in from {
        let name = input.path.display();
        let found = firmware_in(input)?;
        for base in &found {
            let image = Found::read(&base.bytes).with_context(|| name.to_string())?;
            ensure!(image.identity == identity, "{name} is firmware of another vendor or class than the new one");
        }
        ensure!(
            found.iter().any(|base| full.iter().any(|new| base.leads_to(new))),
            "no delta can start from {name}: it is the new firmware, or runs in the slot that the new one is for"
        );
        all.extend(found);
    }
    Ok(all)
}

/// The firmware in a file.
fn firmware_in(input: &Input) -> Result<Vec<Base>> {
    let bytes = files::read(&input.path)?;
    let name = input.path.display().to_string();
    match bytes.first_chunk().and_then(Object::sniff) {
        Some(Object::Image) => Ok(vec![Base { slot: input.slot, bytes, name }]),
        Some(Object::Package) => firmware_of(&bytes, &name),
        _ => bail!(
            "--from {name}: it is neither a signed image nor a package. A delta starts from the very file that devices \
             run, signature included: give the image that was released, or its package"
        ),
    }
}

fn firmware_of(package: &[u8], name: &str) -> Result<Vec<Base>> {
    let broken = |e| anyhow::anyhow!("{name}: {}", crate::package::explain(&e));
    let envelope = Envelope::split(package).map_err(broken)?;
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).map_err(broken)?;
    let firmware = manifest.component(FIRMWARE).with_context(|| format!("{name} holds no firmware"))?;
    let full = firmware.payloads().filter(|payload| payload.encoding.form() == Form::Raw);
    let base = |payload: Payload| {
        let bytes = crate::package::payload_bytes(package, &payload)?.to_vec();
        Ok(Base { slot: payload.slot, bytes, name: name.to_owned() })
    };
    let bases = full.map(base).collect::<Result<Vec<_>>>()?;
    ensure!(!bases.is_empty(), "{name} holds no full firmware image to start from");
    Ok(bases)
}
