//! `ota verify`.

use crate::files;
use crate::ids;
use crate::image;
use crate::keys::KeyRing;
use crate::output::Output;
use crate::package;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ota_verify::manifest::FIRMWARE;
use ota_verify::package::Object;
use ota_verify::{Envelope, Identity, Manifest};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Verifies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image or package
    file: PathBuf,
    /// A key that may sign: blob or PEM; may be given several times
    #[arg(long, short, required = true)]
    key: Vec<PathBuf>,
    /// Vendor the device belongs to; without it, whatever the file says is taken
    #[arg(long)]
    vendor: Option<String>,
    /// Class the device belongs to
    #[arg(long, requires = "vendor")]
    class: Option<String>,
    /// Lowest security counter the device accepts
    #[arg(long, default_value_t = 0)]
    floor: u32,
}

/// Verifies as a device with these keys would.
///
/// # Errors
/// The rule that is broken.
pub fn run(args: &Args, output: Output) -> Result<()> {
    let bytes = files::read(&args.file)?;
    let ring = KeyRing::from_files(&args.key)?;
    let name = args.file.display();
    let result = match bytes.first_chunk().and_then(Object::sniff) {
        Some(Object::Image) => verify_image(args, &bytes, &ring),
        Some(Object::Package) => verify_package(args, &bytes, &ring),
        None => bail!("{name} is neither an image nor a package; `ota inspect` may know what it is"),
    };
    output.result(&result.with_context(|| format!("{name} is refused"))?);
    Ok(())
}

fn identity(args: &Args, said: Option<Identity>) -> Result<Identity> {
    let vendor = args.vendor.as_deref().map(ids::vendor);
    let class = vendor.zip(args.class.as_deref()).map(|(vendor, class)| ids::class(vendor, class));
    match (vendor, class, said) {
        (Some(vendor), Some(class), _) => Ok(Identity { vendor, class }),
        (_, _, None) => Err(anyhow!("the file names no vendor and class; devices need both")),
        (vendor, _, Some(said)) => Ok(Identity { vendor: vendor.unwrap_or(said.vendor), class: said.class }),
    }
}

fn verify_image(args: &Args, bytes: &[u8], ring: &KeyRing) -> Result<Value> {
    let mut medium = bytes;
    let refused = |e| anyhow!("{}", image::explain_in(bytes, &e));
    let info = ota_verify::ImageInfo::read(&mut medium).map_err(refused)?;
    let facts = info.facts(&mut medium).map_err(refused)?;
    let said = facts.vendor.zip(facts.class).map(|(vendor, class)| Identity { vendor, class });
    let proof = image::verify(bytes, ring, identity(args, said)?, args.floor)?;
    ensure!(
        proof.file_len() as usize == bytes.len(),
        "{} bytes follow the image",
        bytes.len() - proof.file_len() as usize
    );
    Ok(json!({
        "verified": "image",
        "version": ids::version_text(proof.version()),
        "security_counter": proof.security_counter(),
        "digest": files::hex(proof.digest()),
    }))
}

fn verify_package(args: &Args, bytes: &[u8], ring: &KeyRing) -> Result<Value> {
    let refused = |e| anyhow!("{}", package::explain(&e));
    let envelope = Envelope::split(bytes).map_err(refused)?;
    // The manifest is looked at before it is believed only to learn for whom it is; `open` then judges it.
    let said = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).ok().map(|m| *m.head());
    let said = said.map(|head| Identity { vendor: head.vendor, class: head.class });
    let none = Identity { vendor: ota_verify::Uuid([0; 16]), class: ota_verify::Uuid([0; 16]) };
    let identity = identity(args, Some(said.unwrap_or(none)))?;
    let manifest = package::open(bytes, ring, identity, args.floor)?;
    ensure!(manifest.package_len() as usize <= bytes.len(), "the package is cut short");
    let mut components = Vec::new();
    for component in manifest.components() {
        for payload in component.payloads() {
            let inner = package::payload_bytes(bytes, &payload)?;
            // What is in the firmware must start as well: its image is judged by the same keys.
            if component.head.name == FIRMWARE {
                image::verify(inner, ring, identity, args.floor).context("the firmware image inside")?;
            }
        }
        components.push(json!({
            "name": if component.head.name == FIRMWARE { "(firmware)" } else { component.head.name },
            "version": ids::version_text(component.head.version),
            "security_counter": component.head.security_counter,
        }));
    }
    Ok(json!({ "verified": "package", "sequence": manifest.head().sequence, "components": components }))
}
