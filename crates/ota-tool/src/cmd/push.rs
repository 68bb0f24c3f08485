//! `ota push`: offers an update through any MQTT broker and waits for the outcome.

mod broker;
mod endpoint;
mod link;
mod report;
mod show;
mod target;
mod tls;
mod topics;

use crate::files;
use crate::keys::{PrivateKey, Scheme};
use crate::linkkit::{self, Announcement, DeviceName};
use crate::output::Output;
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use endpoint::{Endpoint, Protocol};
use ota_download::url::Url;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Pushes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The object as it lies at the URL: package or image
    #[arg(required_unless_present = "clear")]
    file: Option<PathBuf>,
    /// Where devices fetch it: any static HTTP host or object store
    #[arg(long, required_unless_present = "clear")]
    url: Option<String>,
    /// Broker: [mqtt://][USER:PASSWORD@]HOST[:PORT], or mqtts:// for TLS; the password may come from OTA_MQTT_PASSWORD
    #[arg(long, short, default_value = "mqtt://127.0.0.1:1883")]
    broker: String,
    /// Certificate authorities (PEM) the broker's certificate is judged by [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// MQTT version
    #[arg(long, value_enum, default_value = "5")]
    protocol: Protocol,
    /// Devices: PRODUCTKEY/DEVICENAME, separated by commas, or @FILE with one a line
    #[arg(long, short, alias = "device", value_name = "LIST", required_unless_present = "group")]
    devices: Vec<String>,
    /// File with the devices of a group, one a line; `#` starts a comment
    #[arg(long, short, value_name = "FILE")]
    group: Option<PathBuf>,
    /// Product key of devices given by name only
    #[arg(long, value_name = "KEY")]
    product: Option<String>,
    /// Module; without it, the firmware
    #[arg(long, default_value = "")]
    module: String,
    /// Version as the device will report it [default: from the file]
    #[arg(long)]
    version: Option<String>,
    /// RSA key (PEM) that signs the object's digest (`digestsign`)
    #[arg(long, value_name = "PEM")]
    digestsign: Option<PathBuf>,
    /// Waits until every device reports the version or a failure
    #[arg(long, short)]
    wait: bool,
    /// With --wait: the whole command takes no longer than so many seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Leaves the offer at the broker (retained) for devices that are not connected now; `--clear` takes it back
    #[arg(long)]
    retain: bool,
    /// Takes offers back that --retain left: no file and no URL, only the devices
    #[arg(long, conflicts_with_all = ["file", "url", "wait", "retain", "version", "digestsign", "module"])]
    clear: bool,
}

/// Offers, and waits if told to. Exit code 1 when a device failed or did not answer.
///
/// # Errors
/// When an option makes no sense or the broker cannot be reached.
pub fn run(args: Args, output: Output) -> Result<ExitCode> {
    let devices = target::devices(&args.devices, args.group.as_deref(), args.product.as_deref())?;
    let update = if args.clear { None } else { Some(announcement(&args)?) };
    let endpoint = Endpoint::parse(&args.broker, args.protocol, args.ca.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let job = broker::Job {
        update: update.as_ref(),
        devices: &devices,
        wait_s: args.wait.then_some(args.timeout),
        retain: args.retain,
    };
    let outcomes = runtime.block_on(broker::run(&endpoint, &job, output))?;
    let mut result = json!({});
    if let Some(update) = &update {
        result = json!({
            "file": args.file.as_ref().map(|file| file.display().to_string()),
            "url": update.url,
            "version": update.version,
            "size": update.size,
            "sha256": update.sha256,
        });
    }
    result["devices"] = outcomes.json();
    output.result(&result);
    Ok(if outcomes.all_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn announcement(args: &Args) -> Result<Announcement> {
    let (file, url) = args.file.as_ref().zip(args.url.as_ref()).context("give the file and --url")?;
    // The device's own parser: what it refuses is not offered.
    Url::parse(url)
        .map_err(|e| anyhow!("--url {url}: {}; devices take http://HOST[:PORT]/PATH or https://", e.text()))?;
    let bytes = files::read(file)?;
    ensure!(!bytes.is_empty(), "{} is empty", file.display());
    let found = crate::serve::stated_version(&bytes, &args.module, true).with_context(|| file.display().to_string())?;
    let version = args.version.clone().or(found).context("the file does not say its version; give --version")?;
    linkkit::check_version(&version)?;
    let digest = files::sha256(&bytes);
    let digestsign = match &args.digestsign {
        None => None,
        Some(path) => {
            let key = PrivateKey::load(path)?;
            if !key.public()?.is_rsa() {
                bail!("--digestsign needs an RSA key");
            }
            Some(STANDARD.encode(key.sign(Scheme::Pkcs1, &digest)?))
        }
    };
    Ok(Announcement {
        module: if args.module == "default" { String::new() } else { args.module.clone() },
        version,
        url: url.clone(),
        size: bytes.len() as u64,
        sha256: files::hex(&digest),
        digestsign,
    })
}

/// Devices in the order given.
type Devices = Vec<DeviceName>;
