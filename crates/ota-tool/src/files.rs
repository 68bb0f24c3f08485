//! Files: read within bounds, written whole or not at all.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Largest key file.
const SMALL_MAX: u64 = 64 << 10;
/// Largest list of devices or bundle of certificates.
const LIST_MAX: u64 = 16 << 20;
/// Largest image or package this tool takes into memory.
const LARGE_MAX: u64 = 1 << 30;

/// Reads a key or other small file.
///
/// # Errors
/// When it is missing, unreadable or larger than 64 KiB.
pub fn read_small(path: &Path) -> Result<Vec<u8>> {
    read_bounded(path, SMALL_MAX)
}

/// Reads a list of devices or a bundle of certificates.
///
/// # Errors
/// When it is missing, unreadable or larger than 16 MiB.
pub fn read_list(path: &Path) -> Result<Vec<u8>> {
    read_bounded(path, LIST_MAX)
}

/// Reads an image, package or dump.
///
/// # Errors
/// When it is missing, unreadable or larger than 1 GiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_bounded(path, LARGE_MAX)
}

fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.metadata()?.is_dir() {
        bail!("{} is a directory; a file is needed", path.display());
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() as u64 <= max, "{} is larger than {max} bytes", path.display());
    Ok(bytes)
}

/// Who may read a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever the umask allows.
    Public,
    /// The owner only (0600).
    Secret,
}

/// Writes `bytes` beside `path`, flushes them to the disk, then renames: readers see the old file or the new one.
///
/// # Errors
/// When the directory cannot be written to; no partial file stays.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    let temp = beside(path)?;
    let done = write_new(&temp, bytes, access).and_then(|()| Ok(fs::rename(&temp, path)?));
    if done.is_err() {
        let _ = fs::remove_file(&temp);
    }
    done.with_context(|| format!("cannot write {}", path.display()))
}

fn beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let mut temp = std::ffi::OsString::from(".");
    temp.push(name);
    temp.push(format!(".{:08x}.tmp", rand::random::<u32>()));
    Ok(path.with_file_name(temp))
}

fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// Finds out before the work what would be in the way of [`write()`] after it. Refuses to overwrite unless told to, and one
/// of the `inputs` in any case: what was read is gone then, and cannot be read again.
///
/// # Errors
/// When `path` exists and `force` is not set, when it is an input, or when its directory is missing.
pub fn check_out<'a>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let shown = path.display();
    ensure!(path.file_name().is_some(), "{shown} names no file");
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_there = directory.is_dir();
    ensure!(is_there, "cannot write {shown}: there is no directory {}; make it first", directory.display());
    ensure!(!path.is_dir(), "cannot write {shown}: it is a directory; give the name of a file in it");
    for input in inputs {
        ensure!(
            !is_same(path, input),
            "{shown} is also an input, and would be lost; choose another name for the output"
        );
    }
    ensure!(force || !path.exists(), "{shown} exists; choose another name or give --force");
    Ok(())
}

/// Whether two names lead to one file.
fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        place(a).is_some_and(|found| place(b) == Some(found))
    }
    #[cfg(not(unix))]
    fs::canonicalize(a).is_ok_and(|found| fs::canonicalize(b).is_ok_and(|other| other == found))
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("occupied");
        fs::create_dir(&target).unwrap();
        assert!(write(&target, b"x", Access::Public).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_in_the_way_of_an_output_is_told_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        let [input, out] = ["input", "out"].map(|name| dir.path().join(name));
        let why = |out: &Path, force| check_out(out, force, [&*input]).err().map(|e| e.to_string()).unwrap_or_default();
        fs::write(&input, b"x").unwrap();
        assert_eq!(why(&out, false), "");
        fs::write(&out, b"x").unwrap();
        assert!(why(&out, false).contains("--force"));
        assert_eq!(why(&out, true), "");
        assert!(why(&dir.path().join("none/out"), true).contains("none; make it first"));
        assert!(why(dir.path(), true).contains("is a directory"));
        assert!(why(&dir.path().join(".."), true).contains("names no file"));
        // By any name.
        fs::create_dir(dir.path().join("sub")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&input, dir.path().join("sub/link")).unwrap();
        for name in ["input", "./input", "sub/../input", if cfg!(unix) { "sub/link" } else { "input" }] {
            assert!(why(&dir.path().join(name), true).contains("also an input"), "{name}");
        }
        assert!(check_out(Path::new("in-the-working-directory"), false, []).is_ok());
    }

    #[test]
    fn an_existing_file_is_replaced_whole_and_its_access_narrowed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("key.pem");
        fs::write(&target, b"older and longer").unwrap();
        write(&target, b"new", Access::Secret).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
