//! OpenSSL: keys and signatures made by it are taken by us, ours by it.

use super::Outcome;
use super::peers::{Peers, version_of};
use crate::run::output;
use crate::world::{CLASS, Programs, Scratch, VENDOR};
use anyhow::{Context, Result, ensure};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bits of the key, scheme as `ota sign` names it, and the number of the signature's TLV.
const KINDS: [(u32, &str, u16); 4] =
    [(2048, "pss", 0x20), (3072, "pss", 0x23), (2048, "pkcs1", 0x20A1), (3072, "pkcs1", 0x20A2)];

pub(super) fn check(programs: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let dir = scratch.path().join("openssl");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("payload"), (0..20_000u32).map(|n| (n * 31 % 251) as u8).collect::<Vec<_>>())?;
    for (bits, scheme, tlv) in KINDS {
        let bench = Bench::new(programs, &dir, bits, scheme)?;
        bench.both_ways(tlv).with_context(|| format!("RSA-{bits}, {scheme}"))?;
    }
    let exchanged = "RSA-2048 and RSA-3072 keys made by openssl; PSS and PKCS#1 v1.5 signatures of images both ways";
    Ok(Outcome { peer: "openssl", version: version_of("openssl", "version")?, exchanged: exchanged.into() })
}

/// One key and one scheme.
struct Bench<'p> {
    programs: &'p Programs,
    dir: PathBuf,
    scheme: &'static str,
}

impl<'p> Bench<'p> {
    /// With a key pair made by OpenSSL.
    fn new(programs: &'p Programs, dir: &Path, bits: u32, scheme: &'static str) -> Result<Self> {
        let bench = Self { programs, dir: dir.join(format!("{bits}-{scheme}")), scheme };
        std::fs::create_dir_all(&bench.dir)?;
        let size = format!("rsa_keygen_bits:{bits}");
        output(
            Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out"]).arg(bench.pem()),
        )?;
        output(
            Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(bench.pem()).arg("-out").arg(bench.public()),
        )?;
        std::fs::copy(dir.join("payload"), bench.dir.join("payload"))?;
        Ok(bench)
    }

    fn pem(&self) -> PathBuf {
        self.dir.join("key.pem")
    }
    fn public(&self) -> PathBuf {
        self.dir.join("key.pub.pem")
    }

    /// OpenSSL accepts our signature and no other's; with one made by OpenSSL in its place we accept the image.
    fn both_ways(&self, tlv: u16) -> Result<()> {
        let image = self.sign()?;
        let bytes = std::fs::read(&image)?;
        let (signed, signature) = parts(&bytes, tlv).context("the image has no signature of this kind")?;
        let message = bytes.get(..signed).context("the image is shorter than it says")?;
        ensure!(self.openssl_accepts(message, &bytes[signature.clone()])?, "openssl refuses our signature");
        let mut other = message.to_vec();
        other[signed / 2] ^= 1;
        ensure!(!self.openssl_accepts(&other, &bytes[signature.clone()])?, "openssl accepts a changed image");

        let theirs = self.openssl_signs(message)?;
        ensure!(theirs.len() == signature.len(), "openssl's signature has {} bytes", theirs.len());
        // PKCS#1 v1.5 leaves a signer no choice; PSS has a random salt.
        ensure!((theirs == bytes[signature.clone()]) == (self.scheme == "pkcs1"), "the signatures compare wrongly");
        let mut resigned = bytes;
        resigned[signature.clone()].copy_from_slice(&theirs);
        ensure!(self.we_accept(&resigned)?, "we refuse openssl's signature");
        resigned[signature.start + 9] ^= 1;
        ensure!(!self.we_accept(&resigned)?, "we accept a damaged signature");
        Ok(())
    }

    fn sign(&self) -> Result<PathBuf> {
        let image = self.dir.join("image");
        let mut sign = self.programs.ota();
        sign.arg("sign").arg(self.dir.join("payload")).arg("--out").arg(&image).arg("--key").arg(self.pem());
        sign.args([
            "--scheme",
            self.scheme,
            "--version",
            "1.0.0",
            "--counter",
            "1",
            "--vendor",
            VENDOR,
            "--class",
            CLASS,
        ]);
        output(&mut sign).map(|_| image)
    }

    fn openssl(&self) -> Command {
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256"]);
        if self.scheme == "pss" {
            openssl.args(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]);
            openssl.args(["-sigopt", "rsa_mgf1_md:sha256"]);
        }
        openssl
    }

    fn openssl_accepts(&self, message: &[u8], signature: &[u8]) -> Result<bool> {
        let (at, by) = (self.dir.join("message"), self.dir.join("signature"));
        std::fs::write(&at, message)?;
        std::fs::write(&by, signature)?;
        let done = self.openssl().arg("-verify").arg(self.public()).arg("-signature").arg(by).arg(at).output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        // A refusal is a verdict; anything else is openssl not having understood us.
        ensure!(said.contains("Verif"), "openssl gives no verdict: {}", String::from_utf8_lossy(&done.stderr));
        Ok(done.status.success() && said.contains("Verified OK"))
    }

    fn openssl_signs(&self, message: &[u8]) -> Result<Vec<u8>> {
        let (at, to) = (self.dir.join("message"), self.dir.join("theirs"));
        std::fs::write(&at, message)?;
        output(self.openssl().arg("-sign").arg(self.pem()).arg("-out").arg(&to).arg(at))?;
        Ok(std::fs::read(to)?)
    }

    fn we_accept(&self, image: &[u8]) -> Result<bool> {
        let at = self.dir.join("resigned");
        std::fs::write(&at, image)?;
        let mut verify = self.programs.ota();
        verify.args(["verify", "--vendor", VENDOR, "--class", CLASS, "--key"]).arg(self.public()).arg(&at);
        Ok(verify.output().context("cannot start ota")?.status.success())
    }
}

/// How many bytes of a MCUboot image are signed, and where the value of the TLV `wanted` is. Not `ota-verify`'s reader:
/// this check is to be independent of it.
fn parts(image: &[u8], wanted: u16) -> Option<(usize, Range<usize>)> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    let signed = usize::from(u16_at(8)?) + u32_at(12)? + usize::from(u16_at(10)?);
    let end = signed + usize::from(u16_at(signed + 2)?);
    let mut at = signed + 4;
    while at < end {
        let (kind, len) = (u16_at(at)?, usize::from(u16_at(at + 2)?));
        if kind == wanted {
            return Some((signed, at + 4..at + 4 + len)).filter(|(_, value)| value.end <= image.len());
        }
        at += 4 + len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_signature_is_found_and_a_short_image_is_no_panic() {
        let mut image = vec![0; 40];
        image[8] = 32;
        image[12] = 8;
        image.extend(b"\x07\x69\x0e\x00\x10\x00\x02\x00ab\x20\x00\x00\x00");
        assert_eq!(parts(&image, 0x20), Some((40, 54..54)));
        assert_eq!(parts(&image, 0x10), Some((40, 48..50)));
        assert_eq!(parts(&image, 0x22), None);
        assert!((0..image.len()).all(|len| parts(&image[..len], 0x22).is_none()));
    }
}
