//! `ota sign`.

use crate::files::{self, Access};
use crate::ids;
use crate::image::ImageSpec;
use crate::keys::{self, PrivateKey, Scheme};
use crate::output::Output;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::PathBuf;

/// Signs a payload.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the device is to run: a raw binary, or an executable on boards that start one
    payload: PathBuf,
    /// Where the image goes
    #[arg(long, short)]
    out: PathBuf,
    /// Private key (PEM)
    #[arg(long, short)]
    key: PathBuf,
    /// How an RSA key signs
    #[arg(long, value_enum, default_value = "pss")]
    scheme: Scheme,
    /// Version: MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD
    #[arg(long)]
    version: String,
    /// Security counter, or `auto` (from the version, as imgtool does). Once an image is confirmed, no image with a
    /// lower counter starts any more: raise it only when going back would be unsafe
    #[arg(long)]
    counter: String,
    /// Vendor: a UUID, or a domain name
    #[arg(long)]
    vendor: String,
    /// Class of device: a UUID, or a name within the vendor's
    #[arg(long)]
    class: String,
    /// Where the payload starts. Cortex-M vector tables need a power of two above their length
    #[arg(long, default_value = "512", value_parser = ids::number, value_name = "BYTES")]
    header_size: u32,
    /// For an image that runs in place: the address of the SLOT it is linked for, not of the payload, which lies
    /// --header-size further. Sets ROM_FIXED; a device refuses the image in another slot. Images that are copied
    /// before they run need none
    #[arg(long, value_parser = ids::number, value_name = "ADDRESS")]
    rom_address: Option<u32>,
    /// Refuses an image larger than this
    #[arg(long, value_parser = ids::number, value_name = "BYTES")]
    slot_size: Option<u32>,
    /// Overwrites an existing file
    #[arg(long, short)]
    force: bool,
}

/// Signs, verifies, writes.
///
/// # Errors
/// When an input is unusable or the result would be refused by a device.
pub fn run(args: &Args, output: Output) -> Result<()> {
    files::check_out(&args.out, args.force, [&*args.payload, &*args.key])?;
    let key = PrivateKey::load(&args.key)?;
    let payload = files::read(&args.payload)?;
    let version = ids::version(&args.version)?;
    let security_counter = match args.counter.as_str() {
        "auto" => ids::auto_counter(version),
        number => ids::number(number).context("--counter")?,
    };
    let spec = ImageSpec {
        version,
        security_counter,
        identity: ids::identity(&args.vendor, &args.class),
        header_size: u16::try_from(args.header_size).ok().context("--header-size must be below 65536")?,
        rom_address: args.rom_address,
    };
    let image =
        spec.build(&payload, &key, args.scheme).with_context(|| format!("signing {}", args.payload.display()))?;
    if let Some(slot) = args.slot_size {
        ensure!(image.len() as u64 <= u64::from(slot), "the image has {} bytes, the slot only {slot}", image.len());
    }
    files::write(&args.out, &image, Access::Public)?;
    let public = key.public()?;
    output.result(&json!({
        "image": args.out.display().to_string(),
        "bytes": image.len(),
        "payload_bytes": payload.len(),
        "version": ids::version_text(version),
        "security_counter": security_counter,
        "vendor": spec.identity.vendor.to_string(),
        "class": spec.identity.class.to_string(),
        "algorithm": keys::name(public.algorithm(args.scheme)),
        "key_id": files::hex(&public.id()?.0),
        "sha256": files::hex(&files::sha256(&image)),
    }));
    Ok(())
}
