//! The vendor of every image made here: a key, and what is signed and packed with it.

use crate::run::output;
use crate::world::{Programs, VENDOR};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// One of a device's two places for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    A,
    B,
}

impl Slot {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As command lines call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A built application.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) file: PathBuf,
    /// The slot it runs in and that slot's address; `None` when it is copied before it runs.
    pub(crate) linked: Option<(Slot, u32)>,
}

/// What an image says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label<'l> {
    pub(crate) version: &'l str,
    pub(crate) counter: u32,
    pub(crate) class: &'l str,
}

/// A signed image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) file: PathBuf,
    /// The slot it is linked for, if any.
    pub(crate) slot: Option<Slot>,
}

/// One signing key.
pub(crate) struct Vendor<'p> {
    programs: &'p Programs,
    key: PathBuf,
}

impl<'p> Vendor<'p> {
    /// Makes a key named `name` of type `kind` in `dir`.
    pub(crate) fn new(programs: &'p Programs, dir: &Path, name: &str, kind: &str) -> Result<Self> {
        let base = dir.join(name);
        output(programs.ota().args(["keygen", "--type", kind, "--out"]).arg(&base))?;
        Ok(Self { programs, key: base })
    }

    /// The private key.
    pub(crate) fn pem(&self) -> PathBuf {
        self.key.with_extension("pem")
    }
    /// What devices hold.
    pub(crate) fn blob(&self) -> PathBuf {
        self.key.with_extension("pub")
    }

    /// Signs `payload` as `version`, with this security counter, for this class; the image lies beside it.
    pub(crate) fn sign(&self, payload: &Path, version: &str, counter: u32, class: &str) -> Result<PathBuf> {
        let image = PathBuf::from(format!("{}-{counter}.img", payload.display()));
        let payload = Payload { file: payload.to_owned(), linked: None };
        self.sign_as(&payload, Label { version, counter, class }, &image)?;
        Ok(image)
    }

    /// Signs `payload` as `image`.
    pub(crate) fn sign_as(&self, payload: &Payload, label: Label<'_>, image: &Path) -> Result<()> {
        let mut sign = self.programs.ota();
        sign.arg("sign").arg(&payload.file).arg("--out").arg(image).arg("--key").arg(self.pem()).arg("--force");
        sign.args(["--version", label.version, "--counter", &label.counter.to_string()]);
        sign.args(["--vendor", VENDOR, "--class", label.class]);
        if let Some((_, address)) = payload.linked {
            sign.args(["--rom-address", &address.to_string()]);
        }
        output(&mut sign).map(drop)
    }

    /// Signs every payload of one application; the images are called `name` and lie in `dir`.
    pub(crate) fn sign_all(
        &self,
        dir: &Path,
        name: &str,
        payloads: &[Payload],
        label: Label<'_>,
    ) -> Result<Vec<Image>> {
        let image = |payload: &Payload| {
            let slot = payload.linked.map(|(slot, _)| slot);
            let file =
                dir.join(format!("{name}{}.img", slot.map_or(String::new(), |slot| format!("-{}", slot.name()))));
            self.sign_as(payload, label, &file)?;
            Ok(Image { file, slot })
        };
        payloads.iter().map(image).collect()
    }

    /// Packs one image that runs anywhere into `out`.
    pub(crate) fn pack(&self, image: &Path, out: &Path) -> Result<()> {
        self.pack_all(&[Image { file: image.to_owned(), slot: None }], out)
    }

    /// What `ota inspect` says of a package, as JSON.
    pub(crate) fn inspect(&self, package: &Path) -> Result<String> {
        // It fails for a package with a damaged payload, and shows it all the same.
        let out = self.programs.ota().args(["--json", "inspect"]).arg(package).output()?;
        String::from_utf8(out.stdout).context("not text")
    }

    /// Packs the images of one application into `out`.
    pub(crate) fn pack_all(&self, images: &[Image], out: &Path) -> Result<()> {
        self.pack_from(images, &[], &[], out)
    }

    /// The same with deltas from the images of another one, and with `more` options.
    pub(crate) fn pack_from(&self, images: &[Image], from: &[Image], more: &[&str], out: &Path) -> Result<()> {
        let mut pack = self.programs.ota();
        pack.arg("pack").arg("--out").arg(out).arg("--key").arg(self.pem()).arg("--force");
        for image in images {
            if let Some(slot) = image.slot {
                pack.arg(format!("--slot-{}", slot.name()));
            }
            pack.arg(&image.file);
        }
        for base in from {
            pack.arg("--from").arg(&base.file);
        }
        output(pack.args(more)).map(drop)
    }
}

/// The image that fits `slot`.
pub(crate) fn for_slot(images: &[Image], slot: Slot) -> Result<&Path> {
    let fits = images.iter().find(|image| image.slot.is_none_or(|of| of == slot));
    Ok(&fits.with_context(|| format!("no image was built for slot {}", slot.name()))?.file)
}
