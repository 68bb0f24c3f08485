//! `ota patch`.

use crate::files::{self, Access};
use crate::output::Output;
use anyhow::{Context, Result, bail, ensure};
use ota_diff::{ApplyError, Header};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Applies a patch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that the patch was made for, and the patch. For a compressed image the patch alone
    #[arg(value_names = ["OLD", "PATCH"], num_args = 1..=2, required = true)]
    files: Vec<PathBuf>,
    /// Where the new file goes
    #[arg(long, short)]
    out: PathBuf,
    /// Overwrites an existing file
    #[arg(long, short)]
    force: bool,
}

/// Checks the base, decodes, checks the result, writes.
///
/// # Errors
/// When the patch is damaged or was made for another file. Nothing is written then.
pub fn run(args: &Args, output: Output) -> Result<()> {
    files::check_out(&args.out, args.force, args.files.iter().map(PathBuf::as_path))?;
    let (old_path, patch_path) = match args.files.as_slice() {
        [old, patch] => (Some(old), patch),
        [patch] => (None, patch),
        _ => bail!("give OLD and PATCH"),
    };
    let patch = files::read(patch_path)?;
    let name = patch_path.display();
    let header = header(&patch).with_context(|| format!("{name} is refused"))?;
    let old = match (old_path, header.old_size()) {
        (Some(old), 0) => bail!("{name} is a compressed image and takes no old file; leave {} away", old.display()),
        (None, size) if size > 0 => {
            bail!("{name} is a patch for a file of {size} bytes{}; give it: OLD PATCH", base(&header))
        }
        (Some(old), _) => files::read(old)?,
        (None, _) => Vec::new(),
    };
    let started = Instant::now();
    let new = match ota_diff::patch(&old, &patch) {
        Ok(new) => new,
        Err(ApplyError::Base) => {
            let old_name = old_path.map_or_else(|| "nothing".to_owned(), |path| path.display().to_string());
            return Err(wrong_base(&old, &header).context(format!("{name} does not fit {old_name}")));
        }
        Err(error) => {
            let why = "; nothing was written. Fetch the patch again, or make it anew";
            return Err(error).with_context(|| format!("{name} is refused{why}"));
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    files::write(&args.out, &new, Access::Public)?;
    output.result(&json!({
        "file": args.out.display().to_string(),
        "bytes": new.len(),
        "sha256": files::hex(&files::sha256(&new)),
        "seconds": (seconds * 1e6).round() / 1e6,
    }));
    Ok(())
}

/// The header of a patch that is there as a whole.
fn header(patch: &[u8]) -> Result<Header> {
    let header = Header::parse(patch)?;
    let (is, said) = (patch.len() as u64, u64::from(header.patch_len()));
    ensure!(is >= said, "it is cut short: {is} of {said} bytes are there. Fetch it again");
    ensure!(is == said, "{} bytes follow the patch. Fetch it again", is - said);
    Ok(header)
}

/// Which file a patch was made for.
fn base(header: &Header) -> String {
    format!(" whose SHA-256 begins with {}", files::hex(header.base_digest()))
}

fn wrong_base(old: &[u8], header: &Header) -> anyhow::Error {
    let digest = files::sha256(old);
    if header.is_target(&digest) {
        return anyhow::anyhow!("it is the new file already: the patch was applied before");
    }
    anyhow::anyhow!(
        "the patch was made for a file of {} bytes{}, this one has {} bytes and {}; nothing was written. Give the file \
         that the patch was made for",
        header.old_size(),
        base(header),
        old.len(),
        files::hex(digest.get(..8).unwrap_or(&digest)),
    )
}
