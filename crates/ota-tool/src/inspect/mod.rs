//! `ota inspect`: what is in a file, without believing it. Total: any bytes get an answer.

mod flash;
mod image;
mod journal;
mod keys;
pub(crate) mod package;
mod patch;

use crate::delta;
use crate::files;
use crate::ids;
use crate::keys::KeyRing;
use crate::output::Output;
use anyhow::{Context, Result};
use flash::LayoutArgs;
use ota_verify::{blob, image::MAGIC as IMAGE_MAGIC, package::MAGIC as PACKAGE_MAGIC};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Inspects.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image, package, patch, key, or a dump of a slot, a journal or a whole flash
    file: PathBuf,
    /// What it is, when looking at it does not tell
    #[arg(long, value_enum, default_value = "auto")]
    kind: Kind,
    /// Keys to judge signatures by (blob or PEM); without one, signatures are only shown
    #[arg(long, short)]
    key: Vec<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// What a file can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// By its first bytes and its size
    Auto,
    /// Image, or a dump of a slot
    Image,
    /// Package
    Package,
    /// Patch
    Patch,
    /// Key blob or PEM
    Key,
    /// Dump of a journal
    Journal,
    /// Dump of a flash with slots and journal; see the layout options
    Flash,
}

/// What was found, and which rules it breaks.
struct Found {
    value: Value,
    problems: Vec<String>,
}

impl Found {
    fn good(value: Value) -> Self {
        Self { value, problems: Vec::new() }
    }
    fn broken(value: Value, problem: impl Into<String>) -> Self {
        Self { value, problems: vec![problem.into()] }
    }
}

/// Shows what is in the file. Exit code 1 when it breaks a rule.
///
/// # Errors
/// When the file cannot be read, or the layout options make no sense.
pub fn run(args: &Args, output: Output) -> Result<ExitCode> {
    let bytes = files::read(&args.file)?;
    let ring = KeyRing::from_files(&args.key)?;
    let kind = if args.kind == Kind::Auto { detect(&bytes, &args.layout) } else { Some(args.kind) };
    let found = match kind {
        Some(Kind::Image) => image::inspect(&bytes, &ring),
        Some(Kind::Package) => package::inspect(&bytes, &ring),
        Some(Kind::Patch) => patch::inspect(&bytes),
        Some(Kind::Key) => keys::inspect(&bytes),
        Some(Kind::Journal) => journal::inspect(&bytes, args.layout.write_size()),
        Some(Kind::Flash) => flash::inspect(&bytes, &args.layout, &ring).context("reading the flash dump")?,
        Some(Kind::Auto) | None => unknown(&bytes),
    };
    let mut value = json!({ "file": args.file.display().to_string(), "bytes": bytes.len() });
    merge(&mut value, found.value);
    value["problems"] = json!(found.problems);
    output.result(&value);
    Ok(if found.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn detect(bytes: &[u8], layout: &LayoutArgs) -> Option<Kind> {
    // A flash dump starts with an image too: what was asked for, or the size of a known board, decides first.
    if layout.is_given() || layout.fits_board(bytes.len()) {
        return Some(Kind::Flash);
    }
    if bytes.starts_with(&PACKAGE_MAGIC) {
        Some(Kind::Package)
    } else if bytes.starts_with(&delta::MAGIC) {
        Some(Kind::Patch)
    } else if bytes.starts_with(&blob::MAGIC) || bytes.starts_with(b"-----BEGIN ") {
        Some(Kind::Key)
    } else if bytes.starts_with(&IMAGE_MAGIC.to_le_bytes()) {
        Some(Kind::Image)
    } else if journal::looks_like(bytes) {
        Some(Kind::Journal)
    } else {
        None
    }
}

fn unknown(bytes: &[u8]) -> Found {
    let erased = [0xFF, 0x00].into_iter().find(|e| !bytes.is_empty() && bytes.iter().all(|b| b == e));
    match (bytes, erased) {
        ([], _) => Found::broken(json!({ "kind": "empty file" }), "the file has no bytes"),
        (_, Some(value)) => Found::good(json!({ "kind": "erased flash", "erase_value": format!("0x{value:02x}") })),
        _ => {
            let first = files::hex(bytes.get(..16).unwrap_or(bytes));
            Found::broken(
                json!({ "kind": "unknown", "first_bytes": first }),
                "neither image, package, patch, key nor journal; for a flash dump give --board or --slot-a, --slot-b, --journal",
            )
        }
    }
}

/// Adds the fields of `more`.
pub(crate) fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (value, more) {
        fields.extend(more);
    }
}

fn version_json(v: ota_verify::Version) -> Value {
    json!(ids::version_text(v))
}
