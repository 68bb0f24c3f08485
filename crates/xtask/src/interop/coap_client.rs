//! libcoap's client as a device at `ota serve`.

use super::Outcome;
use super::bench::{PATIENCE, firmware};
use super::peers::{Peers, version_of};
use crate::proc::Proc;
use crate::run::output;
use crate::serve;
use crate::vendor::Vendor;
use crate::world::{CLASS, DEVICE, PRODUCT, Programs, Scratch};
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// For a download in which one datagram of ten is lost: the client waits 2 to 3 s after each, and longer after several.
const DOWNLOAD: Duration = Duration::from_secs(120);

/// It reports a version, observes its offers and is told of one, and fetches the image with losses.
pub(super) fn check(programs: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let dir = scratch.path().join("coap-client");
    let files = dir.join("files");
    std::fs::create_dir_all(&files)?;
    let (payload, got) = (dir.join("payload"), dir.join("got"));
    std::fs::write(&payload, firmware())?;
    let vendor = Vendor::new(programs, &dir, "vendor", "rsa2048")?;
    let image = std::fs::read(vendor.sign(&payload, "2.0.0", 1, CLASS)?)?;
    std::fs::write(files.join("object"), &image)?;
    let mut cloud = programs.ota();
    cloud.arg("serve").arg(&files).args(["--mqtt-port", "0", "--http-port", "0", "--coap-port", "0"]);
    let mut cloud = Proc::start("cloud", &mut cloud)?;
    let ready = cloud.wait_for("READY ", PATIENCE)?;
    let (http, coap) = (serve::port(&ready, "http=")?, serve::port(&ready, "coap=")?);
    let url = |path: &str| format!("coap://127.0.0.1:{coap}{path}");

    let mut lossy = client();
    lossy.args(["-v", "7", "-l", "10%", "-b", "1024", "-B", "120", "-o"]).arg(&got).arg(url("/files/object"));
    let download = Proc::start("coap-client", &mut lossy)?;

    let (version, offers) = (format!("/ota/version/{PRODUCT}/{DEVICE}"), format!("/ota/offer/{PRODUCT}/{DEVICE}"));
    let body = r#"{"id":"1","params":{"version":"1.0.0"}}"#;
    output(client().args(["-m", "post", "-e", &body.replace('"', "%22"), &url(&version)]))?;
    cloud.wait_until("the version", PATIENCE, |line| line.starts_with("version") && line.contains("1.0.0"))?;
    let mut observe = Proc::start("coap-client", client().args(["-w", "-s", "60", &url(&offers)]))?;
    cloud.wait_for(&offers, PATIENCE)?;
    serve::offer(http, "object")?;
    observe.wait_for(&url("/files/object"), PATIENCE)?;

    complete(&got, &image)?;
    let lost =
        download.tape().lines().iter().filter(|line| line.contains("Packet") && line.contains("dropped")).count();
    ensure!(lost > 0, "the client lost nothing");
    let exchanged = format!(
        "at `ota serve`: version by POST, offers observed and one told, a signed image of {} bytes by Block2 \
         with {lost} requests lost (-l 10%); byte exact",
        image.len()
    );
    Ok(Outcome { peer: "coap-client", version: version_of("coap-client-notls", "-h")?, exchanged })
}

fn client() -> Command {
    Command::new("coap-client-notls")
}

/// Waits until the client has the image: it writes what it has when it has all of it.
fn complete(got: &Path, image: &[u8]) -> Result<()> {
    let deadline = Instant::now() + DOWNLOAD;
    while std::fs::metadata(got).map_or(0, |meta| meta.len()) < image.len() as u64 {
        ensure!(Instant::now() < deadline, "the download did not end within {DOWNLOAD:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(std::fs::read(got)? == image, "what arrived is not what was served");
    Ok(())
}
