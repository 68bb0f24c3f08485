//! `ota diff`.

use crate::delta::{self, Isa, Profile};
use crate::files::{self, Access};
use crate::inspect::merge;
use crate::output::Output;
use anyhow::{Context, Result, bail, ensure};
use ota_diff::{Header, Options, Progress};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Makes a patch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that devices have and the file that they are to get: images, or raw firmware. With --no-base only the
    /// new one, with --from-bsdiff only the old one
    #[arg(value_names = ["OLD", "NEW"], num_args = 1..=2, required = true)]
    files: Vec<PathBuf>,
    /// Where the patch goes
    #[arg(long, short)]
    out: PathBuf,
    /// Compresses NEW as a whole: for devices with an unknown or no image
    #[arg(long, conflicts_with = "from_bsdiff")]
    no_base: bool,
    /// Makes the patch from one that bsdiff made for OLD (BSDIFF40), when the new file is not at hand
    #[arg(long, value_name = "PATCH")]
    from_bsdiff: Option<PathBuf>,
    /// How much the decoder of the devices remembers
    #[arg(long, value_enum, ignore_case = true, default_value = "m")]
    profile: Profile,
    /// Instruction set of the files
    #[arg(long, value_enum, default_value = "auto")]
    arch: Isa,
    /// Overwrites an existing file
    #[arg(long, short)]
    force: bool,
}

/// What is encoded.
enum Input<'a> {
    Pair(&'a Path, &'a Path),
    Whole(&'a Path),
    Foreign(&'a Path, &'a Path),
}

/// Encodes, which includes decoding again and comparing, and writes.
///
/// # Errors
/// When a file cannot be read, is empty or is too large.
pub fn run(args: &Args, output: Output) -> Result<()> {
    files::check_out(&args.out, args.force, args.files.iter().chain(&args.from_bsdiff).map(PathBuf::as_path))?;
    let input = input(args)?;
    let bar = output.bar(1000, "encoding");
    let mut progress = |progress: Progress| bar.set_position(u64::from(progress.permille));
    let mut options = Options { profile: args.profile.id(), arch: args.arch.choice(), progress: Some(&mut progress) };
    let started = Instant::now();
    let patch = encode(&input, &mut options)?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let header = Header::parse(&patch).context("the patch just made")?;
    files::write(&args.out, &patch, Access::Public)?;
    let mut result = json!({ "patch": args.out.display().to_string() });
    merge(&mut result, delta::describe(&header));
    result["seconds"] = json!((seconds * 1000.0).round() / 1000.0);
    output.result(&result);
    Ok(())
}

fn input(args: &Args) -> Result<Input<'_>> {
    Ok(match (args.files.as_slice(), args.no_base, &args.from_bsdiff) {
        ([old, new], false, None) => Input::Pair(old, new),
        ([new], true, None) => Input::Whole(new),
        ([old], false, Some(patch)) => Input::Foreign(old, patch),
        ([_], false, None) => bail!("two files are needed: OLD NEW; to compress one file as a whole, give --no-base"),
        (_, true, _) => bail!("with --no-base there is one file: the new one"),
        _ => bail!("with --from-bsdiff there is one file: the old one"),
    })
}

fn encode(input: &Input<'_>, options: &mut Options<'_>) -> Result<Vec<u8>> {
    let read = |path: &Path| {
        let bytes = files::read(path)?;
        ensure!(!bytes.is_empty(), "{} is empty", path.display());
        Ok(bytes)
    };
    match input {
        Input::Pair(old, new) => {
            let (old_bytes, new_bytes) = (read(old)?, read(new)?);
            let made = ota_diff::encode(&old_bytes, &new_bytes, options);
            made.with_context(|| format!("from {} to {}", old.display(), new.display()))
        }
        Input::Whole(new) => {
            ota_diff::compress(&read(new)?, options).with_context(|| format!("compressing {}", new.display()))
        }
        Input::Foreign(old, patch) => {
            let made = ota_diff::from_bsdiff40(&read(old)?, &read(patch)?, options);
            made.with_context(|| format!("converting {} over {}", patch.display(), old.display()))
        }
    }
}
