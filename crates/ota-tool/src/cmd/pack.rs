//! `ota pack`.

mod encoded;

use crate::files::{self, Access};
use crate::ids;
use crate::image::explain_in;
use crate::inspect::package::{form_name, slot_name};
use crate::keys::{PrivateKey, Scheme};
use crate::output::Output;
use crate::package::{ComponentSpec, PackageSpec, PayloadSpec};
use anyhow::{Context, Result, anyhow, bail, ensure};
use encoded::Encodings;
use ota_verify::image::ImageInfo;
use ota_verify::manifest::{Encoding, FIRMWARE, ForSlot};
use ota_verify::package::Object;
use ota_verify::{Identity, Uuid, Version};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Packs images.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What goes in: `[COMPONENT:]FILE[,slot=a|b][,version=V][,counter=N]`. Without a component it is the firmware;
    /// version and counter of signed images are read from the image
    #[arg(value_name = "INPUT", required_unless_present_any = ["slot_a", "slot_b"])]
    inputs: Vec<String>,
    /// Firmware image linked for slot A (the same as `FILE,slot=a`)
    #[arg(long, value_name = "IMAGE")]
    slot_a: Option<String>,
    /// Firmware image linked for slot B
    #[arg(long, value_name = "IMAGE")]
    slot_b: Option<String>,
    /// Where the package goes
    #[arg(long, short)]
    out: PathBuf,
    /// Private key (PEM); give several for a change of keys: a device needs to know one of them
    #[arg(long, short, required = true)]
    key: Vec<PathBuf>,
    /// How RSA keys sign
    #[arg(long, value_enum, default_value = "pss")]
    scheme: Scheme,
    /// Vendor, when no signed image says it
    #[arg(long)]
    vendor: Option<String>,
    /// Class of device, when no signed image says it
    #[arg(long, requires = "vendor")]
    class: Option<String>,
    /// Sequence number of the manifest; the default is the time in seconds (SOURCE_DATE_EPOCH is honoured)
    #[arg(long)]
    sequence: Option<u32>,
    /// Overwrites an existing file
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    encodings: Encodings,
}

/// Packs, verifies, writes.
///
/// # Errors
/// When an input is unusable or the result would be refused by a device.
pub fn run(args: &Args, output: Output) -> Result<()> {
    let bases = args.encodings.inputs()?;
    let mut inputs = args.inputs.iter().map(|text| Input::parse(text)).collect::<Result<Vec<_>>>()?;
    for (path, slot) in [(&args.slot_a, ForSlot::A), (&args.slot_b, ForSlot::B)] {
        inputs.extend(path.iter().map(|path| Input { slot, ..Input::new(FIRMWARE, path) }));
    }
    let read = inputs.iter().chain(&bases).map(|input| &input.path).chain(&args.key);
    files::check_out(&args.out, args.force, read.map(PathBuf::as_path))?;
    let keys = args.key.iter().map(|path| Ok((PrivateKey::load(path)?, args.scheme))).collect::<Result<Vec<_>>>()?;
    let loaded = inputs.iter().map(Input::load).collect::<Result<Vec<_>>>()?;
    let identity = identity(args, &loaded)?;
    let sequence = args.sequence.map_or_else(now, Ok)?;
    let mut spec = PackageSpec { identity, sequence, components: components(loaded)? };
    let left_out = args.encodings.add(&mut spec, &bases, &keys, output)?;
    let package = spec.build(&keys)?;
    files::write(&args.out, &package, Access::Public)?;
    output.result(&json!({
        "package": args.out.display().to_string(),
        "bytes": package.len(),
        "sequence": spec.sequence,
        "vendor": spec.identity.vendor.to_string(),
        "class": spec.identity.class.to_string(),
        "signatures": keys.len(),
        "components": spec.components.iter().map(|c| json!({
            "name": if c.name.is_empty() { "(firmware)" } else { &c.name },
            "version": ids::version_text(c.version),
            "security_counter": c.security_counter,
            "payloads": c.payloads.len(),
        })).collect::<Vec<_>>(),
        "payloads": spec.components.iter().flat_map(|c| c.payloads.iter().map(|p| payload_json(&c.name, p))).collect::<Vec<_>>(),
        "left_out": left_out,
        "sha256": files::hex(&files::sha256(&package)),
    }));
    Ok(())
}

fn payload_json(component: &str, payload: &PayloadSpec) -> Value {
    let base = match payload.encoding {
        Encoding::Delta { base } => Some(files::hex(&base)[..16].to_owned()),
        _ => None,
    };
    let permille = payload.bytes.len() as u64 * 1000 / u64::from(payload.image_size.max(1));
    json!({
        "component": if component.is_empty() { "(firmware)" } else { component },
        "slot": slot_name(payload.slot),
        "encoding": form_name(payload.encoding.form()),
        "base": base,
        "bytes": payload.bytes.len(),
        "of_image": format!("{}.{} %", permille / 10, permille % 10),
    })
}

/// One INPUT, parsed.
struct Input {
    component: String,
    path: PathBuf,
    slot: ForSlot,
    version: Option<Version>,
    counter: Option<u32>,
}

impl Input {
    fn new(component: &str, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Self { component: component.to_owned(), path, slot: ForSlot::Any, version: None, counter: None }
    }

    fn parse(text: &str) -> Result<Self> {
        // A file whose name holds a comma or a colon is taken as it is.
        if Path::new(text).exists() {
            return Ok(Self::new(FIRMWARE, text));
        }
        let mut parts = text.split(',');
        let file = parts.next().unwrap_or_default();
        let mut input = match file.split_once(':') {
            Some((component, path)) => Self::new(component, path),
            None => Self::new(FIRMWARE, file),
        };
        for option in parts {
            match option.split_once('=') {
                Some(("slot", "a" | "A")) => input.slot = ForSlot::A,
                Some(("slot", "b" | "B")) => input.slot = ForSlot::B,
                Some(("version", v)) => input.version = Some(ids::version(v)?),
                Some(("counter", n)) => input.counter = Some(ids::number(n)?),
                _ => {
                    bail!("`{option}` in `{text}` is not understood; possible are slot=a, slot=b, version=V, counter=N")
                }
            }
        }
        Ok(input)
    }

    fn load(&self) -> Result<Loaded> {
        let bytes = files::read(&self.path)?;
        ensure!(!bytes.is_empty(), "{} is empty", self.path.display());
        let is_image = bytes.first_chunk().and_then(Object::sniff) == Some(Object::Image);
        let found =
            if is_image { Some(Found::read(&bytes).with_context(|| self.path.display().to_string())?) } else { None };
        if found.is_none() && self.component == FIRMWARE {
            bail!(
                "{} is not a signed image; sign it first with `ota sign`, or name a component: NAME:FILE",
                self.path.display()
            );
        }
        let missing = || {
            format!(
                "{} is not a signed image, so its version and counter must be given: {}:FILE,version=1.2.3,counter=1",
                self.path.display(),
                self.component
            )
        };
        Ok(Loaded {
            component: self.component.clone(),
            slot: self.slot,
            version: self.version.or(found.as_ref().map(|f| f.version)).with_context(missing)?,
            counter: self.counter.or(found.as_ref().map(|f| f.counter)).with_context(missing)?,
            identity: found.map(|f| f.identity),
            bytes,
        })
    }
}

/// What a signed image says of itself.
struct Found {
    version: Version,
    counter: u32,
    identity: Identity,
}

impl Found {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut medium = bytes;
        let refused = |e| anyhow!("{}", explain_in(bytes, &e));
        let info = ImageInfo::read(&mut medium).map_err(refused)?;
        let facts = info.facts(&mut medium).map_err(refused)?;
        ensure!(info.file_len() as usize == bytes.len(), "bytes follow the image; a dump of a slot cannot be packed");
        let (Some(counter), Some(vendor), Some(class)) = (facts.security_counter, facts.vendor, facts.class) else {
            bail!(
                "the image lacks its security counter, vendor or class id; devices would refuse it. Sign with `ota sign`"
            );
        };
        Ok(Self { version: info.header().version, counter, identity: Identity { vendor, class } })
    }
}

/// One INPUT with its bytes.
struct Loaded {
    component: String,
    slot: ForSlot,
    version: Version,
    counter: u32,
    identity: Option<Identity>,
    bytes: Vec<u8>,
}

/// The options decide; images must agree with them, and the firmware with each other.
fn identity(args: &Args, loaded: &[Loaded]) -> Result<Identity> {
    let vendor = args.vendor.as_deref().map(ids::vendor);
    let class = vendor.zip(args.class.as_deref()).map(|(vendor, class)| ids::class(vendor, class));
    let mut firmware = loaded.iter().filter(|l| l.component == FIRMWARE).filter_map(|l| l.identity);
    let said: Option<Identity> = firmware.next().or_else(|| loaded.iter().find_map(|l| l.identity));
    ensure!(
        firmware.all(|other| Some(other) == said),
        "the firmware images are for different vendors or classes; pack them apart"
    );
    let pick = |given: Option<Uuid>, from_image: Option<Uuid>, what: &str| match (given, from_image) {
        (Some(given), Some(image)) if given != image => Err(anyhow!("--{what} is {given}, but the image says {image}")),
        (given, image) => given.or(image).with_context(|| format!("no signed image says the {what}; give --{what}")),
    };
    Ok(Identity {
        vendor: pick(vendor, said.map(|i| i.vendor), "vendor")?,
        class: pick(class, said.map(|i| i.class), "class")?,
    })
}

/// Variants of one component come together, in the order given.
fn components(loaded: Vec<Loaded>) -> Result<Vec<ComponentSpec>> {
    let mut out: Vec<ComponentSpec> = Vec::new();
    for l in loaded {
        let payload = PayloadSpec::full(l.slot, l.bytes);
        let name = if l.component.is_empty() { "firmware" } else { &l.component };
        match out.iter_mut().find(|c| c.name == l.component) {
            None => out.push(ComponentSpec {
                name: l.component,
                version: l.version,
                security_counter: l.counter,
                payloads: vec![payload],
            }),
            Some(c) => {
                ensure!(
                    c.version == l.version && c.security_counter == l.counter,
                    "the variants of `{name}` differ in version or security counter"
                );
                ensure!(
                    c.payloads.iter().all(|p| p.slot != payload.slot),
                    "`{name}` has two payloads for the same slot"
                );
                c.payloads.push(payload);
            }
        }
    }
    Ok(out)
}

fn now() -> Result<u32> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().context("SOURCE_DATE_EPOCH is not a number")?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs(),
    };
    u32::try_from(seconds).ok().context("the time does not fit the sequence number; give --sequence")
}
