//! `ota keygen`.

use crate::files::{self, Access};
use crate::keys::{self, KeyRing, KeyType, PrivateKey, Public, Scheme};
use crate::output::Output;
use anyhow::{Context, Result};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Makes a key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kind of key
    #[arg(long = "type", short = 't', value_enum, default_value = "rsa2048")]
    kind: KeyType,
    /// How the key will sign; part of the device's blob (RSA only)
    #[arg(long, value_enum, default_value = "pss")]
    scheme: Scheme,
    /// Base name: NAME.pem (private, readable by you only), NAME.pub.pem, NAME.pub (for devices)
    #[arg(long, short, value_name = "NAME")]
    out: PathBuf,
    /// Also writes NAME.rs, the blob as a Rust constant
    #[arg(long)]
    rust: bool,
    /// Takes an existing PEM (private or public) instead of making a key; writes the public files only
    #[arg(long, value_name = "PEM", conflicts_with = "kind")]
    from: Option<PathBuf>,
    /// Overwrites existing files
    #[arg(long, short)]
    force: bool,
}

/// Makes the key and writes its files.
///
/// # Errors
/// When a file exists or cannot be written.
pub fn run(args: &Args, output: Output) -> Result<()> {
    let private_path = with_suffix(&args.out, "pem");
    let (private, public) = match &args.from {
        Some(path) => (None, public_from(path)?),
        None => {
            files::check_out(&private_path, args.force, [])?;
            let key = PrivateKey::generate(args.kind)?;
            (Some(key.to_pem()?), key.public()?)
        }
    };
    let blob = public.blob(args.scheme)?;
    KeyRing::new().add_blob(blob.clone()).context("a device would not take this key: a defect of this tool")?;

    let mut written = Vec::new();
    let mut put = |suffix: &str, bytes: &[u8], access| -> Result<()> {
        let path = with_suffix(&args.out, suffix);
        files::check_out(&path, args.force, args.from.as_deref())?;
        files::write(&path, bytes, access)?;
        written.push(path.display().to_string());
        Ok(())
    };
    if let Some(pem) = &private {
        put("pem", pem.as_bytes(), Access::Secret)?;
    }
    put("pub.pem", public.to_pem()?.as_bytes(), Access::Public)?;
    put("pub", &blob, Access::Public)?;
    if args.rust {
        put("rs", rust_source(&public, args.scheme, &blob)?.as_bytes(), Access::Public)?;
    }
    output.result(&json!({
        "algorithm": keys::name(public.algorithm(args.scheme)),
        "key_id": files::hex(&public.id()?.0),
        "files": written,
    }));
    Ok(())
}

fn public_from(path: &Path) -> Result<Public> {
    let text = String::from_utf8(files::read_small(path)?).ok();
    let text = text.with_context(|| format!("{} is not a PEM file", path.display()))?;
    Public::from_pem(&text).with_context(|| format!("reading {}", path.display()))
}

/// `NAME` + `.suffix`, without touching dots in the name.
fn with_suffix(name: &Path, suffix: &str) -> PathBuf {
    let mut whole = name.as_os_str().to_owned();
    whole.push(".");
    whole.push(suffix);
    whole.into()
}

fn rust_source(public: &Public, scheme: Scheme, blob: &[u8]) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "// Public key {}, {}.", files::hex(&public.id()?.0), keys::name(public.algorithm(scheme)))?;
    writeln!(text, "// Made by `ota keygen`; parse it with `ota_verify`.")?;
    writeln!(text, "/// The key blob that signs updates for this device.")?;
    writeln!(text, "pub const KEY: [u8; {}] = [", blob.len())?;
    for line in blob.chunks(16) {
        let bytes: Vec<String> = line.iter().map(|b| format!("0x{b:02x}")).collect();
        writeln!(text, "    {},", bytes.join(", "))?;
    }
    text.push_str("];\n");
    Ok(text)
}
