//! The served directory: what is in it, and what each file is.

use crate::files;
use crate::ids;
use crate::keys::{PrivateKey, Scheme};
use crate::linkkit::{Announcement, DeviceName};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ota_verify::manifest::FIRMWARE;
use ota_verify::package::Object;
use ota_verify::{Envelope, ImageInfo, Manifest};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A file that is never served or listed.
const PRIVATE: &str = "private key";
/// How its PEM is told, whatever the kind of key.
const PEM: &[u8] = b"PRIVATE KEY-----";

/// How much of a file tells what it is: more than any envelope or header.
const HEAD: usize = 4096;

/// What a file is.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    /// `image`, `package` or `file`.
    pub(super) kind: &'static str,
    /// Version as a cloud writes it, when the file says one.
    pub(super) version: Option<String>,
}

impl Described {
    /// A strong entity tag: the whole digest, short enough (45 bytes) for small clients to keep.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(self.sha256))
    }
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// A new file.
    New,
    /// In place of an older one.
    Replaced,
    /// Refused: there is one.
    Exists,
}

/// Over what a device is told of a file, and so over what it fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// MQTT; files come over HTTP.
    Mqtt,
    /// CoAP, for both.
    Coap,
}

/// What URLs in offers start with.
#[derive(Debug)]
pub(super) struct Bases {
    pub(super) http: String,
    /// `None` when no CoAP is spoken.
    pub(super) coap: Option<String>,
}

impl Bases {
    fn of(&self, link: Link) -> &str {
        if link == Link::Coap { self.coap.as_ref().unwrap_or(&self.http) } else { &self.http }
    }
}

/// The directory, its base URLs, and the digests computed so far.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    root: PathBuf,
    bases: Bases,
    digestsign: Option<PrivateKey>,
    known: Mutex<HashMap<PathBuf, (Stamp, Described)>>,
    /// One upload at a time decides whether its name is taken.
    uploading: Mutex<()>,
}

/// Tells one version of a file from the next.
type Stamp = (u64, Option<SystemTime>);

impl Store {
    pub(super) fn open(root: &Path, bases: Bases, digestsign: Option<&Path>) -> Result<Self> {
        let root = root.canonicalize().with_context(|| format!("cannot open {}", root.display()))?;
        let digestsign = digestsign.map(PrivateKey::load).transpose()?;
        if let Some(key) = &digestsign {
            ensure!(key.public()?.is_rsa(), "--digestsign needs an RSA key");
        }
        Ok(Self(Arc::new(Inner { root, bases, digestsign, known: Mutex::default(), uploading: Mutex::default() })))
    }

    /// Opens a served file. Hidden files, and links that lead out of the directory, do not exist.
    pub(super) fn file(&self, name: &str) -> Result<(File, Described)> {
        ensure!(is_clean(name), "no such file");
        let path = self.0.root.join(name).canonicalize().context("no such file")?;
        ensure!(path.starts_with(&self.0.root), "no such file");
        let mut file = File::open(&path).context("no such file")?;
        let meta = file.metadata()?;
        ensure!(meta.is_file(), "no such file");
        let stamp = (meta.len(), meta.modified().ok());
        let cached = self.known().get(&path).filter(|(s, _)| *s == stamp).map(|(_, d)| d.clone());
        let described = match cached {
            Some(described) => described,
            None => {
                let described = describe(&mut file)?;
                // `ota keygen` in the served directory is an easy mistake.
                ensure!(described.kind != PRIVATE, "no such file");
                self.known().insert(path, (stamp, described.clone()));
                described
            }
        };
        Ok((file, described))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stamp, Described)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files of the top directory, by name.
    pub(super) fn list(&self) -> Result<Vec<(String, Described)>> {
        let entries = std::fs::read_dir(&self.0.root)?.flatten();
        let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names.into_iter().filter_map(|name| self.file(&name).ok().map(|(_, d)| (name, d))).collect())
    }

    /// The version a file states for `module`.
    pub(super) fn version(&self, name: &str, module: &str) -> Result<Option<String>> {
        let (file, _) = self.file(name)?;
        let mut head = Vec::new();
        file.take(HEAD as u64).read_to_end(&mut head)?;
        stated_version(&head, module, false)
    }

    /// Takes a new file in, whole or not at all; over an existing one only when told to.
    pub(super) fn put(&self, name: &str, bytes: &[u8], replace: bool) -> Result<Put> {
        let plain = is_clean(name) && !name.contains('/') && name.len() <= 100;
        ensure!(plain, "`{name}` cannot be a file name here; use letters, digits, dots, dashes");
        ensure!(!bytes.is_empty(), "the file is empty");
        let path = self.0.root.join(name);
        let _guard = self.0.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        // A link that leads nowhere is a name that is taken, too.
        let exists = path.symlink_metadata().is_ok();
        if exists && !replace {
            return Ok(Put::Exists);
        }
        files::write(&path, bytes, files::Access::Public)?;
        Ok(if exists { Put::Replaced } else { Put::New })
    }

    /// Where a device finds what is pending for it, whatever the file is called.
    pub(super) fn download_url(&self, name: &DeviceName) -> String {
        format!("{}/topic/ota/device/download/{}", self.0.bases.of(Link::Coap), percent_encoded(&name.to_string()))
    }

    /// What a device is told of a file.
    pub(super) fn announce(&self, module: &str, file: &str, version: &str, link: Link) -> Result<Announcement> {
        let base = self.0.bases.of(link);
        let (_, described) = self.file(file).with_context(|| format!("the offered file {file}"))?;
        let digestsign =
            self.0.digestsign.as_ref().map(|key| key.sign(Scheme::Pkcs1, &described.sha256)).transpose()?;
        Ok(Announcement {
            module: module.to_owned(),
            version: version.to_owned(),
            url: format!("{base}/files/{}", percent_encoded(file)),
            size: described.size,
            sha256: files::hex(&described.sha256),
            digestsign: digestsign.map(|signature| STANDARD.encode(signature)),
        })
    }
}

fn is_clean(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

fn percent_encoded(path: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    path.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn describe(file: &mut File) -> Result<Described> {
    let mut head = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut buf = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        match file.read(&mut buf)? {
            0 => break,
            n => {
                hash.update(buf.get(..n).unwrap_or_default());
                size += n as u64;
            }
        }
    }
    file.rewind()?;
    let (kind, version) = identify(&head);
    let kind = if head.windows(PEM.len()).any(|at| at == PEM) { PRIVATE } else { kind };
    Ok(Described { size, sha256: hash.finalize().into(), kind, version })
}

/// What the first bytes say; not verified, for display and as the default version of an offer.
pub(crate) fn identify(head: &[u8]) -> (&'static str, Option<String>) {
    match head.first_chunk().and_then(Object::sniff) {
        Some(Object::Image) => {
            let header = head.first_chunk().and_then(|raw| ota_verify::image::Header::decode(raw).ok());
            ("image", header.map(|h| ids::cloud_version_text(h.version)))
        }
        Some(Object::Package) => ("package", package_version(head)),
        None => ("file", None),
    }
}

fn package_version(head: &[u8]) -> Option<String> {
    let envelope = Envelope::split(head).ok()?;
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).ok()?;
    let component = manifest.component(FIRMWARE).or_else(|| manifest.components().next())?;
    Some(ids::cloud_version_text(component.head.version))
}

/// The version that `bytes`, a whole file or its start, state for `module`. `None` for a file that states none.
///
/// # Errors
/// A package without that module; an image that is cut short, when `whole`.
pub(crate) fn stated_version(bytes: &[u8], module: &str, whole: bool) -> Result<Option<String>> {
    let (kind, version) = identify(bytes);
    let mut medium = bytes;
    if whole && kind == "image" && ImageInfo::read(&mut medium).is_err() {
        bail!("the image is damaged; `ota inspect` says how");
    }
    if kind != "package" {
        return Ok(version);
    }
    let envelope = Envelope::split(bytes).map_err(|e| anyhow::anyhow!("{}", e.text()))?;
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end());
    let manifest = manifest.map_err(|e| anyhow::anyhow!("{}", e.text()))?;
    ensure!(!whole || manifest.package_len() as usize <= bytes.len(), "the package is cut short");
    let component = manifest.component(module);
    let component = component.with_context(|| format!("the package holds nothing for module `{module}`"))?;
    Ok(Some(ids::cloud_version_text(component.head.version)))
}
