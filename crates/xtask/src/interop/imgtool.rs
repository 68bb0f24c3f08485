//! MCUboot's own tool: our images verified by it, its images by us.

use super::Outcome;
use super::peers::Peers;
use crate::run::output;
use crate::vendor::Vendor;
use crate::world::{CLASS, Programs, Scratch, VENDOR};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

const KINDS: [&str; 4] = ["rsa2048", "rsa3072", "p256", "ed25519"];
const COUNTER: u32 = 7;

pub(super) fn check(programs: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let dir = scratch.path().join("imgtool");
    std::fs::create_dir_all(&dir)?;
    let payload = dir.join("payload");
    std::fs::write(&payload, (0..20_000u32).map(|n| (n * 31 % 251) as u8).collect::<Vec<_>>())?;
    for kind in KINDS {
        let vendor = Vendor::new(programs, &dir, kind, kind)?;
        ours(peers, &vendor, &payload).with_context(|| format!("imgtool on our {kind} image"))?;
        theirs(programs, peers, &vendor, &payload).with_context(|| format!("ours on imgtool's {kind} image"))?;
    }
    let exchanged = format!("{} signed both ways, with security counter, version, vendor and class", KINDS.join(", "));
    Ok(Outcome { peer: "imgtool", version: peers.python_version("imgtool")?, exchanged })
}

/// imgtool accepts our image, sees our version and counter, and refuses it once a byte was changed.
fn ours(peers: &Peers, vendor: &Vendor<'_>, payload: &Path) -> Result<()> {
    let image = vendor.sign(payload, "1.2.3+4", COUNTER, CLASS)?;
    let verify = |image: &Path| output(peers.imgtool().arg("verify").arg("-k").arg(vendor.pem()).arg(image));
    let said = verify(&image)?;
    ensure!(said.contains("1.2.3+4"), "imgtool reads another version:\n{said}");
    let dump = output(peers.imgtool().arg("dumpinfo").arg(&image))?;
    ensure!(dump.contains("SEC_CNT") && dump.contains("0x7"), "imgtool sees no security counter:\n{dump}");
    ensure!(verify(&damaged(&image)?).is_err(), "imgtool accepted a damaged image");
    Ok(())
}

/// We accept imgtool's image for the right device only, see its version and counter, and refuse it once a byte was changed.
fn theirs(programs: &Programs, peers: &Peers, vendor: &Vendor<'_>, payload: &Path) -> Result<()> {
    let image = vendor.pem().with_extension("imgtool.img");
    let mut sign = peers.imgtool();
    sign.args(["sign", "--version", "1.2.3+4", "--header-size", "0x200", "--pad-header", "--align", "8"]);
    sign.args(["--slot-size", "0x40000", "--security-counter", &COUNTER.to_string(), "--vid", VENDOR, "--cid", CLASS]);
    output(sign.arg("--key").arg(vendor.pem()).arg(payload).arg(&image))?;
    let verify = |image: &Path, class: &str, floor: u32| {
        let mut verify = programs.ota();
        verify.args(["--json", "verify", "--vendor", VENDOR, "--class", class, "--floor", &floor.to_string()]);
        output(verify.arg("--key").arg(vendor.blob()).arg(image))
    };
    let said = verify(&image, CLASS, COUNTER)?;
    ensure!(said.contains("1.2.3"), "we read another version:\n{said}");
    ensure!(verify(&image, CLASS, COUNTER + 1).is_err(), "accepted below the floor: the counter was not read");
    ensure!(verify(&image, VENDOR, COUNTER).is_err(), "accepted for another class: the class was not read");
    ensure!(verify(&damaged(&image)?, CLASS, COUNTER).is_err(), "accepted a damaged image");
    Ok(())
}

fn damaged(image: &Path) -> Result<PathBuf> {
    let mut bytes = std::fs::read(image)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the image is empty")? ^= 1;
    let damaged = image.with_extension("damaged");
    std::fs::write(&damaged, bytes)?;
    Ok(damaged)
}
